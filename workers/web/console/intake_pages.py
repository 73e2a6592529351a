"""What came in and could not be read, or was turned away: shown masked, taken in, run again, discarded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import literal_column, select
from starlette.responses import Response

from models.crypto import Erased, UnknownKey
from models.intake import IntakeEvent
from models.mailboxes import Mailbox
from models.vocabulary import EventState, Role
from workers.errors import CloseloopError, Conflict, Forbidden, NotFound
from workers.intake.desk import MOST_DEATHS, WORKER_LOST
from workers.intake.guard import QUICK_LIMITS
from workers.intake.mail import parse_mail
from workers.intake.provider_mail import bytes_at_hand
from workers.intake.providers.sms.registry import PROVIDERS as SMS_PROVIDERS
from workers.intake.store import load
from workers.intake.turned_away import TURNED_AWAY, discard, run_again, take_in
from workers.intake.view import masked_view, view_of
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, uuid_of
from workers.web.api.notifications import ticket_numbers
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.sheet import (
    Field,
    Form,
    Section,
    Sheet,
    Table,
    Word,
    badge,
    both,
    label,
    lines,
    link,
    moment,
    text,
)
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

INTAKE = "/console/intake"
PAGE = 50
KINDS = ("junk", "blocked", "list", "forward_confirmation")
VIEWS = ("poison", *KINDS, "all")
DECIDE = (Role.SUPERVISOR, Role.ADMINISTRATOR)
_WITH_MORE_OF = {
    "worker_lost": "count",
    "discarded_by": "who",
    "blocked_address": "why",
    "blocked_domain": "why",
    "status": "told",
}
_WITH_MORE = re.compile(
    r"(?P<code>worker_lost(?=_)|discarded_by(?= )|blocked_address(?=:)|blocked_domain(?=:)|status(?=_))"
    r"[_ :]+(?P<more>.*)"
)
_CODE = re.compile(r"[a-z_]+")
_SPAM_HEADER = re.compile(r"spam_(x_\w+)")
"""Of junk, the header that says so: there are many."""
HEADS = ("came", "source", "kind", "state", "why", "ticket")


@router.api_route(INTAKE, methods=["GET", "HEAD"])
async def intake(request: Request, parts: Parts, visit: Visiting) -> Response:
    """What cannot be read first; by choice what was turned away, or everything."""
    view = request.query_params.get("view", "poison")
    cursor = request.query_params.get("cursor")
    paging = Paging(uuid_of(cursor, "cursor") if cursor else None, PAGE)
    async with parts.workshop.read() as uow:
        rows, following = await page_of(uow, _query(view), IntakeEvent.id, paging)
        cells = await _cells(uow, rows)
        boxes = (await uow.session.scalars(select(Mailbox).order_by(Mailbox.id))).all()
    sections = [
        Section(
            intro=[label(f"intake_{view if view in VIEWS else 'all'}")],
            table=Table(
                caption=label("intake"),
                heads=[label(head) for head in HEADS],
                rows=cells,
                live="live-intake",
            ),
        )
    ]
    if boxes:
        sections.append(Section(title=label("mailboxes"), table=_boxes(boxes)))
    choice = Field(
        name="view",
        label=label("show"),
        kind="select",
        value=view,
        options=[(each, label(each, "intake_view")) for each in VIEWS],
    )
    page = Sheet(title=label("intake"), url=INTAKE, sections=sections, filters=[choice], cursor=following)
    return sheet.show_sheet(request, visit, page)


@router.api_route(f"{INTAKE}/{{ident}}", methods=["GET", "HEAD"])
async def event(request: Request, ident: str, parts: Parts, visit: Visiting) -> Response:
    """What it says, masked, and what can be done about it."""
    return await _page(request, parts, visit, ident, None)


@router.post(f"{INTAKE}/{{ident}}/{{what}}")
async def act(request: Request, ident: str, what: str, parts: Parts, visit: Visiting) -> Response:
    """Take it in as a request, read it again, or discard it."""
    if what != "take-in" and visit.person.role not in DECIDE:
        raise Forbidden("this is for a supervisor or an administrator")
    try:
        async with parts.workshop.begin() as uow:
            row = await uow.session.get(IntakeEvent, uuid_of(ident, "event"), with_for_update=True)
            if row is None:
                raise NotFound("there is no such event")
            if what == "take-in":
                await take_in(uow, row)
            elif what == "again":
                await run_again(uow, row)
            elif what == "discard":
                await discard(uow, row, visit.person)
            else:
                raise NotFound("there is no such act")
    except Conflict as error:
        return await _page(request, parts, visit, ident, error)
    return done(parts, visit, f"{INTAKE}/{ident}", f"event_{what}")


def _query(view: str) -> Any:
    """The words stand in the statement, so that the partial indexes on them are used."""
    query = select(IntakeEvent)
    if view == "poison":
        return query.where(IntakeEvent.state == literal_column("'poison'"))
    if view in KINDS:
        return query.where(IntakeEvent.state == literal_column("'rejected'"), IntakeEvent.kind == view)
    return query


async def _cells(uow: UnitOfWork, rows: Sequence[IntakeEvent]) -> list[list[Word]]:
    numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
    return [
        [
            link(f"{INTAKE}/{row.id.hex}", moment(row.received_at)),
            text(row.source),
            label(row.kind, "event_kind") if row.kind else text(""),
            _state(row),
            _why(row.reason or ""),
            _ticket(numbers.get(row.ticket_id) if row.ticket_id else None),
        ]
        for row in rows
    ]


def _state(row: IntakeEvent) -> Word:
    return badge(label(row.state.value, "event_state"), "bad" if row.state is EventState.POISON else "plain")


def _why(reason: str) -> Word:
    """Codes in words, several after each other; what an error said stays as it is."""
    if found := _WITH_MORE.fullmatch(reason):
        code, more = found["code"], found["more"]
        return label(code, "event_reason", **{_WITH_MORE_OF[code]: more})
    parts: list[Word] = []
    for each in reason.split(", "):
        parts += [text("·")] if parts else []
        parts.append(_one(each))
    return parts[0] if len(parts) == 1 else both(*parts)


def _one(reason: str) -> Word:
    if header := _SPAM_HEADER.fullmatch(reason):
        return label("spam_header", "event_reason", header=header[1].replace("_", "-").upper())
    values = {"count": MOST_DEATHS} if reason == WORKER_LOST else {}
    return label(reason, "event_reason", **values) if _CODE.fullmatch(reason) else text(reason)


def _ticket(number: str | None) -> Word:
    return link(f"/console/tickets/{number}", text(number)) if number else text("")


def _boxes(boxes: Sequence[Mailbox]) -> Table:
    rows = [
        [
            text(row.name),
            label(row.fault, "reason") if row.fault else label("all_well"),
            moment(row.fault_since),
        ]
        for row in boxes
    ]
    return Table(
        caption=label("mailboxes"), heads=[label(each) for each in ("name", "state", "since")], rows=rows
    )


async def _page(
    request: Request, parts: Parts, visit: Visit, ident: str, refused: CloseloopError | None
) -> Response:
    async with parts.workshop.read() as uow:
        row = await uow.session.get(IntakeEvent, uuid_of(ident, "event"))
        if row is None:
            raise NotFound("there is no such event")
        numbers = await ticket_numbers(uow, [row.ticket_id])
        said = await _said(uow, row)
    pairs = [
        (label("came"), moment(row.received_at)),
        (label("source"), text(row.source)),
        (label("kind"), label(row.kind, "event_kind") if row.kind else text("")),
        (label("state"), _state(row)),
        (label("why"), _why(row.reason or "")),
        (label("tries"), text(row.tries)),
        (label("ticket"), _ticket(numbers.get(row.ticket_id) if row.ticket_id else None)),
    ]
    page = Sheet(
        title=label("event"),
        url=f"{INTAKE}/{ident}",
        back=(INTAKE, label("intake")),
        sections=[
            Section(pairs=pairs, forms=_acts(row, visit)),
            Section(title=label("what_it_says"), pairs=said, intro=[] if said else [label("not_kept")]),
        ],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


async def _said(uow: UnitOfWork, row: IntakeEvent) -> list[tuple[Word, Word]]:
    """The masked words of a mail; of what cannot be read as one how long it is. Empty when it is purged."""
    if row.source == "delivery":
        return []
    try:
        found = await load(uow, row)
    except (NotFound, Erased, UnknownKey):
        return []
    own, size = uow.settings.mail_from, (label("size"), text(len(found.raw)))
    if found.kind in ("sms", "receipt") or row.source in SMS_PROVIDERS:
        return [size]
    if row.state is EventState.POISON:  # what has stopped a worker is not read here
        return [size, (label("says"), label("poison_unread"))]
    try:
        raw = bytes_at_hand(found, uow.settings.email_hooks)
        mail = masked_view(view_of(await asyncio.to_thread(parse_mail, raw, QUICK_LIMITS), [own]))
    except CloseloopError as error:
        return [size, (label("why"), text(error.message))]
    return [
        (label("sender"), text(mail["from_email"])),
        (label("subject"), text(mail["subject"])),
        (label("says"), lines(mail["text"])),
        size,
    ]


def _acts(row: IntakeEvent, visit: Visit) -> list[Form]:
    url = f"{INTAKE}/{row.id.hex}"

    def form(name: str, *, danger: bool = False) -> Form:
        return Form(
            name=name,
            url=f"{url}/{name}",
            title=label(f"event_{name}"),
            button=label(f"event_{name}"),
            asks=label(f"event_{name}_asks"),
            danger=danger,
        )

    if row.state is EventState.REJECTED and row.kind in TURNED_AWAY:
        return [form("take-in")]
    if row.state is EventState.POISON and visit.person.role in DECIDE:
        return [form("again"), form("discard", danger=True)]
    return []
