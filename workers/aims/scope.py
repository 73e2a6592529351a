"""Of which requests a figure is taken: kept as codes and ids, so that a team may change its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.people import Staff, Team
from models.vocabulary import Category, Medium, Priority
from workers.errors import InvalidInput
from workers.measures import Narrowing, narrowing_of
from workers.unit_of_work import UnitOfWork

SCOPE = ("team", "staff", "category", "priority", "channel", "customer_group")
"""By what a figure can be narrowed, as people name it: team by name, staff by number, the rest by codes."""


async def kept_scope(uow: UnitOfWork, named: Mapping[str, str | None]) -> dict[str, str]:
    """A scope as it is kept, from what people name. Raises InvalidInput, and NotFound for team and staff."""
    if unknown := sorted(named.keys() - set(SCOPE)):
        raise InvalidInput(
            "a figure is not narrowed by this", hint=f"{', '.join(unknown)[:48]}: no such scope"
        )
    given = {name: text.strip() for name, text in named.items() if text and text.strip()}
    found = await narrowing_of(uow, **given)
    kept: dict[str, Any] = {
        "team": found.team_id.hex if found.team_id else None,
        "staff": found.staff_id.hex if found.staff_id else None,
        **{name: given.get(name) for name in SCOPE[2:]},
    }
    return {name: str(code) for name, code in kept.items() if code}


def narrowing_for(scope: Mapping[str, Any]) -> Narrowing:
    """The narrowing of a scope that is kept."""
    return Narrowing(
        team_id=UUID(scope["team"]) if "team" in scope else None,
        staff_id=UUID(scope["staff"]) if "staff" in scope else None,
        category=Category(scope["category"]) if "category" in scope else None,
        priority=Priority(scope["priority"]) if "priority" in scope else None,
        channel=Medium(scope["channel"]) if "channel" in scope else None,
        customer_group=scope.get("customer_group"),
    )


async def shown_scope(uow: UnitOfWork, scope: Mapping[str, Any]) -> dict[str, str]:
    """A kept scope as people name it."""
    shown = {name: str(code) for name, code in scope.items()}
    if "team" in shown:
        name = await uow.session.scalar(select(Team.name).where(Team.id == UUID(shown["team"])))
        shown["team"] = name or shown["team"]
    if "staff" in shown:
        number = await uow.session.scalar(select(Staff.number).where(Staff.id == UUID(shown["staff"])))
        shown["staff"] = number or shown["staff"]
    return shown
