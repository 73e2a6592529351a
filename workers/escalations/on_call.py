"""Outside opening hours whoever is on duty 值班 hears first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.people import Staff
from models.tickets import Ticket
from workers.directory import on_duty
from workers.policy import Policy
from workers.unit_of_work import UnitOfWork


async def on_call(uow: UnitOfWork, ticket: Ticket, policy: Policy, at: datetime) -> list[Staff]:
    """Who is on duty for the ticket's team at `at`, if that lies outside opening hours. Empty in opening
    hours, without a roster, and in its gaps: then everything goes its usual way.
    """
    if not policy.after_hours(at):
        return []
    return await on_duty(uow, ticket.team_id, at)


def roles_beside(people: Sequence[Staff], roles: Sequence[str]) -> Sequence[str]:
    """Which roles hear of a breach beside people on duty: the handler does, those above hear it level by
    level if nobody acknowledges.
    """
    return [role for role in roles if role == "handler"] if people else roles
