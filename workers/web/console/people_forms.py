"""What pages about people share: times of a form, names of teams, taking something off a list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from models.people import Team
from models.vocabulary import Role
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork
from workers.web.console.door import Visit
from workers.web.console.forms import Form as Typed
from workers.web.console.sheet import Field, Form, label
from workers.web.parts import WebParts

DECIDE = (Role.SUPERVISOR, Role.ADMINISTRATOR)


def span(uow: UnitOfWork, parts: WebParts, visit: Visit) -> tuple[datetime, datetime]:
    """From and to of a form. Raises InvalidInput."""
    typed = Typed(visit.fields, parts.settings.timezone, uow.clock.now())
    begin, end = typed.moment("starts_at", required=True), typed.moment("ends_at", required=True)
    if begin is None or end is None or typed.errors.get("ends_at"):
        raise InvalidInput("these are no two times to come", hint="write 2026-05-20 15:00")
    return begin.astimezone(UTC), end.astimezone(UTC)


def times() -> list[Field]:
    """Fields for from and to."""
    return [
        Field(name=name, label=label(head), kind="moment", need=True, limit=20)
        for name, head in (("starts_at", "from"), ("ends_at", "until"))
    ]


def taking_off(url: str, ident: str) -> Form:
    """A form that takes one row off a list, by its id."""
    hidden = Field(name="id", kind="hidden", value=ident)
    return Form(
        name=f"cancel-{ident}", url=url, title=label("take_off"), button=label("take_off"), fields=[hidden]
    )


async def team_names(uow: UnitOfWork) -> dict[Any, str]:
    """All teams: id → name."""
    return {team.id: team.name for team in await uow.session.scalars(select(Team).order_by(Team.name))}
