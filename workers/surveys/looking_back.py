"""Whom to ask about what was resolved some time ago: everybody with a refund in the last 30 days (row D1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select

from models.people import Customer, Team
from models.surveys import Survey
from models.tickets import Ticket
from workers.errors import Conflict, InvalidInput, NotFound
from workers.locks import held
from workers.policy.asking_parts import Touchpoint
from workers.surveys.asking import LEFT_OUT, NEVER_ASKED, ask
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which results are meant: resolved `within` this time, and what else is not left empty."""

    within: timedelta
    category: str = ""
    kind: str = ""
    group: str = ""
    team: str = ""
    touchpoint: Touchpoint | None = None


async def not_asked_yet(uow: UnitOfWork, wanted: Wanted) -> list[UUID]:
    """The tickets meant whose result nobody was asked about, the oldest result first.

    Those that a rule or a sample left out are among them. Raises InvalidInput for an unknown category,
    NotFound for an unknown team.
    """
    now = uow.clock.now()
    query = (
        select(Ticket.id)
        .join(Customer, Customer.id == Ticket.customer_id)
        .outerjoin(Survey, and_(Survey.ticket_id == Ticket.id, Survey.opening == Ticket.opening))
        .where(Ticket.resolved_at >= now - wanted.within, Ticket.rated_at.is_(None))
        .where(or_(Ticket.close_reason.is_(None), Ticket.close_reason.not_in(NEVER_ASKED)))
        .where(Customer.erased_at.is_(None))
        .where(or_(Survey.id.is_(None), Survey.reason.in_(LEFT_OUT)))
        .order_by(Ticket.resolved_at, Ticket.id)
    )
    if wanted.category:
        category = uow.policy.category_of(wanted.category)
        if category is None:
            known = ", ".join(each.value for each in uow.policy.categories)
            raise InvalidInput(f"there is no category {wanted.category[:40]}", hint=f"categories: {known}")
        query = query.where(Ticket.category == category)
    if wanted.kind:
        query = query.where(Ticket.subkind == wanted.kind)
    if wanted.group:
        query = query.where(Customer.customer_group == wanted.group)
    if wanted.team:
        team = await uow.session.scalar(select(Team).where(Team.name == wanted.team))
        if team is None:
            raise NotFound(f"there is no team {wanted.team[:40]}", hint="closeloop team list shows them")
        query = query.where(Ticket.team_id == team.id)
    return list(await uow.session.scalars(query))


async def ask_all(uow: UnitOfWork, idents: Sequence[UUID], touchpoint: Touchpoint | None = None) -> int:
    """Ask about these tickets, in one transaction; gives how many were asked.

    Who was asked, or whose ticket was opened again meanwhile, is passed over.
    """
    locked = select(Ticket).where(Ticket.id.in_(idents)).order_by(Ticket.id)
    asked = 0
    for ticket in list(await uow.session.scalars(held(locked))):
        try:
            await ask(uow, ticket, touchpoint)
        except Conflict:
            continue
        asked += 1
    return asked
