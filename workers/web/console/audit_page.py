"""Who saw and changed what, in plain words: for administrators and those who check quality."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from workers import audit
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import uuid_of
from workers.web.auditing import about
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
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
    moment,
    text,
)
from workers.web.parts import Parts, WebParts
from workers.web.rules import API

router = APIRouter(include_in_schema=False)

AUDIT = "/console/audit"
PAGE = 50
MOST = 200
"""So many findings of a check are shown; the command names all."""
DAY = timedelta(days=1)
HEADS = ("when", "audit_who", "audit_what", "audit_where", "audit_about", "audit_came_from", "audit_sealed")
OUTCOMES = {audit.SOUND: "good", audit.FAULTY: "bad"}


@router.api_route(AUDIT, methods=["GET", "HEAD"])
async def entries(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Newest first, by person or key, kind, what it named, and day; how the log stands is above it."""
    about(request, request.query_params.get("subject", ""))
    return await _page(request, parts, visit)


@router.post(f"{AUDIT}/verify")
async def verify(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Go through all entries and seals now; the page that answers names what is wrong."""
    await parts.trail.flush()
    async with parts.workshop.read() as uow:
        found = await audit.verify(uow)
    about(request, audit.outcome_of(found))
    return await _page(request, parts, visit, found)


async def _page(
    request: Request, parts: WebParts, visit: Visit, found: audit.Verified | None = None
) -> Response:
    given = request.query_params
    refused: InvalidInput | None = None
    rows: list[audit.Shown] = []
    await parts.trail.flush()
    async with parts.workshop.read() as uow:
        try:
            rows = await audit.entries_of(uow, _wanted(parts, given))
        except InvalidInput as error:
            refused = error
        stands = await _standing(uow)
    table = Table(
        caption=label("audit"),
        heads=[label(head) for head in HEADS],
        rows=[_cells(each) for each in rows[:PAGE]],
    )
    page = Sheet(
        title=label("audit"),
        url=AUDIT,
        sections=[*([_checked(found)] if found else []), stands, Section(table=table)],
        filters=_filters(given),
        cursor=rows[PAGE - 1].id.hex if len(rows) > PAGE else None,
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _wanted(parts: WebParts, given: Mapping[str, str]) -> audit.Wanted:
    """The filter as it was given. Raises InvalidInput."""
    zone = ZoneInfo(parts.settings.timezone)
    until = sheet.day(given.get("to", ""), zone)
    return audit.Wanted(
        kind=given["kind"] if given.get("kind") in audit.KINDS else None,
        who=given.get("who") or None,
        subject=given.get("subject") or None,
        since=sheet.day(given.get("from", ""), zone),
        until=until + DAY if until else None,
        before=uuid_of(given["cursor"], "cursor") if given.get("cursor") else None,
        limit=PAGE + 1,
    )


def _filters(given: Mapping[str, str]) -> list[Field]:
    def one(name: str, words: str, kind: str = "line", **more: Any) -> Field:
        return Field(name=name, label=label(words), kind=kind, value=given.get(name, ""), **more)

    return [
        one("who", "audit_by_who", limit=64),
        one("kind", "kind", "select", options=sheet.options("audit_kind", audit.KINDS)),
        one("subject", "audit_by_about", limit=64),
        one("from", "by_from", "date"),
        one("to", "by_to", "date"),
    ]


def _cells(each: audit.Shown) -> list[Word]:
    kind = badge(label(each.kind, "audit_kind"), "bad" if each.kind == "denied" else "plain")
    details = each.details
    sealed = label("audit_seal", number=each.seal) if each.seal else label("audit_not_yet")
    return [
        moment(each.at),
        _who(each),
        kind,
        both(label(area_of(each.action), "audit_area"), text(f"· {each.action}")),
        label(each.subject, "audit_outcome") if each.subject in OUTCOMES else text(each.subject),
        label("audit_unreadable") if "broken" in details else text(details.get("from")),
        sealed,
    ]


def _who(each: audit.Shown) -> Word:
    """The person, the key, both, or the machine's user that ran a command, or CLOSELOOP_API_KEY."""
    if each.key:
        return both(text(each.staff), label("audit_key", name=each.key))
    known = each.staff or each.details.get("user")
    if known:
        return text(known)
    return label("audit_own_key" if each.kind in ("view", "change", "export") else "audit_nobody")


def area_of(action: str) -> str:
    """What part of the house an action belongs to, as a code of the labels' group `audit_area`."""
    method, _, path = action.partition(" ")
    if method == "closeloop":
        return "command"
    within = path.removeprefix(API).removeprefix("/console").strip("/")
    return "audit-verify" if within == "audit/verify" else within.partition("/")[0] or "start"


async def _standing(uow: UnitOfWork) -> Section:
    found = await audit.standing(uow)
    newest: Word = label("audit_no_seal")
    if found.number is not None:
        newest = both(label("audit_seal_of", number=found.number, count=found.rows), moment(found.at))
    unsealed = text(found.unsealed)
    if found.stuck:
        unsealed = both(unsealed, badge(label("audit_stuck"), "bad"))
    last: Word = label("audit_never_checked")
    if found.checked is not None:
        said = found.checked.subject or ""
        last = both(
            badge(label(said, "audit_outcome"), OUTCOMES[said]), moment(found.checked.at), _who(found.checked)
        )
    check = Form(
        name="verify",
        url=f"{AUDIT}/verify",
        title=label("audit_check"),
        button=label("audit_check"),
        asks=label("audit_check_asks"),
    )
    pairs = [
        (label("audit_newest"), newest),
        (label("audit_unsealed"), unsealed),
        (label("audit_last_check"), last),
    ]
    return Section(title=label("audit_seals"), intro=[label("audit_intro")], pairs=pairs, forms=[check])


def _checked(found: audit.Verified) -> Section:
    """What a check found out just now."""
    said = audit.outcome_of(found)
    intro = [
        badge(label(said, "audit_outcome"), OUTCOMES[said]),
        label("audit_gone_through", seals=found.seals, rows=found.rows, unsealed=found.unsealed),
    ]
    if not found.findings:
        return Section(title=label("audit_checked"), intro=intro)
    if len(found.findings) > MOST:
        intro.append(label("audit_more", count=len(found.findings)))
    rows = [
        [label(each.what, "audit_finding"), text(each.seal), text(each.entry)]
        for each in found.findings[:MOST]
    ]
    heads = [label(each) for each in ("what", "audit_sealed", "audit_entry")]
    return Section(
        title=label("audit_checked"),
        intro=intro,
        table=Table(caption=label("audit_checked"), heads=heads, rows=rows),
    )
