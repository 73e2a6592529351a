"""关注项: what a person must look at now, what to do about each, and where."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import or_, select
from starlette.responses import Response

from models.people import Staff, Team
from models.vocabulary import Role
from workers.attention import Item, What, look_around
from workers.unit_of_work import UnitOfWork
from workers.web.console import sheet
from workers.web.console.door import Visiting
from workers.web.console.sheet import Field, Section, Sheet, Table, Word, badge, label, link, moment, text
from workers.web.parts import Parts
from workers.web.rules import rule_of

router = APIRouter(include_in_schema=False)

ATTENTION = "/console/attention"
ENDPOINTS = "/console/webhooks"
EACH, ALL = 10, 200
OF_MESSAGES = frozenset(
    {What.BROKEN_RUNG, What.UNKNOWN_SMS, What.DELAYED_MESSAGE, What.HELD_MESSAGE, What.KEY_MISSING}
)
OF_EVENTS = frozenset({What.POISON_EVENT, What.FORWARD_CONFIRMATION})
REASONED = frozenset(
    {
        *OF_MESSAGES,
        What.STUCK_DEADLINE,
        What.STUCK_ERRAND,
        What.MAILBOX,
        What.NOBODY_TO_TELL,
        What.WEBHOOK,
        What.BACKUP,
        What.STORAGE,
    }
)
HEADS = ("since", "ticket", "about", "why", "do")


@router.api_route(ATTENTION, methods=["GET", "HEAD"])
async def attention(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Of each kind the newest, or all of one kind; what agents see is about their own tickets."""
    chosen = next((what for what in What if what.value == request.query_params.get("what")), None)
    kinds = (chosen,) if chosen else tuple(What)
    async with parts.workshop.read() as uow:
        counts, items = await look_around(uow, visit.person, ALL if chosen else EACH, kinds)
        lacking = await nobody_leads(uow) if visit.person.role is not Role.AGENT else False
    sections = [Section(intro=[badge(label("nobody_leads"), "banner")])] if lacking else []
    for what in kinds:
        own = [item for item in items if item.what is what]
        if own:
            seen = visit.person, parts.settings.mode
            sections.append(_section(*seen, what, counts[what], own, alone=chosen is not None))
    if not items:
        sections.append(Section(intro=[label("nothing_to_do")]))
    page = Sheet(
        title=label("attention"),
        url=ATTENTION,
        sections=sections,
        filters=[
            Field(
                name="what",
                label=label("kind"),
                kind="select",
                value=chosen or "",
                options=sheet.options("attention", What),
            ),
        ],
    )
    return sheet.show_sheet(request, visit, page)


async def nobody_leads(uow: UnitOfWork) -> bool:
    """Whether some team is led by an administrator or by nobody: its escalations end there."""
    found = await uow.session.scalar(
        select(Team.id)
        .outerjoin(Staff, Staff.id == Team.supervisor_id)
        .where(or_(Staff.id.is_(None), Staff.active.is_(False), Staff.role == Role.ADMINISTRATOR))
        .limit(1)
    )
    return found is not None


def _section(person: Staff, mode: str, what: What, count: int, items: list[Item], *, alone: bool) -> Section:
    intro = [
        label(
            f"{what.value}_do" if mode == "live" or what is not What.HELD_MESSAGE else "held_test",
            "attention",
        )
    ]
    if count > len(items) and not alone:
        intro.append(link(f"{ATTENTION}?what={what.value}", label("all_of", count=count)))
    rows = [
        [moment(item.since), _ticket(item), _about(item), _why(item), _leads_on(person, item)]
        for item in items
    ]
    table = Table(
        caption=label(what.value, "attention"),
        heads=[label(head) for head in HEADS],
        rows=rows,
        live=f"live-{what.value}",
    )
    return Section(
        title=sheet.both(label(what.value, "attention"), text(f"({count})")), intro=intro, table=table
    )


def _ticket(item: Item) -> Word:
    return link(f"/console/tickets/{item.ticket}", text(item.ticket)) if item.ticket else text("")


def _about(item: Item) -> Word:
    if item.what in (What.BREACHED, What.UNASSIGNED, What.NEEDS_TRIAGE):
        return label(item.kind or "", "priority")
    if item.what is What.STUCK_DEADLINE:
        return label(item.kind or "", "clock")
    if item.what is What.STUCK_ERRAND:
        return label(item.kind or "", "errand")
    if item.what in (What.MAILBOX, What.WEBHOOK, *OF_EVENTS):
        return text(item.kind)
    return label(item.kind, "message_kind") if item.kind else text("")


def _why(item: Item) -> Word:
    if item.what is What.BROKEN_RUNG and item.staff:
        others = ", ".join(item.passed_on_to) or "–"
        return label("passed_on", staff=item.staff, others=others)
    return label(item.reason, "reason") if item.reason and item.what in REASONED else text("")


def _leads_on(person: Staff, item: Item) -> Word:
    """Where it is dealt with; endpoints of other systems have pages for administrators alone."""
    if item.what is What.WEBHOOK and person.role in (rule_of("GET", ENDPOINTS).roles or ()):
        return link(f"{ENDPOINTS}/{item.id.hex}", label("look_endpoint"))
    return link(_place(item), _act(item))


def _place(item: Item) -> str:
    if item.what in OF_EVENTS:
        return f"/console/intake/{item.id.hex}"
    if item.what in OF_MESSAGES:
        return f"/console/messages/{item.id.hex}"
    if item.what is What.MAILBOX:
        return "/console/intake"
    if item.what in (What.WEBHOOK, What.BACKUP, What.STORAGE, What.STUCK_ERRAND):
        return f"{ATTENTION}?what={item.what.value}"
    return f"/console/tickets/{item.ticket}"


def _act(item: Item) -> Word:
    return label(
        "look_message"
        if item.what in OF_MESSAGES
        else "look_event"
        if item.what in OF_EVENTS
        else "look_backup"
        if item.what in (What.BACKUP, What.STORAGE, What.STUCK_ERRAND)
        else "look_webhook"
        if item.what is What.WEBHOOK
        else "look_mailbox"
        if item.what is What.MAILBOX
        else "look_ticket"
    )
