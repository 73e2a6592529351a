"""Improvement measures 改进措施 on pages: which there are, and a new one (row A10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from functools import partial
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.improving import Improvement
from models.people import Staff
from models.surveys import Followup
from models.vocabulary import Category, ImprovementState, Role
from workers import improvements
from workers.errors import CloseloopError, InvalidInput, NotFound
from workers.followups import CAUSES
from workers.improvements import KINDS, Kind, Plan
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, person_named, uuid_of
from workers.web.api.improvement_views import ImprovementShown, list_view
from workers.web.console import loop_forms, sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.improvement_of_case import begun_with
from workers.web.console.sent_once import fresh_once, made_once, once_field
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
    link,
    moment,
    text,
)
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

IMPROVEMENTS = "/console/improvements"
PAGE = 50
HEADS = ("number", "about", "improvement_measure", "kind", "state", "round", "owner", "verify_at")
CYCLES = (7, 14, 30, 60, 90)
EVENING = time(18)
"""A measure is due at the end of its day."""


@router.api_route(IMPROVEMENTS, methods=["GET", "HEAD"])
async def listed(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Newest first; an agent sees those they own."""
    given = request.query_params
    state = next((each for each in ImprovementState if each == given.get("state")), None)
    category = next((each for each in Category if each == given.get("category")), None)
    cause = next((each for each in CAUSES if each == given.get("cause")), None)
    place = uuid_of(given["cursor"], "cursor") if given.get("cursor") else None
    async with parts.workshop.read() as uow:
        query = improvements.matching(Kind(state=state, category=category, cause=cause), visit.person)
        rows, cursor = await page_of(uow, query, Improvement.id, Paging(place, PAGE))
        found = await list_view(uow, rows)
        names = await loop_forms.names_by_number(uow)
    filters = [
        Field(name=name, label=label(name), kind="select", value=given.get(name, ""), options=choices)
        for name, choices in (
            ("state", sheet.options("improvement_state", ImprovementState)),
            ("category", sheet.options("category", Category)),
            ("cause", sheet.options("cause", CAUSES)),
        )
    ]
    leads = visit.person.role is not Role.AGENT
    page = Sheet(
        title=label("improvements"),
        url=IMPROVEMENTS,
        tools=[link(f"{IMPROVEMENTS}/new", label("improvement_new"))] if leads else [],
        filters=filters,
        sections=[Section(table=table_of(found, names))],
        cursor=cursor,
    )
    return sheet.show_sheet(request, visit, page)


def table_of(found: Sequence[ImprovementShown], names: Mapping[str, str]) -> Table:
    """Improvements as rows."""
    return Table(
        caption=label("improvements"),
        heads=[label(head) for head in HEADS],
        rows=[_cells(each, names.get(each.owner, "")) for each in found],
        live="live-improvements",
    )


def _cells(each: ImprovementShown, owner: str) -> list[Word]:
    return [
        link(f"{IMPROVEMENTS}/{each.number}", text(each.number)),
        about_word(each),
        text(each.measure[:120]),
        label(each.kind, "improvement_kind"),
        state_word(each),
        text(each.round),
        text(owner),
        moment(each.report_by or each.verify_at),
    ]


def about_word(each: ImprovementShown) -> Word:
    """What it is about."""
    if each.ticket:
        return link(f"/console/tickets/{each.ticket}", text(each.ticket))
    if each.followup_id:
        return link(f"/console/followups/{each.followup_id}", label("followup_of"))
    return both(text(each.theme), label(each.category.value, "category") if each.category else text(""))


def state_word(each: ImprovementShown) -> Word:
    """Where it stands, and whether that is late."""
    kind = {ImprovementState.MET: "good", ImprovementState.NOT_MET: "bad"}.get(each.state, "plain")
    state = badge(label(each.state.value, "improvement_state"), kind)
    return both(state, badge(label("late"), "bad")) if each.overdue else state


@router.api_route(f"{IMPROVEMENTS}/new", methods=["GET", "HEAD"])
async def blank(request: Request, parts: Parts, visit: Visiting) -> Response:
    """A form for a new one; `ticket`, `followup` or `theme` and `category` may be given in the address."""
    return await _new_page(request, parts, visit, request.query_params, None)


