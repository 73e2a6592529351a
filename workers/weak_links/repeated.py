"""Problems that keep coming, across customers, and the draft of an entry that ends them (rows A9, E8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from models.knowledge import KnowledgeEntry
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Role
from workers import knowledge
from workers.errors import Forbidden, NotFound
from workers.search import Problem
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork

MOST_SAMPLES = 10


async def repeated_problems(uow: UnitOfWork, until: datetime) -> tuple[Problem, ...]:
    """What many customers have written about in the seven days before `until` (UTC) or week after week, as
    the weekly review finds it: those without a published knowledge entry first.
    """
    found = (await knowledge.review_until(uow, until)).repeated
    return tuple(sorted(found, key=lambda each: (bool(each.entries), -each.cases, each.words)))


async def draft_for(uow: UnitOfWork, by: Staff, numbers: Sequence[str]) -> KnowledgeEntry:
    """A draft of a knowledge entry for the problem that these tickets have: of the newest that has a result,
    else of the newest, whose solution is still to be written. Asked again, it gives that draft.

    Raises Forbidden for agents, NotFound when none of these tickets is there.
    """
    if by.role is Role.AGENT:
        raise Forbidden("drafts of repeated problems are made by those who lead")
    named = [number.strip().upper() for number in numbers[:MOST_SAMPLES]]
    newest = await uow.session.scalar(
        select(Ticket.number)
        .where(Ticket.number.in_(named))
        .order_by(Ticket.resolved_at.is_(None), Ticket.id.desc())
        .limit(1)
    )
    if newest is None:
        raise NotFound("there is no ticket of these numbers")
    ticket = await ticket_by_number(uow, newest)
    others = tuple(number for number in named if number != ticket.number)
    return await knowledge.draft_of_problem(uow, ticket, by, others)
