"""More time or more help: an escalation request 升级申请 that a supervisor approves or declines."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from models.people import Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, Lane, Role
from workers import deadlines, escalations
from workers.directory import people_for
from workers.errors import Conflict, Forbidden, InvalidInput, NotFound
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.text import mask_free_text
from workers.tickets.accepting import set_resolution_limit
from workers.tickets.loading import must_be_open
from workers.tickets.waiting import catch_up, clocks_running, limit_from
from workers.unit_of_work import UnitOfWork

DECIDERS = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})


async def extend(uow: UnitOfWork, ticket: Ticket, by: Staff, reason: str, until: datetime) -> TicketEntry:
    """Ask for a later expected resolution, before the time is up (row B6).

    A supervisor's own extension is approved at once; anybody else's is decided by the supervisor.
    Raises Conflict when the time is up already.
    """
    if await promised_time(uow, ticket) <= uow.clock.now():
        raise Conflict("the expected resolution time is up", hint="make an escalation request instead")
    entry = await request_escalation(uow, ticket, by, reason, resources="", until=until)
    if by.role in DECIDERS:
        await decide_request(uow, ticket, by, entry.id, approved=True)
    return entry


async def promised_time(uow: UnitOfWork, ticket: Ticket) -> datetime:
    """Until when a resolution is promised; while the customer is waited for: if they answered now.

    Raises Conflict when nothing has been promised yet.
    """
    await catch_up(uow, ticket)
    promised = ticket.expected_resolution_at
    if promised is None:
        raise Conflict(
            f"ticket {ticket.number} has not been accepted", hint="accept it with an expected time first"
        )
    for row in await deadlines.open_ones(uow, ticket, [DeadlineKind.RESOLUTION]):
        if row.limit_at == promised:
            return await limit_from(uow, ticket, row, uow.clock.now())
    return promised


async def request_escalation(
    uow: UnitOfWork, ticket: Ticket, by: Staff, reason: str, resources: str, until: datetime | None
) -> TicketEntry:
    """Put an escalation request before the supervisor (row B8): reason, resources needed, new expected time.

    `until` is the new expected resolution, None when only help is asked for. Raises InvalidInput without a
    reason or when `until` lies in the past.
    """
    must_be_open(ticket)
    if not reason.strip():
        raise InvalidInput("an escalation request needs a reason")
    if until is not None and until <= uow.clock.now():
        raise InvalidInput("the new expected time lies in the past")
    entry = await record(
        uow,
        ticket,
        "escalation_requested",
        by=by,
        facts={"new_expected_at": until.isoformat() if until else None},
        words={"reason": reason, "resources": resources},
    )
    if by.role not in DECIDERS:
        await _ask(uow, ticket, by, entry, reason, resources)
    return entry


async def _ask(
    uow: UnitOfWork, ticket: Ticket, by: Staff, entry: TicketEntry, reason: str, resources: str
) -> None:
    facts = {
        **await staff_ticket_facts(uow, ticket),
        "reason": mask_free_text(reason),
        "resources": mask_free_text(resources),
        "new_expected_at": entry.facts["new_expected_at"],
        "requested_by": by.name,
    }
    links = {name: escalations.link(name, entry.id) for name in ("approve", "decline")}
    people = await people_for(uow, ticket, ["supervisor"])
    for person in people:
        notice = Notice(
            kind="escalation_request",
            fact=entry.id.hex,
            ticket=ticket,
            facts=facts,
            links=links,
            lane=Lane.URGENT,
        )
        await notify(uow, staff_recipient(uow, person), notice)
    if not people:
        await record(uow, ticket, "nobody_to_tell", facts={"notification": "escalation_request"})


async def decide_request(
    uow: UnitOfWork, ticket: Ticket, by: Staff, request_id: UUID, *, approved: bool, note: str = ""
) -> None:
    """Approve or decline a request, once; an approved new time moves the limit of a resolution still awaited.

    Raises Forbidden for agents, NotFound for an unknown request, Conflict when it was decided already.
    """
    if by.role not in DECIDERS:
        raise Forbidden("escalation requests are decided by a supervisor")
    request = await uow.session.get(TicketEntry, request_id)
    if request is None or request.ticket_id != ticket.id or request.kind != "escalation_requested":
        raise NotFound("there is no such escalation request on this ticket")
    decided = await uow.session.scalars(
        select(TicketEntry.facts).where(
            TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "escalation_decided"
        )
    )
    if any(facts.get("request") == str(request_id) for facts in decided):
        raise Conflict("this request has been decided already")
    facts, now = {"request": str(request_id), "approved": approved}, uow.clock.now()
    until = request.facts.get("new_expected_at")
    async with clocks_running(uow, ticket):
        words = {"note": note} if note else None
        await record(uow, ticket, "escalation_decided", by=by, at=now, facts=facts, words=words)
        if approved and until and ticket.resolved_at is None:
            ticket.expected_resolution_at = datetime.fromisoformat(until)
            await set_resolution_limit(uow, ticket, ticket.expected_resolution_at, "extended", now)
    asker = await uow.session.get(Staff, request.staff_id) if request.staff_id else None
    if asker is not None and asker.id != by.id:
        await _tell_decision(uow, ticket, asker, request, approved, note)


async def _tell_decision(
    uow: UnitOfWork, ticket: Ticket, asker: Staff, request: TicketEntry, approved: bool, note: str
) -> None:
    facts = {
        **await staff_ticket_facts(uow, ticket),
        "approved": approved,
        "note": mask_free_text(note),
        "new_expected_at": request.facts.get("new_expected_at") if approved else None,
    }
    notice = Notice(kind="escalation_decided", fact=request.id.hex, ticket=ticket, facts=facts)
    await notify(uow, staff_recipient(uow, asker), notice)
