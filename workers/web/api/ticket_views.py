"""Read a ticket for showing it: opens what is sealed, masks it, and puts the figures beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.deadlines import Deadline
from models.people import Customer, Staff, Team
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineState
from workers.core_fields import missing_core
from workers.text import duration_words, mask_free_text
from workers.tickets import missing_for_closing, ticket_by_number, waits_for_confirmation
from workers.tickets.clocks import running_limits
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Caller, opened, opened_words, picked, reader
from workers.web.api.survey_record import OF_CASES, sees_ratings, tells_of_rating
from workers.web.api.ticket_models import (
    CustomerShown,
    DeadlineShown,
    Duration,
    Durations,
    EntryShown,
    RequestShown,
    StaffShown,
    TicketShown,
    TicketSummary,
)
from workers.web.parts import WebParts

COPIED = (
    "occurred_at opened_at triaged_at assigned_at accepted_at expected_resolution_at transferred_at "
    "planned_at feedback_at confirmed_at rated_at "
    "opening locale special_period order_number cooperating confirmed_by unconfirmed_reason unrated_reason "
    "close_reason waiting_since"
)


async def shown_ticket(parts: WebParts, number: str, calling: Caller) -> TicketShown:
    """The ticket with clocks and log, as it stands now, for whoever calls. Raises NotFound."""
    async with parts.workshop.read() as uow:
        ticket = await ticket_by_number(uow, number, hold=False)
        return await full_view(uow, ticket, await reader(uow, calling))


async def full_view(uow: UnitOfWork, ticket: Ticket, by: Staff | None) -> TicketShown:
    """Everything about one ticket that this member of staff (None: a system) may see."""
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    names = await _names(uow, customer)
    entries, clocks = await _entries(uow, ticket), await _clocks(uow, ticket)
    if not await sees_ratings(uow, by, ticket):
        entries = [each for each in entries if not tells_of_rating(each)]
        clocks = [each for each in clocks if each.kind not in OF_CASES]
    staff = await staff_by_ids(uow, [ticket.handler_id, *(each.staff_id for each in entries)])
    staff |= await staff_by_ids(uow, [each.acknowledged_by for each in clocks])
    log = [await _entry(uow, ticket, each, staff, names) for each in entries]
    handler = staff.get(ticket.handler_id) if ticket.handler_id else None
    summary = await summary_view(uow, ticket, customer, handler)
    return TicketShown(
        **summary.model_dump(),
        **picked(ticket, COPIED),
        further_categories=list(ticket.further_categories or []),
        description=await _masked(uow, ticket, "description", names),
        background=await _masked(uow, ticket, "background", names),
        team=await _team_name(uow, ticket.team_id),
        first_team=await _team_name(uow, ticket.first_team_id),
        handled_by=StaffShown(number=handler.number, name=handler.name, role=handler.role)
        if handler
        else None,
        earlier=await _number_of(uow, ticket.earlier_id),
        merged_into=await _number_of(uow, ticket.merged_into_id),
        missing_for_closing=missing_for_closing(ticket),
        missing_core_fields=missing_core(uow.policy, ticket, customer),
        durations=_durations(uow, ticket),
        limits=await running_limits(uow, ticket),
        deadlines=[deadline_view(uow, each, staff) for each in clocks],
        escalation_requests=_requests(log),
        log=log,
    )


async def summary_view(
    uow: UnitOfWork, ticket: Ticket, customer: Customer, handler: Staff | None
) -> TicketSummary:
    """What a list shows of a ticket."""
    return TicketSummary(
        number=ticket.number,
        version=ticket.version,
        state=ticket.state,
        priority=ticket.priority,
        category=ticket.category,
        subkind=ticket.subkind,
        channel=ticket.channel,
        subject=await _masked(uow, ticket, "subject", await _names(uow, customer)),
        customer=customer_view(customer),
        handler=handler.number if handler else None,
        received_at=ticket.received_at,
        first_response_at=ticket.first_response_at,
        resolved_at=ticket.resolved_at,
        closed_at=ticket.closed_at,
        attention=ticket.attention,
        overdue_count=ticket.overdue_count,
        needs_triage=bool(missing_core(uow.policy, ticket, customer)),
        urged_count=ticket.urged_count,
        response=_between(uow, ticket.received_at, ticket.first_response_at),
    )


def customer_view(customer: Customer) -> CustomerShown:
    """A customer as code and mask."""
    return CustomerShown(
        code=customer.code,
        masked=customer.masked,
        group=customer.customer_group,
        level=customer.level,
        industry=customer.industry,
        preferred_channel=customer.preferred_channel,
    )


def deadline_view(uow: UnitOfWork, row: Deadline, staff: dict[UUID, Staff]) -> DeadlineShown:
    """One clock with its verdict; `staff` by id, for who acknowledged."""
    undecided = row.state in (DeadlineState.RUNNING, DeadlineState.PAUSED, DeadlineState.WITHDRAWN)
    by = staff.get(row.acknowledged_by) if row.acknowledged_by else None
    late = row.state is DeadlineState.BREACHED and row.limit_at is not None
    return DeadlineShown(
        id=row.id,
        kind=row.kind,
        generation=row.generation,
        state=row.state,
        started_at=row.started_at,
        limit_at=row.limit_at,
        next_alarm_at=row.due_at,
        paused_at=row.paused_at,
        left=_left(uow, row),
        met_at=row.met_at,
        breached_at=row.breached_at,
        in_time=None if undecided else row.state is DeadlineState.MET,
        overdue=_between(uow, row.limit_at, row.met_at or uow.clock.now()) if late else None,
        ended_reason=row.ended_reason,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=by.number if by else None,
    )


def _left(uow: UnitOfWork, row: Deadline) -> Duration | None:
    now = row.paused_at or uow.clock.now()
    runs = row.state in (DeadlineState.RUNNING, DeadlineState.PAUSED)
    return _between(uow, now, row.limit_at) if runs and row.limit_at and row.limit_at > now else None


async def staff_by_ids(uow: UnitOfWork, ids: Iterable[UUID | None]) -> dict[UUID, Staff]:
    """Members of staff by id, in one query."""
    wanted = {ident for ident in ids if ident is not None}
    if not wanted:
        return {}
    rows = await uow.session.scalars(select(Staff).where(Staff.id.in_(wanted)))
    return {row.id: row for row in rows}


async def customers_by_ids(uow: UnitOfWork, ids: Iterable[UUID]) -> dict[UUID, Customer]:
    """Customers by id, in one query."""
    rows = await uow.session.scalars(select(Customer).where(Customer.id.in_(set(ids))))
    return {row.id: row for row in rows}


async def log_view(uow: UnitOfWork, ticket: Ticket, entries: Sequence[TicketEntry]) -> list[EntryShown]:
    """Lines of the log with their words masked."""
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    names = await _names(uow, customer)
    staff = await staff_by_ids(uow, [each.staff_id for each in entries])
    return [await _entry(uow, ticket, each, staff, names) for each in entries]


async def _entries(uow: UnitOfWork, ticket: Ticket) -> list[TicketEntry]:
    query = select(TicketEntry).where(TicketEntry.ticket_id == ticket.id)
    return list(await uow.session.scalars(query.order_by(TicketEntry.at, TicketEntry.id)))


async def _clocks(uow: UnitOfWork, ticket: Ticket) -> list[Deadline]:
    query = select(Deadline).where(Deadline.ticket_id == ticket.id)
    return list(await uow.session.scalars(query.order_by(Deadline.id)))


async def _entry(
    uow: UnitOfWork, ticket: Ticket, row: TicketEntry, staff: dict[UUID, Staff], names: tuple[str, ...]
) -> EntryShown:
    by = staff.get(row.staff_id) if row.staff_id else None
    return EntryShown(
        id=row.id,
        at=row.at,
        kind=row.kind,
        actor=by.number if by else row.actor,
        facts=row.facts,
        words=await opened_words(uow, ticket.data_key_id, row.words_sealed, "ticket_entries.words", names),
        evidence=row.evidence,
        corrects=row.corrects_id,
        notification=row.notification_id,
    )


def _requests(log: list[EntryShown]) -> list[RequestShown]:
    decisions = {
        each.facts.get("request"): "approved" if each.facts.get("approved") else "declined"
        for each in log
        if each.kind == "escalation_decided"
    }
    return [
        RequestShown(
            id=each.id,
            at=each.at,
            by=each.actor,
            reason=each.words.get("reason", ""),
            resources=each.words.get("resources", ""),
            new_expected_at=each.facts.get("new_expected_at"),
            decision=decisions.get(str(each.id)),
        )
        for each in log
        if each.kind == "escalation_requested"
    ]


def _durations(uow: UnitOfWork, ticket: Ticket) -> Durations:
    unconfirmed = ticket.unconfirmed_reason and not waits_for_confirmation(ticket)
    given_up = ticket.resolved_at if unconfirmed else None
    return Durations(
        response=_between(uow, ticket.received_at, ticket.first_response_at),
        result=_between(uow, ticket.received_at, ticket.resolved_at),
        resolution=_between(uow, ticket.received_at, ticket.confirmed_at or given_up),
    )


def _between(uow: UnitOfWork, start: datetime | None, end: datetime | None) -> Duration | None:
    if start is None or end is None:
        return None
    elapsed: timedelta = end - start
    seconds = int(elapsed.total_seconds())
    return Duration(seconds=seconds, words=duration_words(seconds, uow.settings.locale))


async def _names(uow: UnitOfWork, customer: Customer) -> tuple[str, ...]:
    name = await opened(uow, customer.data_key_id, customer.name_sealed, "customers.name")
    return (name,) if name else ()


async def _masked(uow: UnitOfWork, ticket: Ticket, field: str, names: tuple[str, ...]) -> str:
    sealed: Any = getattr(ticket, f"{field}_sealed")
    return mask_free_text(await opened(uow, ticket.data_key_id, sealed, f"tickets.{field}"), names=names)


async def _team_name(uow: UnitOfWork, team_id: UUID | None) -> str | None:
    team = await uow.session.get(Team, team_id) if team_id else None
    return team.name if team else None


async def _number_of(uow: UnitOfWork, ticket_id: UUID | None) -> str | None:
    ticket = await uow.session.get(Ticket, ticket_id) if ticket_id else None
    return ticket.number if ticket else None
