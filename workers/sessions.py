"""The two kinds of session: one that writes, and takes over what was held back, and one that only reads."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from models.base import Base

HELD = "closeloop_held"
"""In a session's info: new rows that the session does not know yet."""


class Writing(Session):
    """A session that takes over what was held back before it asks the database for anything."""

    def flush(self, objects: Any = None) -> None:
        held: list[Base] = self.info.get(HELD, [])
        self.add_all(held)
        held.clear()
        super().flush(objects)


class ReadOnly(Session):
    """A session that refuses to write, so that nothing slips past the gate and the bells."""

    def flush(self, objects: Any = None) -> None:
        if self.new or self.dirty or self.deleted:
            raise RuntimeError("a unit of work made for reading must not write")


@event.listens_for(ReadOnly, "do_orm_execute")
def _refuse_statements(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        raise RuntimeError("a unit of work made for reading must not write")
