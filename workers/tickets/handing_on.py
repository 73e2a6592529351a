"""Tickets of somebody who is away: what they have not accepted goes to somebody else."""

from __future__ import annotations

from typing import Any

from models.people import Staff, Team
from models.tickets import Ticket
from models.vocabulary import DeadlineKind
from workers.directory import case_of, people_for, people_present, substitute_of
from workers.history import record
from workers.tickets.assigning import hand_to, tell_handler_of
from workers.tickets.choosing import next_handler
from workers.tickets.clocks import judged_by, replace_clocks, start_clocks
from workers.unit_of_work import UnitOfWork


async def hand_on(uow: UnitOfWork, ticket: Ticket, absent: Staff) -> Staff | None:
    """Give the ticket to the substitute, else to somebody of the team, else to the supervisor; tell them.

    Gives to whom; None, and a line in the log, when nobody at all is there.
    """
    team = await uow.session.get(Team, ticket.team_id) if ticket.team_id else None
    person = await substitute_of(uow, absent)
    if person is None and team is not None:
        person = await next_handler(uow, team, ticket.subkind)
    if person is None:
        person = next(iter(await people_for(uow, ticket, ["supervisor"])), None)
    there = {each.id for each in await people_present(uow)}
    if person is None or person.id == absent.id or person.id not in there:
        await record(uow, ticket, "nobody_to_assign", facts={"absent": absent.number})
        return None
    now = uow.clock.now()
    ticket.transferred_at = now
    hand_to(uow, ticket, person)
    facts: dict[str, Any] = {"from": absent.number, "to": person.number, "why": "absent"}
    facts |= await judged_by(uow, ticket, await case_of(uow, ticket, now))
    entry = await record(uow, ticket, "transferred", facts=facts)
    if ticket.first_response_at is None:
        await replace_clocks(uow, ticket, [DeadlineKind.ACCEPTANCE], "transferred", now)
        await start_clocks(uow, ticket, [DeadlineKind.ACCEPTANCE], now)
    extra = {"from_name": absent.name, "to_name": person.name, "reason": "", "why": "absent"}
    await tell_handler_of(uow, ticket, person, "transfer", extra, fact=entry.id.hex)
    return person
