"""One customer on a page: what is known, changed, merged with another and parted again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.people import Customer
from workers import customers
from workers.errors import CloseloopError, InvalidInput
from workers.web.api.customers import CustomerDetail, customer_detail
from workers.web.console import sheet
from workers.web.console.customer_pages import CUSTOMERS, DECIDE, customer_fields, customer_given
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.sheet import Field, Form, Section, Sheet, Table, Word, label, link, moment, text
from workers.web.parts import Parts, WebParts
from workers.web.problems import ChangedMeanwhile

router = APIRouter(include_in_schema=False)


@router.api_route(f"{CUSTOMERS}/{{code}}", methods=["GET", "HEAD"])
async def one(request: Request, code: str, parts: Parts, visit: Visiting) -> Response:
    """What is known, what they have asked, and who changed what."""
    return await _page(request, parts, visit, code, None)


@router.post(f"{CUSTOMERS}/{{code}}/{{what}}")
async def act(request: Request, code: str, what: str, parts: Parts, visit: Visiting) -> Response:
    """Change, merge another one into this, or part them again."""
    given = visit.fields
    try:
        async with parts.workshop.begin() as uow:
            reason = given.get("reason", "").strip()[:240]
            row = await customers.customer_by_code(uow, code, hold=what == "change")
            if what == "change":
                _same_version(row, given)
                await customers.change_customer(uow, row, _changes(given), visit.person)
            elif not reason:
                raise InvalidInput("a reason is needed")
            elif what == "merge":
                other = await customers.customer_by_code(uow, given.get("other", ""))
                await customers.merge(uow, row, other, visit.person, reason)
            elif what == "unmerge":
                await customers.unmerge(uow, row, visit.person, reason)
            else:
                raise InvalidInput("there is no such act")
    except CloseloopError as error:
        return await _page(request, parts, visit, code, error)
    return done(parts, visit, f"{CUSTOMERS}/{code}", f"customer_{what}")


def _same_version(row: Customer, given: Mapping[str, str]) -> None:
    if given.get("version") != str(row.version):
        raise ChangedMeanwhile("it has changed since you read it", hint="read it again, then decide")


def _changes(fields: Mapping[str, str]) -> dict[str, Any]:
    """Contacts and the name are masked on the page: left empty they stay, a minus takes them away."""
    given = customer_given(fields)
    kept = {name: value for name, value in given.items() if name not in ("name", "email", "phone")}
    for name in ("name", "email", "phone"):
        if given[name] is not None:
            kept[name] = None if given[name] == "-" else given[name]
    return kept


async def _page(
    request: Request, parts: WebParts, visit: Visit, code: str, refused: CloseloopError | None
) -> Response:
    async with parts.workshop.read() as uow:
        row = await customers.customer_by_code(uow, code)
        shown = await customer_detail(uow, row, visit.person)
    may = visit.person.role in DECIDE
    sections = [Section(pairs=_pairs(shown), forms=_acts(shown) if may else [])]
    tickets = [[link(f"/console/tickets/{number}", text(number))] for number in shown.latest_tickets]
    latest = Table(caption=label("latest_tickets"), heads=[label("ticket")], rows=tickets)
    sections.append(Section(title=label("latest_tickets"), table=latest))
    if shown.history:
        story = [
            [
                moment(line.at),
                label(line.kind, "customer_change"),
                text(line.by),
                text(_facts(line.facts)),
            ]
            for line in shown.history
        ]
        heads = [label(each) for each in ("when", "what", "by", "said")]
        sections.append(
            Section(title=label("story"), table=Table(caption=label("story"), heads=heads, rows=story))
        )
    page = Sheet(
        title=text(f"{shown.code} {shown.masked}"),
        url=f"{CUSTOMERS}/{shown.code}",
        back=(CUSTOMERS, label("customers")),
        sections=sections,
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _pairs(row: CustomerDetail) -> list[tuple[Word, Word]]:
    into = row.merged_into
    return [
        (label("merged_into"), link(f"{CUSTOMERS}/{into}", text(into)) if into else text("")),
        (label("group"), text(row.group)),
        (label("level"), text(row.level)),
        (label("industry"), text(row.industry)),
        (
            label("preferred_channel"),
            label(row.preferred_channel.value, "medium") if row.preferred_channel else text(""),
        ),
        (label("language"), label(row.locale, "locale") if row.locale else text("")),
        (label("orders_known"), text(", ".join(row.orders))),
        (label("since"), moment(row.created_at)),
        (label("tickets_all"), label("tickets_open", all=row.tickets, open=row.open_tickets)),
    ]


def _acts(row: CustomerDetail) -> list[Form]:
    url = f"{CUSTOMERS}/{row.code}"
    reason = Field(name="reason", label=label("why"), need=True, limit=240)
    if row.merged_into:
        return [
            Form(
                name="unmerge",
                url=f"{url}/unmerge",
                title=label("unmerge"),
                button=label("unmerge"),
                asks=label("unmerge_asks"),
                fields=[reason],
            )
        ]
    version = Field(name="version", kind="hidden", value=str(row.version))
    change = Form(
        name="change",
        url=f"{url}/change",
        title=label("change"),
        button=label("change"),
        fields=customer_fields(row, [version]),
        asks=label("change_asks"),
    )
    merging = Form(
        name="merge",
        url=f"{url}/merge",
        title=label("merge"),
        button=label("merge"),
        asks=label("merge_asks"),
        fields=[Field(name="other", label=label("merge_other"), need=True, limit=24), reason],
    )
    return [change, merging]


def _facts(facts: Mapping[str, Any]) -> str:
    """Fields, the other customer and the reason, as far as a line has them."""
    fields = ", ".join(facts.get("fields", []))
    others = [str(facts[name]) for name in ("other", "into", "from", "reason") if facts.get(name)]
    return " · ".join(filter(None, [fields, *others]))
