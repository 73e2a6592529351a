"""The send ledger: which messages there are and why; many of them sent again or stopped by staff.

What test mode held is released one by one, by a person's word, and only from a live installation: going live
never releases anything by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.notifications import Notification
from models.vocabulary import Medium, NotificationState, Role
from workers.access import seen_rows
from workers.errors import CloseloopError, InvalidInput
from workers.ledger import (
    RARE,
    UNSETTLED,
    Decided,
    Wanted,
    cancel_many,
    matching,
    retry_many,
)
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, uuid_of
from workers.web.api.notifications import shown, ticket_numbers
from workers.web.console import sheet
from workers.web.console.door import Visiting
from workers.web.console.frame import done, language_of
from workers.web.console.sheet import (
    Field,
    Form,
    Section,
    Sheet,
    Table,
    Word,
    badge,
    label,
    link,
    moment,
    text,
)
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

MESSAGES = "/console/messages"
PAGE = 50
HEADS = ("made", "message", "state", "to", "ticket", "why")
GOOD = (NotificationState.SENT, NotificationState.DELIVERED)
BAD = (
    NotificationState.FAILED,
    NotificationState.BOUNCED,
    NotificationState.COMPLAINED,
    NotificationState.UNKNOWN,
)
FILTERS = ("state", "kind", "channel", "recipient", "ticket", "reason", "from", "to")
ELSEWHERE = (
    "gave_up",
    "alarm_",
    "errand_",
    "backup_",
    "endpoint_",
    "disk_full",
    "folder_refused",
    "read_only",
)
"""What has its words among the reasons and is none of a message: `gave_up` leads in another one, the others
are of what else goes wrong in the house.
"""
DAY = timedelta(days=1)
SPAN = timedelta(days=31)
"""How far back a list by kind, reason or another state looks, unless a day is named: none has an index."""
FOUND = (NotificationState.SENT, *UNSETTLED, *RARE)
"""States by which the whole ledger is looked through: nearly all messages have them, or few."""


@router.api_route(MESSAGES, methods=["GET", "HEAD"])
async def messages(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Newest first, by state, kind, channel, reason, day, ticket, or by a full address (its keyed hash)."""
    given = request.query_params
    refused: CloseloopError | None = None
    rows: list[Notification] = []
    cursor, cells = None, []
    async with parts.workshop.read() as uow:
        try:
            place = uuid_of(given["cursor"], "cursor") if given.get("cursor") else None
            query = matching(uow, _wanted(parts, given, uow.clock.now()))
            query = query.where(seen_rows(visit.person, Notification))
            rows, cursor = await page_of(uow, query, Notification.id, Paging(place, PAGE))
        except InvalidInput as error:
            refused = error
        cells = await _cells(uow, rows)
    leads = visit.person.role in (Role.SUPERVISOR, Role.ADMINISTRATOR)
    many = [_many(given, "retry"), _many(given, "cancel")] if leads and given.get("state") else []
    table = Table(
        caption=label("messages"), heads=[label(head) for head in HEADS], rows=cells, live="live-messages"
    )
    page = Sheet(
        title=label("messages"),
        url=MESSAGES,
        sections=[Section(table=table, forms=many)],
        filters=_filters(parts, given, language_of(request, parts, visit)),
        cursor=cursor,
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


@router.post(f"{MESSAGES}/many")
async def many(request: Request, parts: Parts, visit: Visiting) -> Response:
    """First how many are meant and why not the others; then, by a second press, it is done to them."""
    given = visit.fields
    what = given.get("what", "")
    if what not in ("retry", "cancel"):
        raise InvalidInput("this form is not ours")
    really = given.get("really") == "1"
    async with parts.workshop.begin() as uow:
        wanted = _wanted(parts, given, uow.clock.now())
        if not wanted.states:
            raise InvalidInput("choose a state first")
        if what == "retry":
            found = await retry_many(uow, wanted, visit.person, dry_run=not really)
        else:
            found = await cancel_many(uow, wanted, visit.person, dry_run=not really)
    if really:
        return done(parts, visit, MESSAGES, f"messages_{what}")
    return sheet.show_sheet(request, visit, _asked_back(given, what, found))


def _wanted(parts: WebParts, given: Mapping[str, str], now: datetime) -> Wanted:
    """The filter as it was given. Raises InvalidInput for a day or an address that is none."""
    zone = ZoneInfo(parts.settings.timezone)
    begin, end = sheet.day(given.get("from", ""), zone), sheet.day(given.get("to", ""), zone)
    kind, reason = given.get("kind") or None, given.get("reason") or None
    narrow = given.get("ticket") or given.get("recipient") or begin
    state = next((each for each in NotificationState if each == given.get("state")), None)
    loose = kind or reason or (state is not None and state not in FOUND)
    return Wanted(
        kind=kind,
        states=(state,) if state else (),
        ticket=given.get("ticket") or None,
        channel=next((each for each in Medium if each == given.get("channel")), None),
        recipient=given.get("recipient", "").strip() or None,
        reason=reason,
        made_from=now - SPAN if loose and not narrow else begin,
        made_before=end + DAY if end else None,
    )


def _filters(parts: WebParts, given: Mapping[str, str], locale: str) -> list[Field]:
    def known(name: str, group: str) -> list[tuple[str, Word]]:
        codes = [code for code in parts.renderer.codes(group, locale) if not code.startswith(ELSEWHERE)]
        asked = given.get(name, "")
        return sheet.options(group, codes if not asked or asked in codes else [asked, *codes])

    def one(name: str, kind: str = "line", **more: Any) -> Field:
        return Field(name=name, label=label(f"by_{name}"), kind=kind, value=given.get(name, ""), **more)

    return [
        one("state", "select", options=sheet.options("notification_state", NotificationState)),
        one("kind", "select", options=known("kind", "message_kind")),
        one("channel", "select", options=sheet.options("medium", Medium)),
        one("recipient", limit=254),
        one("ticket", limit=24),
        one("reason", "select", options=known("reason", "reason")),
        one("from", "date"),
        one("to", "date"),
    ]


async def _cells(uow: UnitOfWork, rows: list[Notification]) -> list[list[Word]]:
    numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
    await uow.vault.warm(uow.session, [row.data_key_id for row in rows])
    found = []
    for row in rows:
        facts = await shown(uow, row, numbers, lambda code: code)
        number = facts["ticket"]
        found.append(
            [
                moment(row.created_at),
                link(f"{MESSAGES}/{row.id.hex}", label(row.kind, "message_kind")),
                state_badge(row),
                text(facts["recipient"]),
                link(f"/console/tickets/{number}", text(number)) if number else text(""),
                label(row.reason, "reason") if row.reason else text(""),
            ]
        )
    return found


def state_badge(row: Notification) -> Word:
    """The state of a message, good or bad."""
    kind = "good" if row.state in GOOD else "bad" if row.state in BAD else "plain"
    return badge(label(row.state.value, "notification_state"), kind)


def _many(given: Mapping[str, str], what: str) -> Form:
    """A form that asks how many are meant by the filter that is on."""
    return Form(
        name=f"many-{what}",
        url=f"{MESSAGES}/many",
        title=label(f"many_{what}"),
        button=label("many_count"),
        asks=label("many_asks"),
        fields=_kept(given, what=what),
    )


def _kept(given: Mapping[str, str], **more: str) -> list[Field]:
    kept = {name: given[name] for name in FILTERS if given.get(name)} | more
    return [Field(name=name, kind="hidden", value=value) for name, value in kept.items()]


def _asked_back(given: Mapping[str, str], what: str, found: Decided) -> Sheet:
    pairs = [(label("many_done"), text(found.done))]
    pairs += [(label(reason, "refusal"), text(count)) for reason, count in sorted(found.skipped.items())]
    form = Form(
        name=f"many-{what}",
        url=f"{MESSAGES}/many",
        title=label(f"many_{what}"),
        button=label(f"many_{what}"),
        fields=_kept(given, what=what, really="1"),
        asks=label("many_more") if found.more else None,
        danger=what == "cancel",
        opened=True,
    )
    return Sheet(
        title=label(f"many_{what}"),
        url=MESSAGES,
        back=(MESSAGES, label("messages")),
        sections=[Section(pairs=pairs, forms=[form] if found.done else [])],
    )