@router.post(f"{IMPROVEMENTS}/new")
async def add(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Open it."""
    given = visit.fields
    try:
        async with parts.workshop.begin() as uow:
            number = await made_once(uow, visit, "improvement", partial(_open, uow, visit))
    except CloseloopError as error:
        return await _new_page(request, parts, visit, given, error)
    return done(parts, visit, f"{IMPROVEMENTS}/{number}", "improvement_set")


async def _open(uow: UnitOfWork, visit: Visit) -> str:
    given = visit.fields
    plan = await plan_typed(uow, given)
    ticket, followup = given.get("ticket", "").strip(), given.get("followup", "").strip()
    row = await improvements.open_improvement(
        uow,
        visit.person,
        plan,
        theme=given.get("theme", ""),
        ticket=await ticket_by_number(uow, ticket) if ticket else None,
        followup=await _followup(uow, followup) if followup else None,
        category=next((each for each in Category if each == given.get("category")), None),
    )
    return row.number


async def _followup(uow: UnitOfWork, ident: str) -> Followup:
    row = await uow.session.get(Followup, uuid_of(ident, "follow-up"))
    if row is None:
        raise NotFound("there is no such follow-up")
    return row


async def plan_typed(uow: UnitOfWork, given: Mapping[str, str], owner: Staff | None = None) -> Plan:
    """The measure as typed; `owner` where nobody was. Raises InvalidInput, NotFound."""
    due_on = loop_forms.date_typed(given.get("due_on", ""))
    if due_on is None:
        raise InvalidInput("a measure needs a due date in the future")
    named = given.get("owner", "").strip()
    zone = ZoneInfo(uow.policy.zone)
    return Plan(
        measure=given.get("measure", ""),
        kind=given.get("kind", ""),
        cause=given.get("cause", ""),
        department=given.get("department", ""),
        owner=owner if owner is not None and not named else await person_named(uow, named),
        due_at=datetime.combine(due_on, EVENING, zone).astimezone(UTC),
        cycle_days=loop_forms.number_typed(given.get("cycle_days", ""), 14) or 0,
        figure=given.get("figure", ""),
        scope=loop_forms.scope_typed(given),
    )


async def plan_fields(uow: UnitOfWork, locale: str, given: Mapping[str, str]) -> list[Field]:
    """The fields of a measure."""
    kinds = sheet.options("improvement_kind", KINDS, first="choose")
    causes = sheet.options("cause", CAUSES, first="choose")
    cycles = [(str(days), label("days", count=days)) for days in CYCLES]
    return [
        Field(
            name="measure",
            label=label("improvement_measure"),
            kind="area",
            need=True,
            limit=loop_forms.TEXT,
            value=given.get("measure", ""),
        ),
        Field(name="kind", label=label("kind"), kind="select", options=kinds, need=True),
        Field(
            name="cause",
            label=label("cause"),
            kind="select",
            options=causes,
            need=True,
            value=given.get("cause", ""),
        ),
        Field(
            name="department",
            label=label("department"),
            need=True,
            limit=64,
            value=given.get("department", ""),
        ),
        Field(name="owner", label=label("owner_typed"), need=True, value=given.get("owner", "")),
        Field(name="due_on", label=label("due_on"), kind="date", need=True, value=given.get("due_on", "")),
        Field(name="cycle_days", label=label("cycle"), kind="select", value="14", options=cycles),
        loop_forms.figure_field(locale, "figure", given.get("figure", ""), need=False),
        *await loop_forms.scope_fields(uow, given.get("category", "")),
    ]


async def _new_page(
    request: Request, parts: WebParts, visit: Visit, given: Mapping[str, str], refused: CloseloopError | None
) -> Response:
    locale = loop_forms.locale_of(request, parts, visit)
    pairs: list[tuple[Word, Word]] = []
    async with parts.workshop.read() as uow:
        known = {"owner": visit.person.number}
        if given.get("followup"):
            case = await _followup(uow, given["followup"])
            known |= await begun_with(uow, case, visit.person)
            pairs = [(label("about"), link(f"/console/followups/{case.id.hex}", label("followup_of")))]
        typed = {name: value for name, value in given.items() if value}
        fields = await plan_fields(uow, locale, {**known, **typed})
    about = [
        Field(name="ticket", label=label("about_ticket"), value=given.get("ticket", "")[:24], limit=24),
        Field(name="theme", label=label("about_theme"), value=given.get("theme", "")[:200]),
        Field(
            name="category",
            label=label("category"),
            kind="select",
            value=given.get("category", ""),
            options=sheet.options("category", Category, first="none"),
        ),
    ]
    if given.get("followup"):
        about = [Field(name="followup", kind="hidden", value=given["followup"][:36])]
    title = label("improvement_new")
    intro = label("improvement_of_case_intro" if pairs else "improvement_new_intro")
    form = Form(
        name="new",
        url=f"{IMPROVEMENTS}/new",
        title=title,
        button=label("improvement_set"),
        fields=[*about, *fields, once_field(fresh_once(parts))],
        opened=True,
    )
    page = Sheet(
        title=title,
        url=f"{IMPROVEMENTS}/new",
        back=(IMPROVEMENTS, label("improvements")),
        sections=[Section(intro=[intro], pairs=pairs, forms=[form])],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)
