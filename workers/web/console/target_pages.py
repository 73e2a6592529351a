"""Targets on pages: which there are and where each stands, one with its log, a new one (row E2)."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.improving import Target
from models.vocabulary import Role, TargetState
from workers import targets
from workers.aims import measure_name
from workers.errors import CloseloopError, InvalidInput, NotFound
from workers.measures.period import DAY, months_later
from workers.targets import Aim, Stand
from workers.targets.finding import Kind
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, person_named, uuid_of
from workers.web.api.targets import TargetShown, detail_view, target_views
from workers.web.console import loop_forms, sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.sent_once import fresh_once, made_once, once_field
from workers.web.console.sheet import Field, Form, Section, Sheet, Table, Word, badge, both, label, link, text
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

TARGETS = "/console/targets"
PAGE = 50
ACTS = ("progress", "change", "withdraw")
HEADS = ("number", "target", "figure", "from_to", "now", "stand", "owner", "last_day")
_GOOD, _BAD = (Stand.ON_TRACK, Stand.REACHED), (Stand.BEHIND, Stand.MISSED)


@router.api_route(TARGETS, methods=["GET", "HEAD"])
async def listed(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Newest first; an agent sees those they own."""
    given = request.query_params
    state = next((each for each in TargetState if each == given.get("state")), None)
    agreements = True if given.get("agreements") else None
    place = uuid_of(given["cursor"], "cursor") if given.get("cursor") else None
    locale = loop_forms.locale_of(request, parts, visit)
    async with parts.workshop.read() as uow:
        query = targets.matching(Kind(state=state, agreements=agreements), visit.person)
        rows, cursor = await page_of(uow, query, Target.id, Paging(place, PAGE))
        found = await target_views(uow, [await targets.standing(uow, row) for row in rows])
        names = await loop_forms.names_by_number(uow)
    table = Table(
        caption=label("targets"),
        heads=[label(head) for head in HEADS],
        rows=[_cells(each, names.get(each.owner, ""), locale) for each in found],
        live="live-targets",
    )
    filters = [
        Field(
            name="state",
            label=label("state"),
            kind="select",
            value=given.get("state", ""),
            options=sheet.options("target_stand", TargetState),
        ),
        Field(
            name="agreements",
            label=label("only_agreements"),
            kind="check",
            value=given.get("agreements", ""),
        ),
    ]
    leads = visit.person.role is not Role.AGENT
    page = Sheet(
        title=label("targets"),
        url=TARGETS,
        tools=[link(f"{TARGETS}/new", label("target_new"))] if leads else [],
        filters=filters,
        sections=[Section(intro=[label("targets_intro")], table=table)],
        cursor=cursor,
    )
    return sheet.show_sheet(request, visit, page)


def _cells(each: TargetShown, owner: str, locale: str) -> list[Word]:
    return [
        link(f"{TARGETS}/{each.number}", text(each.number)),
        text(each.title),
        text(measure_name(each.measure, locale)),
        _from_to(each, locale),
        _now(each, locale),
        _stand(each.stand),
        text(owner),
        text(each.last_day.isoformat()),
    ]


def _from_to(each: TargetShown, locale: str) -> Word:
    start, goal = (
        loop_forms.shown(each.measure, value, locale) for value in (each.start_value, each.goal_value)
    )
    return both(start, text("→"), goal)


def _now(each: TargetShown, locale: str) -> Word:
    return both(loop_forms.shown(each.measure, each.current, locale), label("of_cases", count=each.cases))


def _stand(stand: Stand) -> Word:
    kind = "good" if stand in _GOOD else "bad" if stand in _BAD else "plain"
    return badge(label(stand.value, "target_stand"), kind)


@router.api_route(f"{TARGETS}/new", methods=["GET", "HEAD"])
async def blank(request: Request, parts: Parts, visit: Visiting) -> Response:
    """A form for a new one."""
    return await _new_page(request, parts, visit, None)


