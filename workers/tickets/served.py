"""What the rules of asking look at: the service that a ticket's result has ended."""

from __future__ import annotations

from datetime import datetime

from models.people import Customer, Team
from models.tickets import Ticket
from workers.policy import Alarm, Policy, Service, touchpoint_of
from workers.policy.asking_parts import Touchpoint
from workers.unit_of_work import UnitOfWork


async def service_of(uow: UnitOfWork, ticket: Ticket, touchpoint: Touchpoint | None = None) -> Service:
    """The service of this opening of a ticket, by the team that gave its result; `touchpoint` in place of
    the one that its category and kind tell.
    """
    customer = await uow.the(Customer, ticket.customer_id)
    team_id = ticket.credited_team_id or ticket.team_id
    team = await uow.the(Team, team_id) if team_id is not None else None
    return Service(
        touchpoint=touchpoint or touchpoint_of(ticket.category, ticket.subkind),
        category=ticket.category,
        kind=ticket.subkind,
        customer_group=customer.customer_group,
        customer_level=customer.level,
        team=team.name if team else None,
        channel=ticket.channel,
    )


def confirmation_plan(policy: Policy, given_at: datetime) -> list[Alarm]:
    """The chase of a confirmation of the result given then: reminder, task, and its end `unconfirmed`."""
    *chase, (end, _) = policy.confirmation.steps(given_at)
    return [*(Alarm(at, step, ()) for at, step in chase), Alarm(end, "unconfirmed", ())]


async def ask_at(uow: UnitOfWork, ticket: Ticket, policy: Policy) -> datetime:
    """When (UTC) the customer is asked about the result given, by this policy."""
    assert ticket.resolved_at is not None
    rule = policy.survey.asking(await service_of(uow, ticket))
    return policy.survey.invite_at(ticket.resolved_at, rule)
