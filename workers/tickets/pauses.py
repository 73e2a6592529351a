"""When a ticket waited for its customer, from its log. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

Pause = tuple[datetime, datetime]
"""From when to when (UTC) the customer was waited for."""


def pauses_in(lines: Iterable[tuple[str, datetime]], now: datetime) -> tuple[Pause, ...]:
    """The waits that lines of a log tell of, as (kind, at) in the order in which they were written.

    One that has not ended ends at `now`.
    """
    found: list[Pause] = []
    since: datetime | None = None
    for kind, at in lines:
        if kind == "waiting":
            since = at
        elif kind == "resumed" and since is not None:
            found.append((since, at))
            since = None
    if since is not None:
        found.append((since, now))
    return tuple(found)
