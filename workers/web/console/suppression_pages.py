"""Who must not be written to, and whose mails are no requests: looked up by hash, added, lifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.intake import BlockedSender
from models.notifications import Suppression
from models.people import Staff
from models.vocabulary import Medium, NoRequest, Role
from workers import senders
from workers.directory import normal_email, normal_phone, region_of, staff_by_email
from workers.errors import CloseloopError, Conflict, InvalidInput, NotFound
from workers.suppressions import lift, standing, suppress
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, uuid_of
from workers.web.api.ticket_views import staff_by_ids
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.sheet import Field, Form, Section, Sheet, Table, Word, badge, label, moment, text
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

SUPPRESSIONS, BLOCKED = "/console/suppressions", "/console/blocked-senders"
PAGE = 50
GIVEN = ("blocked_by_staff", "opted_out", "stop", "complaint", "hard_bounce")
WHY_LIFTED = ("customer_asked", "address_works_again", "mistake")
DECIDE = (Role.SUPERVISOR, Role.ADMINISTRATOR)


@router.api_route(SUPPRESSIONS, methods=["GET", "HEAD"])
async def suppressions(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Those that stand, or all; one address is found by its keyed hash, for no address is kept."""
    return await _suppressions(request, parts, visit, None)


@router.post(SUPPRESSIONS)
async def suppress_one(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Nothing goes to this address from now on."""
    try:
        async with parts.workshop.begin() as uow:
            given = visit.fields.get("address", "").strip()
            hashed, channel = _hashed(uow, given)
            if channel is Medium.EMAIL and await staff_by_email(uow, given) is not None:
                raise Conflict("staff cannot be suppressed", hint="set them absent or inactive instead")
            reason = visit.fields.get("reason", "")
            if reason not in GIVEN:
                raise InvalidInput("choose a reason")
            if await suppress(uow, hashed, channel, reason, by=visit.person) is None:
                raise Conflict("this address is suppressed for this reason already")
    except CloseloopError as error:
        return await _suppressions(request, parts, visit, error)
    return done(parts, visit, SUPPRESSIONS, "suppressed")


@router.post(f"{SUPPRESSIONS}/lift")
async def lift_one(request: Request, parts: Parts, visit: Visiting) -> Response:
    """The address may be written to again, as far as this reason goes."""
    try:
        async with parts.workshop.begin() as uow:
            row = await uow.session.get(Suppression, uuid_of(visit.fields.get("id", ""), "suppression"))
            if row is None:
                raise NotFound("there is no such suppression")
            why = visit.fields.get("why", "")
            await lift(uow, row, why if why in WHY_LIFTED else "mistake", by=visit.person)
    except Conflict as error:
        return await _suppressions(request, parts, visit, error)
    return done(parts, visit, SUPPRESSIONS, "lifted")


@router.api_route(BLOCKED, methods=["GET", "HEAD"])
async def blocked(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Those that stand, or all."""
    return await _blocked(request, parts, visit, None)


@router.post(BLOCKED)
async def block_one(request: Request, parts: Parts, visit: Visiting) -> Response:
    """New mails and SMS from there are no requests from now on."""
    try:
        async with parts.workshop.begin() as uow:
            reason = visit.fields.get("reason", "")
            if reason not in set(NoRequest):
                raise InvalidInput("choose a reason")
            if await senders.block(uow, visit.fields.get("sender", ""), reason, by=visit.person) is None:
                raise Conflict("this sender is blocked already")
    except CloseloopError as error:
        return await _blocked(request, parts, visit, error)
    return done(parts, visit, BLOCKED, "blocked")


@router.post(f"{BLOCKED}/lift")
async def unblock_one(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Requests from there are taken again."""
    try:
        async with parts.workshop.begin() as uow:
            row = await uow.session.get(BlockedSender, uuid_of(visit.fields.get("id", ""), "block"))
            if row is None:
                raise NotFound("there is no such block")
            await senders.lift(uow, row, "mistake", by=visit.person)
    except Conflict as error:
        return await _blocked(request, parts, visit, error)
    return done(parts, visit, BLOCKED, "unblocked")


async def _suppressions(
    request: Request, parts: Parts, visit: Visit, refused: CloseloopError | None
) -> Response:
    given = request.query_params if request.method != "POST" else {}
    rows: Sequence[Suppression] = []
    cursor = None
    async with parts.workshop.read() as uow:
        query = select(Suppression)
        if not given.get("history"):
            query = query.where(*standing(uow))
        try:
            if given.get("address"):
                query = query.where(Suppression.address_hash == _hashed(uow, given["address"])[0])
            rows, cursor = await page_of(uow, query, Suppression.id, _paging(given))
        except InvalidInput as error:
            refused = error
        staff = await staff_by_ids(uow, [row.made_by for row in rows])
        now = uow.clock.now()
    may = visit.person.role in DECIDE
    stands = [row.lifted_at is None and (row.until is None or row.until > now) for row in rows]
    cells = [
        [
            moment(row.created_at),
            label(row.channel.value, "medium"),
            label(row.reason, "suppression"),
            label(f"scope_{row.scope}"),
            moment(row.until) if row.until else label("for_good"),
            _by(staff, row.made_by),
            badge(label("stands" if there else "over"), "bad" if there else "plain"),
        ]
        for row, there in zip(rows, stands, strict=True)
    ]
    acts = [[_lift(row)] if there else [] for row, there in zip(rows, stands, strict=True)] if may else []
    heads = ("since", "by_channel", "why", "scope", "until", "by", "state")
    table = Table(caption=label("suppressions"), heads=[label(each) for each in heads], rows=cells, acts=acts)
    filters = [
        Field(name="address", label=label("by_recipient"), value=given.get("address", ""), limit=254),
        Field(name="history", label=label("with_history"), kind="check", value=given.get("history", "")),
    ]
    page = Sheet(
        title=label("suppressions"),
        url=SUPPRESSIONS,
        sections=[
            Section(intro=[label("suppressions_intro")], forms=[_adding()] if may else []),
            Section(table=table),
        ],
        filters=filters,
        cursor=cursor,
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _adding() -> Form:
    return Form(
        name="suppress",
        url=SUPPRESSIONS,
        title=label("suppress"),
        button=label("suppress"),
        fields=[
            Field(name="address", label=label("address"), need=True, limit=254),
            Field(
                name="reason",
                label=label("why"),
                kind="select",
                options=[(code, label(code, "suppression")) for code in GIVEN],
            ),
        ],
    )


def _lift(row: Suppression) -> Form:
    return Form(
        name=f"lift-{row.id.hex}",
        url=f"{SUPPRESSIONS}/lift",
        title=label("lift"),
        button=label("lift"),
        asks=label("lift_asks"),
        fields=[
            Field(name="id", kind="hidden", value=row.id.hex),
            Field(
                name="why",
                label=label("why"),
                kind="select",
                options=[(code, label(code, "lifted")) for code in WHY_LIFTED],
            ),
        ],
    )


async def _blocked(request: Request, parts: Parts, visit: Visit, refused: CloseloopError | None) -> Response:
    given = request.query_params if request.method != "POST" else {}
    rows: Sequence[BlockedSender] = []
    cursor = None
    async with parts.workshop.read() as uow:
        query = select(BlockedSender)
        if not given.get("history"):
            query = query.where(*senders.standing(uow))
        try:
            if given.get("sender"):
                query = query.where(
                    BlockedSender.sender_hash == senders.sender_of(uow, given["sender"]).hashed
                )
            rows, cursor = await page_of(uow, query, BlockedSender.id, _paging(given))
        except InvalidInput as error:
            refused = error
        staff = await staff_by_ids(uow, [row.made_by for row in rows])
    may = visit.person.role in DECIDE
    cells = [
        [
            moment(row.created_at),
            text(row.shown),
            label(row.reason, "no_request"),
            moment(row.until) if row.until else label("for_good"),
            _by(staff, row.made_by),
            badge(label("stands" if row.lifted_at is None else "over"), "plain"),
        ]
        for row in rows
    ]
    acts = [[_unblock(row)] if row.lifted_at is None else [] for row in rows] if may else []
    heads = ("since", "sender", "why", "until", "by", "state")
    table = Table(
        caption=label("blocked_senders"), heads=[label(each) for each in heads], rows=cells, acts=acts
    )
    form = Form(
        name="block",
        url=BLOCKED,
        title=label("block"),
        button=label("block"),
        fields=[
            Field(name="sender", label=label("sender_or_domain"), need=True, limit=254),
            Field(
                name="reason",
                label=label("why"),
                kind="select",
                options=[(code.value, label(code.value, "no_request")) for code in NoRequest],
            ),
        ],
    )
    page = Sheet(
        title=label("blocked_senders"),
        url=BLOCKED,
        sections=[
            Section(intro=[label("blocked_intro")], forms=[form] if may else []),
            Section(table=table),
        ],
        filters=[
            Field(name="sender", label=label("sender_or_domain"), value=given.get("sender", ""), limit=254),
            Field(name="history", label=label("with_history"), kind="check", value=given.get("history", "")),
        ],
        cursor=cursor,
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _unblock(row: BlockedSender) -> Form:
    return Form(
        name=f"unblock-{row.id.hex}",
        url=f"{BLOCKED}/lift",
        title=label("unblock"),
        button=label("unblock"),
        asks=label("unblock_asks"),
        fields=[Field(name="id", kind="hidden", value=row.id.hex)],
    )


def _paging(given: Any) -> Paging:
    return Paging(uuid_of(given["cursor"], "cursor") if given.get("cursor") else None, PAGE)


def _by(staff: dict[Any, Staff], ident: Any) -> Word:
    return text(staff[ident].number) if ident in staff else label("by_itself")


def _hashed(uow: UnitOfWork, given: str) -> tuple[bytes, Medium]:
    """Hash and channel of an address. Raises InvalidInput."""
    if "@" in given:
        return uow.vault.lookup("email", normal_email(given.strip())), Medium.EMAIL
    number = normal_phone(given.strip(), region_of(uow.settings.timezone))
    return uow.vault.lookup("phone", number), Medium.SMS
