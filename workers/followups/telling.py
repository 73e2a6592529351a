"""Who hears of a follow-up: its owner or who stands in for them, else the supervisor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from models.vocabulary import Lane, Role
from workers import escalations
from workers.directory import people_for
from workers.directory.presence import presence
from workers.followups.finding import rated_person
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.unit_of_work import UnitOfWork

ABOVE = ("supervisor", "substitute", "head", "administrator")
CASE_HOURS = 24 * 30
"""How long the link to the page of a case works: longer than a round usually lasts."""


async def tell(
    uow: UnitOfWork,
    ticket: Ticket,
    followup: Followup,
    kind: str,
    extra: Mapping[str, Any],
    people: Sequence[Staff],
    *,
    rung: int = 0,
    take: bool = True,
) -> None:
    """Write one notice to each, with the link to the case (`take`: and the one that takes it on)."""
    facts = {**await staff_ticket_facts(uow, ticket), **extra}
    links = {
        "case": escalations.link("followup", followup.id, hours=CASE_HOURS, single_use=False),
        "take": escalations.link("take_followup", followup.id) if take else None,
    }
    for person in people:
        notice = Notice(
            kind=kind,
            fact=followup.id.hex,
            ticket=ticket,
            generation=followup.round,
            rung=rung,
            facts=facts,
            links=links,
            lane=Lane.URGENT,
        )
        await notify(uow, staff_recipient(uow, person), notice)
    if not people:
        await record(uow, ticket, "nobody_to_tell", facts={"notification": kind}, followup_id=followup.id)


async def remind(
    uow: UnitOfWork, ticket: Ticket, followup: Followup, people: Sequence[Staff], rung: int
) -> None:
    """The follow-up has not been started: contact the customer."""
    extra = {"start_by": followup.start_by.isoformat(), "opened_at": followup.opened_at.isoformat()}
    await tell(uow, ticket, followup, "followup_reminder", extra, people, rung=rung)


async def responsible(uow: UnitOfWork, ticket: Ticket, *owners: UUID | None) -> list[Staff]:
    """The first of the owners who is present, or whoever stands in for them; else the supervisor."""
    there = await presence(uow)
    standing = (there.standing_in(owner) for owner in owners)
    first = next((person for person in standing if person is not None), None)
    return [first] if first is not None else await people_for(uow, ticket, ["supervisor"])


async def judges(uow: UnitOfWork, ticket: Ticket, followup: Followup) -> list[Staff]:
    """Who is told what a customer said: the supervisor; where that is the person who was rated, the next
    above them. Administrators see all, and without anybody else the supervisor hears it nevertheless.
    """
    rated = await rated_person(uow, followup)
    for role in ABOVE:
        people = await people_for(uow, ticket, [role])
        others = [each for each in people if each.id != rated or each.role is Role.ADMINISTRATOR]
        if others:
            return others
    return await people_for(uow, ticket, ABOVE[:1])


async def name_of(uow: UnitOfWork, staff_id: UUID | None) -> str:
    """The name of a member of staff; "" when nobody is meant."""
    person = await uow.session.get(Staff, staff_id) if staff_id else None
    return person.name if person else ""
