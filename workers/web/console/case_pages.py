"""Follow-ups 二次跟进: which there are and which are late, and each case as its mailed link shows it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import not_, select
from starlette.responses import Response

from models.surveys import Followup
from models.vocabulary import FollowupState, Role
from workers import followups
from workers.access import seen_rows
from workers.errors import Forbidden, NotFound
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, uuid_of
from workers.web.api.followup_views import FollowupShown, list_view
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done, show
from workers.web.console.improvement_of_case import led_to
from workers.web.console.sheet import Field, Section, Sheet, Table, Word, badge, label, link, moment, text
from workers.web.followup_pages import case_facts, step
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

FOLLOWUPS = "/console/followups"
PAGE = 50
HEADS = ("ticket", "state", "owner", "start_by", "due", "measure_owner")


@router.api_route(FOLLOWUPS, methods=["GET", "HEAD"])
async def cases(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Newest first, by state and by whether they are late; an agent sees those in their own hands."""
    given = request.query_params
    state = next((each for each in FollowupState if each.value == given.get("state")), None)
    place = uuid_of(given["cursor"], "cursor") if given.get("cursor") else None
    async with parts.workshop.read() as uow:
        query = select(Followup).where(seen_rows(visit.person, Followup))
        if state is not None:
            query = query.where(Followup.state == state)
        elif not given.get("all"):
            query = query.where(Followup.state != FollowupState.MET)
        if given.get("late"):
            query = query.where(followups.overdue_at(uow.clock.now()))
        elif given.get("late") == "0":
            query = query.where(not_(followups.overdue_at(uow.clock.now())))
        rows, cursor = await page_of(uow, query, Followup.id, Paging(place, PAGE))
        shown = await list_view(uow, rows)
    table = Table(
        caption=label("followups"),
        heads=[label(head) for head in HEADS],
        rows=[_cells(each) for each in shown],
        live="live-followups",
    )
    filters = [
        Field(
            name="state",
            label=label("state"),
            kind="select",
            value=given.get("state", ""),
            options=sheet.options("followup_state", FollowupState, first="all_open"),
        ),
        Field(name="late", label=label("only_late"), kind="check", value=given.get("late", "")),
        Field(name="all", label=label("with_met"), kind="check", value=given.get("all", "")),
    ]
    page = Sheet(
        title=label("followups"),
        url=FOLLOWUPS,
        sections=[Section(table=table)],
        filters=filters,
        cursor=cursor,
    )
    return sheet.show_sheet(request, visit, page)


def _cells(row: FollowupShown) -> list[Word]:
    state = label(row.state.value, "followup_state")
    return [
        link(f"{FOLLOWUPS}/{row.id.hex}", text(row.ticket)),
        sheet.both(badge(state), badge(label("late"), "bad")) if row.overdue else badge(state),
        text(row.owner),
        text("") if row.started_at else moment(row.start_by),
        moment(row.due_at),
        text(row.measure_owner),
    ]


@router.api_route(f"{FOLLOWUPS}/{{ident}}", methods=["GET", "HEAD"])
async def case(request: Request, ident: str, parts: Parts, visit: Visiting) -> Response:
    """Where the case stands, and what can be done next."""
    return await _page(request, parts, visit, ident, {})


@router.post(f"{FOLLOWUPS}/{{ident}}")
async def act(request: Request, ident: str, parts: Parts, visit: Visiting) -> Response:
    """One step of the case, by the very steps of the mailed link."""
    async with parts.workshop.begin() as uow:
        row = await _seen(uow, visit, ident)
        row, ticket = await followups.followup_by_id(uow, row.id)
        errors = await step(uow, row, ticket, visit.person, visit.fields)
    if errors:
        return await _page(request, parts, visit, ident, errors)
    return done(parts, visit, f"{FOLLOWUPS}/{ident}", "done")


async def _seen(uow: UnitOfWork, visit: Visit, ident: str) -> Followup:
    row = await uow.session.get(Followup, uuid_of(ident, "follow-up"))
    if row is None:
        raise NotFound("there is no such follow-up")
    own = visit.person.id in (row.owner_id, row.measure_owner_id)
    if visit.person.role is Role.AGENT and not own:
        raise Forbidden("agents see the cases that they have in hand")
    return row


async def _page(request: Request, parts: Parts, visit: Visit, ident: str, errors: dict[str, str]) -> Response:
    async with parts.workshop.read() as uow:
        row = await _seen(uow, visit, ident)
        facts = await case_facts(uow, row, visit.person, visit.fields if errors else {}, errors)
        facts |= await led_to(uow, row, visit.person)
    facts |= {"action_url": f"{FOLLOWUPS}/{ident}", "done": None, "layout": "web/_console.html"}
    return show(request, visit, "followup", facts, status=422 if errors else 200)
