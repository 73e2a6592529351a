"""What one caller asks of the database, while the house's own workers ask beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

NOW_AND_THEN = re.compile("policy_changes|clock_timestamp")
"""Which policy is in force, and the database's clock: asked by whoever is there when their time has come."""
_asking: ContextVar[list[str] | None] = ContextVar("asking", default=None)


@contextmanager
def asked_of(engine: AsyncEngine) -> Iterator[list[str]]:
    """The statements that this task, and what it calls, has asked so far; of no other task."""
    asked: list[str] = []

    def note(*call: object) -> None:
        if _asking.get() is asked and not NOW_AND_THEN.search(str(call[2])):
            asked.append(str(call[2]))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    token = _asking.set(asked)
    try:
        yield asked
    finally:
        _asking.reset(token)
        event.remove(engine.sync_engine, "before_cursor_execute", note)
