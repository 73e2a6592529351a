"""What targets and improvements show alike: their scope, their log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select

from models.bulk import among
from models.improving import Improvement, Target
from models.people import Staff
from models.vocabulary import Category, Medium, Priority
from workers.aims import history_of
from workers.measures import CATALOGUE, Unit
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Given


class ScopeGiven(Given):
    """Only requests that are all of this; what is left out does not matter."""

    team: str | None = Field(default=None, max_length=64, description="Name")
    staff: str | None = Field(default=None, max_length=24, description="Staff number")
    category: Category | None = None
    priority: Priority | None = None
    channel: Medium | None = None
    customer_group: str | None = Field(default=None, max_length=24)

    def named(self) -> dict[str, str | None]:
        """As people name it."""
        return self.model_dump(mode="json")


class LineShown(BaseModel):
    """One line of a log."""

    at: datetime
    kind: str = Field(examples=["progress"])
    by: str = Field(description="Staff number; empty: the system")
    facts: dict[str, Any]
    words: dict[str, str] = Field(description="Personal data masked")


async def lines_of(uow: UnitOfWork, row: Target | Improvement) -> list[LineShown]:
    """The log, oldest first."""
    return [
        LineShown(
            at=each.at,
            kind=each.kind,
            by=each.by,
            facts=dict(each.facts),
            words={name: mask_free_text(text) for name, text in each.words.items()},
        )
        for each in await history_of(uow, row)
    ]


async def staff_numbers(uow: UnitOfWork, ids: Sequence[UUID]) -> dict[UUID, Staff]:
    """The people of these ids."""
    rows = await uow.session.scalars(select(Staff).where(among(uow.session, Staff.id, list(set(ids)))))
    return {row.id: row for row in rows}


def unit_of(measure: str) -> Unit | None:
    """What a measure is counted in; None where the catalogue no longer has it."""
    return CATALOGUE[measure].unit if measure in CATALOGUE else None
