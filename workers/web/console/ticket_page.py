"""The page of one ticket: its head, its clocks, what happened, what was sent, and what can be done now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.communications import Communication
from models.notifications import Notification
from models.people import Staff
from models.surveys import Followup, Survey
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineState, Role
from workers import communications, improvements
from workers.access.seeing import TELL_OF_RATINGS
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.communication_views import shown_records
from workers.web.api.improvement_views import list_view
from workers.web.api.survey_record import sees_ratings
from workers.web.api.ticket_models import DeadlineShown, EntryShown
from workers.web.api.ticket_views import full_view, staff_by_ids
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import show
from workers.web.console.similar_page import similar_facts
from workers.web.console.ticket_offers import offers
from workers.web.console.tickets import TICKETS
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

IMPROVE = "/console/improvements/new"
MOST_MESSAGES = 60
MOST_TALKS = 20
MOST_LINES = 300
TOLD = ("to", "into", "from", "earlier", "lead", "source")
"""Facts of a line that are shown as they are: numbers, names, teams."""
FROM_TO = ("transferred", "customer_merged", "customer_unmerged")
BLANK = dict.fromkeys(
    [
        "by",
        "cause",
        "channel",
        "customer_name",
        "decision",
        "evidence",
        "expected_at",
        "industry",
        "into",
        "lead",
        "message",
        "next_at",
        "note",
        "occurred_at",
        "background",
        "plan",
        "precautions",
        "priority",
        "category",
        "question",
        "reason",
        "resources",
        "solution",
        "solved",
        "subject",
        "subkind",
        "team",
        "tell_customer",
        "text",
        "to",
        "until",
        "block_sender",
    ],
    "",
)
"""Every field that a form of this page has, empty."""


@router.api_route(f"{TICKETS}/{{number}}", methods=["GET", "HEAD"])
async def ticket(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """All that this person may know of it, personal data masked."""
    async with parts.workshop.read() as uow:
        row = await ticket_by_number(uow, number, hold=False)
        facts = await page_facts(uow, row, visit)
    return show(request, visit, "console_ticket", facts)


async def page_facts(
    uow: UnitOfWork,
    row: Ticket,
    visit: Visit,
    *,
    act: str = "",
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    stale: bool = False,
) -> dict[str, Any]:
    """What the page shows. `act` is the form that comes back, with what was typed and what is wrong."""
    person = visit.person
    surveys = await _surveys(uow, row)
    rated = not await sees_ratings(uow, person, row)
    whole = await full_view(uow, row, person)
    log = whole.log
    shown = whole.model_dump(mode="json", exclude={"log", "deadlines"})
    names = {each.number: each.name for each in await _people(uow)}
    return {
        "ticket": shown,
        "clocks": [_clock(each) for each in whole.deadlines],
        "log": [_line(each, names) for each in reversed(log[-MOST_LINES:])],
        "older": max(0, len(log) - MOST_LINES),
        "seen": await _latest_line(uow, row),
        "remark": next((each.words.get("text", "") for each in reversed(log) if each.kind == "note"), None),
        "messages": await _messages(uow, row, rated),
        "talks": await _talks(uow, row, person),
        "surveys": [_survey(each) for each in surveys],
        "followup": None if rated else await _followup(uow, row),
        "improvements": await _improvements(uow, row, person),
        "improve_url": None if person.role is Role.AGENT else f"{IMPROVE}?ticket={row.number}",
        "merged": await _merged(uow, row),
        "acts": await offers(uow, row, person, whole),
        **await similar_facts(uow, row, person, person.locale or uow.settings.locale),
        "ticket_url": f"{TICKETS}/{row.number}",
        "list_url": TICKETS,
        "talk_url": "/console/communications",
        "act": act,
        "blank": BLANK,
        "values": {**BLANK, **(values or {})},
        "errors": {**BLANK, **errors} if errors else {},
        "stale": stale,
    }


async def _latest_line(uow: UnitOfWork, row: Ticket) -> str:
    """The id of the last line of its log, also where this person does not see that one."""
    lines = select(TicketEntry.id).where(TicketEntry.ticket_id == row.id)
    latest = await uow.session.scalar(lines.order_by(TicketEntry.id.desc()).limit(1))
    return latest.hex if latest else ""


async def _people(uow: UnitOfWork) -> list[Staff]:
    return list(await uow.session.scalars(select(Staff).order_by(Staff.number)))


def _clock(each: DeadlineShown) -> dict[str, Any]:
    """With a look as the shared piece of the pages knows it."""
    look = "left"
    seconds = each.left.seconds if each.left else 0
    if each.met_at is not None:
        look = "met" if each.in_time else "missed"
    elif each.ended_reason is not None or each.state is DeadlineState.WITHDRAWN:
        look = "missed" if each.state is DeadlineState.BREACHED else "over"
    elif each.paused_at is not None:
        look = "paused"
    elif each.overdue is not None or each.left is None:
        look, seconds = "overdue", each.overdue.seconds if each.overdue else 0
    return {
        "kind": each.kind.value,
        "at": each.limit_at.isoformat() if each.limit_at else None,
        "look": look,
        "seconds": seconds,
        "met_at": each.met_at.isoformat() if each.met_at else None,
        "why": each.ended_reason,
    }


def _line(each: EntryShown, names: Mapping[str, str]) -> dict[str, Any]:
    facts = each.facts
    ways = [str(facts["from"]), str(facts["to"])] if each.kind == "survey_way_failed" else []
    told = [str(facts[name]) for name in TOLD if facts.get(name)] if not ways else []
    if each.kind in FROM_TO:
        told = [f"{facts.get('from') or '–'} → {facts.get('to') or facts.get('into')}"]
    at = facts.get("new_expected_at") or facts.get("expected_resolution_at")
    return {
        "id": each.id.hex,
        "at": each.at.isoformat(),
        "kind": each.kind,
        "actor": each.actor,
        "name": names.get(each.actor),
        "told": told,
        "ways": ways,
        "until": str(at) if at else None,
        "words": [text for text in each.words.values() if text],
        "evidence": each.evidence,
        "why": str(facts["reason"]) if each.kind in ("unconfirmed", "unconfirmed_reason") else None,
    }


async def _messages(uow: UnitOfWork, row: Ticket, rated: bool) -> list[dict[str, Any]]:
    """What was sent about it and what became of each, the newest first."""
    query = select(Notification).where(Notification.ticket_id == row.id)
    if rated:
        query = query.where(Notification.kind.not_in(TELL_OF_RATINGS))
    rows = list(await uow.session.scalars(query.order_by(Notification.id.desc()).limit(MOST_MESSAGES)))
    staff = await staff_by_ids(uow, [each.staff_id for each in rows])
    now = uow.clock.now()
    return [
        {
            "id": each.id.hex,
            "kind": each.kind,
            "channel": each.channel.value,
            "state": each.state.value,
            "reason": each.reason,
            "at": (each.sent_at or each.created_at).isoformat(),
            "to": staff[each.staff_id].name if each.staff_id in staff else None,
            "customer": each.customer_id is not None,
            "leaves_at": each.due_at.isoformat() if each.due_at and each.due_at > now else None,
            "may_take_back": each.kind == "reply_to_customer" and each.due_at is not None,
        }
        for each in rows
    ]


async def _talks(uow: UnitOfWork, row: Ticket, person: Staff) -> list[dict[str, Any]]:
    wanted = communications.Wanted(ticket_id=row.id)
    query = communications.matching(wanted, person, uow.clock.now())
    rows = list(await uow.session.scalars(query.order_by(Communication.id.desc()).limit(MOST_TALKS)))
    return [each.model_dump(mode="json") for each in await shown_records(uow, rows)]


async def _surveys(uow: UnitOfWork, row: Ticket) -> list[Survey]:
    found = await uow.session.scalars(
        select(Survey).where(Survey.ticket_id == row.id).order_by(Survey.opening)
    )
    return list(found)


def _survey(each: Survey) -> dict[str, Any]:
    """That the customer was asked and has answered; what they answered stands elsewhere."""
    return {
        "number": each.number,
        "at": each.invited_at.isoformat(),
        "answered_at": each.answered_at.isoformat() if each.answered_at else None,
    }


async def _followup(uow: UnitOfWork, row: Ticket) -> dict[str, Any] | None:
    found = await uow.session.scalar(
        select(Followup).where(Followup.ticket_id == row.id).order_by(Followup.opened_at.desc()).limit(1)
    )
    if found is None:
        return None
    owner = await uow.session.get(Staff, found.owner_id) if found.owner_id else None
    return {
        "state": found.state.value,
        "start_by": found.start_by.isoformat(),
        "owner": owner.name if owner else None,
    }


async def _improvements(uow: UnitOfWork, row: Ticket, person: Staff) -> list[dict[str, Any]]:
    """The improvement measures that this ticket has led to, as far as this person may see them."""
    found = await improvements.improvements_of(uow, person, ticket_id=row.id)
    return [each.model_dump(mode="json") for each in await list_view(uow, found)]


async def _merged(uow: UnitOfWork, row: Ticket) -> dict[str, Any]:
    """The ticket that this one goes on in, and those that it took in."""
    into = await uow.session.get(Ticket, row.merged_into_id) if row.merged_into_id else None
    taken = await uow.session.scalars(
        select(Ticket.number).where(Ticket.merged_into_id == row.id).order_by(Ticket.id).limit(MOST_TALKS)
    )
    return {"into": into.number if into else None, "taken_in": list(taken)}
