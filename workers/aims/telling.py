"""Who hears of a target or an improvement, and the notice that tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from models.improving import Improvement, Target
from models.people import Staff, Team
from workers.directory import people_in_roles
from workers.notifications import Notice, house_facts, notify, staff_recipient
from workers.unit_of_work import UnitOfWork


async def owner_or_stand_in(uow: UnitOfWork, row: Target | Improvement) -> list[Staff]:
    """The owner, or whoever stands in for them."""
    owner = await uow.session.get_one(Staff, row.owner_id)
    return await people_in_roles(uow, team_id=owner.team_id, handler_id=owner.id, roles=("handler",))


async def team_supervisor(uow: UnitOfWork, name: str | None) -> list[Staff]:
    """Who leads the team of this name; nobody when it is no team of ours."""
    team = await uow.session.scalar(select(Team).where(Team.name == name)) if name else None
    if team is None:
        return []
    return await people_in_roles(uow, team_id=team.id, handler_id=None, roles=("supervisor",))


async def tell(
    uow: UnitOfWork,
    row: Target | Improvement,
    kind: str,
    fact: str,
    people: Sequence[Staff],
    facts_for: Mapping[str, Mapping[str, Any]],
    page: str,
) -> int:
    """Write one notice to each, once for each `fact`; gives how many. `facts_for` are the facts by locale."""
    told = 0
    for person in {person.id: person for person in people}.values():
        locale = person.locale or uow.settings.locale
        notice = Notice(
            kind=kind,
            fact=fact,
            ticket=None,
            facts={**house_facts(uow, locale), **facts_for[locale]},
            links={"page": {"page": page}},
            data_key_id=row.data_key_id,
        )
        told += await notify(uow, staff_recipient(uow, person), notice) is not None
    return told