@router.post(f"{TARGETS}/new")
async def add(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Set it."""
    try:
        async with parts.workshop.begin() as uow:
            number = await made_once(uow, visit, "target", partial(_set, uow, visit))
    except CloseloopError as error:
        return await _new_page(request, parts, visit, error)
    return done(parts, visit, f"{TARGETS}/{number}", "target_set")


async def _set(uow: UnitOfWork, visit: Visit) -> str:
    return (await targets.set_target(uow, visit.person, await _typed(uow, visit))).number


async def _typed(uow: UnitOfWork, visit: Visit) -> Aim:
    given = visit.fields
    measure = given.get("measure", "")
    last_day = loop_forms.date_typed(given.get("last_day", ""))
    if last_day is None:
        months = loop_forms.number_typed(given.get("months", ""), None)
        if months is None or not 1 <= months <= 36:
            raise InvalidInput("give a last day, or a number of months")
        last_day = months_later(uow.policy.calendar.local_date(uow.clock.now()), months) - DAY
    start = given.get("start", "").strip()
    return Aim(
        title=given.get("title", ""),
        measure=measure,
        goal=loop_forms.value_typed(measure, given.get("goal", "")),
        start=loop_forms.value_typed(measure, start) if start else None,
        last_day=last_day,
        owner=await person_named(uow, given.get("owner", "").strip()),
        scope=loop_forms.scope_typed(given),
        window_days=loop_forms.number_typed(given.get("window_days", ""), None),
        department=given.get("department", ""),
        promised_to=given.get("promised_to", ""),
    )


async def _new_page(
    request: Request, parts: WebParts, visit: Visit, refused: CloseloopError | None
) -> Response:
    locale = loop_forms.locale_of(request, parts, visit)
    async with parts.workshop.read() as uow:
        scope = await loop_forms.scope_fields(uow)
    fields = [
        Field(name="title", label=label("target"), need=True),
        loop_forms.figure_field(locale, "measure", request.query_params.get("measure", ""), need=True),
        Field(name="start", label=label("start_typed"), limit=24),
        Field(name="goal", label=label("goal_typed"), need=True, limit=24),
        Field(
            name="months",
            label=label("months_typed"),
            kind="select",
            value="3",
            options=[(str(count), text(count)) for count in (1, 2, 3, 6, 12)],
        ),
        Field(name="last_day", label=label("last_day_typed"), kind="date"),
        Field(name="owner", label=label("owner_typed"), need=True, value=visit.person.number),
        *scope,
        Field(name="window_days", label=label("window_typed"), limit=3),
        Field(name="department", label=label("promised_by"), limit=64),
        Field(name="promised_to", label=label("promised_to"), limit=64),
        once_field(fresh_once(parts)),
    ]
    title = label("target_new")
    form = Form(
        name="new", url=f"{TARGETS}/new", title=title, button=label("target_set"), fields=fields, opened=True
    )
    page = Sheet(
        title=title,
        url=f"{TARGETS}/new",
        back=(TARGETS, label("targets")),
        sections=[Section(intro=[label("target_new_intro")], forms=[form])],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


@router.api_route(f"{TARGETS}/{{number}}", methods=["GET", "HEAD"])
async def one(request: Request, number: str, parts: Parts, visit: Visiting) -> Response:
    """Where it stands, what was said of it, and what can be done."""
    return await _page(request, parts, visit, number, None)


@router.post(f"{TARGETS}/{{number}}/{{act}}")
async def act(request: Request, number: str, act: str, parts: Parts, visit: Visiting) -> Response:
    """Report progress, change it, withdraw it."""
    if act not in ACTS:
        raise NotFound("there is no such act")
    given = visit.fields
    try:
        async with parts.workshop.begin() as uow:
            row = await targets.target_by_number(uow, number, visit.person, hold=True)
            if act == "progress":
                say = partial(targets.report_progress, uow, row, visit.person, given.get("text", ""))
                await made_once(uow, visit, f"progress {number}", say)
            elif act == "withdraw":
                await targets.end_target(uow, row, visit.person, given.get("text", ""))
            else:
                loop_forms.same_version(row.version, given)
                owner, goal = given.get("owner", "").strip(), given.get("goal", "").strip()
                await targets.change_target(
                    uow,
                    row,
                    visit.person,
                    goal=loop_forms.changed_goal(row, goal),
                    last_day=loop_forms.date_typed(given.get("last_day", "")),
                    owner=await person_named(uow, owner) if owner else None,
                )
    except CloseloopError as error:
        return await _page(request, parts, visit, number, error)
    return done(parts, visit, f"{TARGETS}/{number}", f"target_{act}")


async def _page(
    request: Request, parts: WebParts, visit: Visit, number: str, refused: CloseloopError | None
) -> Response:
    locale = loop_forms.locale_of(request, parts, visit)
    async with parts.workshop.read() as uow:
        row = await targets.target_by_number(uow, number, visit.person)
        found = await detail_view(uow, row)
        names = await loop_forms.names_by_number(uow)
    agreement = [text(found.department or ""), text("→"), text(found.promised_to)]
    pairs = [
        (label("stand"), _stand(found.stand)),
        (label("now"), _now(found, locale)),
        (label("expected"), loop_forms.shown(found.measure, found.expected, locale)),
        (label("figure"), text(measure_name(found.measure, locale))),
        (label("scope_of"), loop_forms.scope_shown(found.scope)),
        (label("from_to"), _from_to(found, locale)),
        (label("last_day"), text(found.last_day.isoformat())),
        (label("window"), label("days", count=found.window_days)),
        (label("owner"), text(f"{names.get(found.owner, '')} {found.owner}")),
        (label("agreement"), both(*agreement) if found.promised_to else text("")),
    ]
    url = f"{TARGETS}/{found.number}"
    runs = found.state is TargetState.RUNNING
    page = Sheet(
        title=text(f"{found.number} {found.title}"),
        url=url,
        back=(TARGETS, label("targets")),
        sections=[
            Section(pairs=pairs, forms=_acts(found, url, visit) if runs else []),
            Section(title=label("story"), table=loop_forms.log_table(found.log, names, "live-log")),
        ],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _acts(found: TargetShown, url: str, visit: Visit) -> list[Form]:
    words = Field(name="text", label=label("says"), kind="area", need=True, limit=loop_forms.TEXT)
    said, once = label("report_progress"), once_field(str(found.version))
    forms = [Form(name="progress", url=f"{url}/progress", title=said, button=said, fields=[words, once])]
    if visit.person.role is Role.AGENT:
        return forms
    fields = [
        Field(name="version", kind="hidden", value=str(found.version)),
        Field(
            name="goal",
            label=label("goal_typed"),
            value=loop_forms.value_to_type(found.measure, found.goal_value),
            need=True,
            limit=24,
        ),
        Field(name="last_day", label=label("last_day"), kind="date", value=found.last_day.isoformat()),
        Field(name="owner", label=label("owner_typed"), value=found.owner, need=True),
    ]
    change, withdraw = label("change"), label("withdraw")
    reason = Field(name="text", label=label("why"), kind="area", need=True, limit=loop_forms.TEXT)
    return [
        *forms,
        Form(name="change", url=f"{url}/change", title=change, button=change, fields=fields),
        Form(
            name="withdraw",
            url=f"{url}/withdraw",
            title=withdraw,
            button=withdraw,
            fields=[reason],
            danger=True,
        ),
    ]
