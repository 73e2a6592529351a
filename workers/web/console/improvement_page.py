"""One improvement measure on a page: what it came to, and what can be done next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.people import Staff
from models.vocabulary import ImprovementState, Role
from workers import improvements
from workers.aims import measure_name
from workers.errors import CloseloopError, InvalidInput, NotFound
from workers.web.api.improvement_views import ImprovementDetail, SideShown, detail_view
from workers.web.console import loop_forms, sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.improvement_pages import (
    IMPROVEMENTS,
    about_word,
    plan_fields,
    plan_typed,
    state_word,
)
from workers.web.console.sent_once import made_once, once_field
from workers.web.console.sheet import (
    Field,
    Form,
    Section,
    Sheet,
    Table,
    Word,
    both,
    label,
    lines,
    moment,
    text,
)
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

ACTS = ("progress", "carried-out", "evaluate", "review", "withdraw")


@router.api_route(f"{IMPROVEMENTS}/{{number}}", methods=["GET", "HEAD"])
async def one(request: Request, number: str, parts: Parts, visit: Visiting) -> Response:
    """Where it stands, before and after, and its log."""
    return await _page(request, parts, visit, number, None)


@router.post(f"{IMPROVEMENTS}/{{number}}/{{act}}")
async def act(request: Request, number: str, act: str, parts: Parts, visit: Visiting) -> Response:
    """Report, say that it was carried out, evaluate, review, withdraw."""
    if act not in ACTS:
        raise NotFound("there is no such act")
    given, by = visit.fields, visit.person
    words = given.get("text", "")
    try:
        async with parts.workshop.begin() as uow:
            row = await improvements.improvement_by_number(uow, number, by, hold=True)
            if act == "progress":
                say = partial(improvements.report_progress, uow, row, by, words)
                await made_once(uow, visit, f"progress {number}", say)
            elif act == "carried-out":
                await improvements.carried_out(uow, row, by, words)
            elif act == "withdraw":
                await improvements.withdraw(uow, row, by, words)
            elif act == "evaluate":
                loop_forms.same_version(row.version, given)
                if given.get("met") not in ("0", "1"):
                    raise InvalidInput("say whether it was met")
                await improvements.evaluate(uow, row, by, met=given.get("met") == "1", words=words)
            else:
                owner = await uow.session.get_one(Staff, row.owner_id)
                plan = await plan_typed(uow, given, owner)
                await improvements.next_round(uow, row, by, given.get("report", ""), plan)
    except CloseloopError as error:
        return await _page(request, parts, visit, number, error)
    return done(parts, visit, f"{IMPROVEMENTS}/{number}", f"improvement_{act}")


async def _page(
    request: Request, parts: WebParts, visit: Visit, number: str, refused: CloseloopError | None
) -> Response:
    locale = loop_forms.locale_of(request, parts, visit)
    async with parts.workshop.read() as uow:
        row = await improvements.improvement_by_number(uow, number, visit.person)
        found = await detail_view(uow, row, visit.person)
        names = await loop_forms.names_by_number(uow)
        known = {"department": found.department, "owner": found.owner, "figure": found.figure or ""}
        plan = await plan_fields(uow, locale, known)
    pairs = [
        (label("state"), state_word(found)),
        (label("about"), about_word(found)),
        (label("improvement_measure"), lines(found.measure)),
        (label("kind"), label(found.kind, "improvement_kind")),
        (label("cause"), label(found.cause, "cause")),
        (label("department"), text(found.department)),
        (label("owner"), text(f"{names.get(found.owner, '')} {found.owner}")),
        (label("round"), text(found.round)),
        (label("due_on"), moment(found.due_at)),
        (label("done_at"), moment(found.done_at)),
        (label("cycle"), label("days", count=found.cycle_days)),
        (label("verify_at"), moment(found.verify_at)),
        (label("report_by"), moment(found.report_by)),
    ]
    url = f"{IMPROVEMENTS}/{found.number}"
    sections = [Section(pairs=pairs, forms=_acts(found, url, visit, plan))]
    if found.effect is not None:
        sections.append(_effect(found, locale))
    sections.append(Section(title=label("story"), table=loop_forms.log_table(found.log, names, "live-log")))
    page = Sheet(
        title=both(text(found.number), text(found.theme or found.ticket or "")),
        url=url,
        back=(IMPROVEMENTS, label("improvements")),
        sections=sections,
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _effect(found: ImprovementDetail, locale: str) -> Section:
    effect = found.effect
    assert effect is not None
    sides = (("before", effect.before), ("after", effect.after))
    rows = [_side(name, effect.figure, side, locale) for name, side in sides if side is not None]
    figure = text(measure_name(effect.figure, locale))
    heads = [label("when"), label("days_of"), figure, label("cases")]
    return Section(
        title=label("effect"),
        intro=[label(effect.verdict.value, "effect_verdict"), label("effect_rule")],
        pairs=[(label("scope_of"), loop_forms.scope_shown(found.scope))],
        table=Table(caption=label("effect"), heads=heads, rows=rows),
    )


def _side(name: str, figure: str, side: SideShown, locale: str) -> list[Word]:
    return [
        label(name),
        text(f"{side.first_day.isoformat()} – {side.last_day.isoformat()}"),
        loop_forms.shown(figure, side.value, locale),
        text(side.cases),
    ]


def _acts(found: ImprovementDetail, url: str, visit: Visit, plan: list[Field]) -> list[Form]:
    leads = visit.person.role is not Role.AGENT
    if found.state.over:
        return []
    if found.state is ImprovementState.NOT_MET:
        report = Field(
            name="report", label=label("review_report"), kind="area", need=True, limit=loop_forms.TEXT
        )
        review = label("review")
        forms = [
            Form(name="review", url=f"{url}/review", title=review, button=review, fields=[report, *plan])
        ]
    else:
        once = once_field(str(found.version))
        forms = [_said("progress", url, "report_progress", need=True, more=[once])]
        if found.done_at is None:
            forms.append(_said("carried-out", url, "carried_out", need=False))
        if leads:
            forms.append(_evaluation(found, url))
    return [*forms, *([_said("withdraw", url, "withdraw", need=True, danger=True)] if leads else [])]


def _said(
    name: str, url: str, title: str, *, need: bool, danger: bool = False, more: Sequence[Field] = ()
) -> Form:
    words = Field(
        name="text",
        label=label("why" if danger else "says"),
        kind="area",
        need=need,
        limit=loop_forms.TEXT,
    )
    said = label(title)
    return Form(name=name, url=f"{url}/{name}", title=said, button=said, fields=[words, *more], danger=danger)


def _evaluation(found: ImprovementDetail, url: str) -> Form:
    results = [
        ("", label("choose")),
        ("1", label("met", "improvement_state")),
        ("0", label("not_met", "improvement_state")),
    ]
    title = label("evaluate")
    return Form(
        name="evaluate",
        url=f"{url}/evaluate",
        title=title,
        button=title,
        fields=[
            Field(name="version", kind="hidden", value=str(found.version)),
            Field(name="met", label=label("result"), kind="select", options=results, need=True),
            Field(name="text", label=label("says"), kind="area", limit=loop_forms.TEXT),
        ],
    )
