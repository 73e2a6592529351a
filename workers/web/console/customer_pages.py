"""The customer master on pages: looked up, entered, taken in from a spreadsheet, written to one."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.people import Customer
from models.vocabulary import Medium, Role
from workers import customers
from workers.customers import CustomerGiven, Wanted
from workers.errors import CloseloopError, InvalidInput
from workers.web.api.common import Paging, page_of, uuid_of
from workers.web.api.customer_tables import OUTCOMES, as_file, take_in
from workers.web.api.customers import CustomerDetail
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.sheet import Field, Form, Section, Sheet, Table, label, link, text
from workers.web.pages import page_locale
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

CUSTOMERS = "/console/customers"
PAGE = 50
DECIDE = (Role.SUPERVISOR, Role.ADMINISTRATOR)
HEADS = ("code", "customer", "group", "level", "industry", "by_channel")
CHANNELS = (Medium.EMAIL, Medium.SMS, Medium.PHONE, Medium.CHAT)
LOCALES = ("zh_CN", "en")
LONGEST_TABLE = 100_000
TEXTS = ("name", "email", "phone", "group", "level", "industry")


@router.api_route(CUSTOMERS, methods=["GET", "HEAD"])
async def listed(request: Request, parts: Parts, visit: Visiting) -> Response:
    """By full contact, order number, group, level or industry; agents see those of their own tickets."""
    return await _list(request, parts, visit, None)


@router.post(CUSTOMERS)
async def add(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Enter a customer."""
    try:
        async with parts.workshop.begin() as uow:
            given = {name: value for name, value in customer_given(visit.fields).items() if value}
            orders = tuple(given.pop("orders", ()))
            row = await customers.add_customer(uow, CustomerGiven(**given, orders=orders), visit.person)
            code = row.code
    except CloseloopError as error:
        return await _list(request, parts, visit, error)
    return done(parts, visit, f"{CUSTOMERS}/{code}", "customer_added")


@router.api_route(f"{CUSTOMERS}/export", methods=["GET", "HEAD"])
async def export(request: Request, parts: Parts, visit: Visiting) -> Response:
    """The table, masked, as CSV."""
    wanted = Wanted(group=request.query_params.get("group"), level=request.query_params.get("level"))
    return as_file(parts, wanted, visit.person, page_locale(request, visit.person.locale), "csv")


@router.post(f"{CUSTOMERS}/import")
async def take_table(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Rows that were copied from a spreadsheet: first what would be done with each, then it is done."""
    pasted = visit.fields.get("rows", "")
    really = visit.fields.get("really") == "1"
    try:
        if len(pasted) > LONGEST_TABLE:
            raise InvalidInput("the table is too long for this page", hint="closeloop customer import FILE")
        table = _as_csv(pasted)
        results = await take_in(parts, table, visit.person, dry_run=not really)
    except CloseloopError as error:
        return await _list(request, parts, visit, error)
    counts = [
        (label(each, "row_outcome"), text(sum(one.outcome == each for one in results))) for each in OUTCOMES
    ]
    rows = [
        [text(one.line), label(one.outcome, "row_outcome"), text(one.code), text(one.words)]
        for one in results
        if one.outcome != "known"
    ][:500]
    again = Form(
        name="import",
        url=f"{CUSTOMERS}/import",
        title=label("import_do"),
        button=label("import_do"),
        fields=[
            Field(name="rows", kind="hidden", value=pasted),
            Field(name="really", kind="hidden", value="1"),
        ],
        opened=True,
    )
    table_shown = Table(
        caption=label("import"),
        heads=[label(each) for each in ("line", "outcome", "code", "said")],
        rows=rows,
    )
    page = Sheet(
        title=label("imported" if really else "import_tried"),
        url=CUSTOMERS,
        back=(CUSTOMERS, label("customers")),
        sections=[Section(pairs=counts, table=table_shown, forms=[] if really else [again])],
    )
    return sheet.show_sheet(request, visit, page)


def customer_given(fields: Mapping[str, str]) -> dict[str, Any]:
    """What a form says of a customer; None for what was left empty."""
    given: dict[str, Any] = {name: fields.get(name, "").strip() or None for name in TEXTS}
    channel, locale = fields.get("preferred_channel", ""), fields.get("locale", "")
    given["preferred_channel"] = next((each for each in CHANNELS if each.value == channel), None)
    given["locale"] = locale if locale in LOCALES else None
    given["orders"] = tuple(each.strip() for each in fields.get("orders", "").splitlines() if each.strip())
    return given


def _as_csv(pasted: str) -> bytes:
    """Rows as a spreadsheet puts them on the clipboard (tabs between cells) or CSV, as CSV."""
    if "\t" not in pasted.partition("\n")[0]:
        return pasted.encode()
    out = io.StringIO(newline="")
    csv.writer(out).writerows(line.split("\t") for line in pasted.splitlines())
    return out.getvalue().encode()


async def _list(request: Request, parts: WebParts, visit: Visit, refused: CloseloopError | None) -> Response:
    given = request.query_params if request.method != "POST" else {}
    rows: list[Customer] = []
    cursor = None
    async with parts.workshop.read() as uow:
        try:
            wanted = Wanted(
                contact=given.get("contact", "").strip() or None,
                order=given.get("order") or None,
                group=given.get("group") or None,
                level=given.get("level") or None,
                industry=given.get("industry") or None,
                merged=given.get("merged") == "1",
            )
            place = uuid_of(given["cursor"], "cursor") if given.get("cursor") else None
            query = customers.matching(uow, wanted, visit.person)
            rows, cursor = await page_of(uow, query, Customer.id, Paging(place, PAGE))
        except InvalidInput as error:
            refused = error
    cells = [
        [
            link(f"{CUSTOMERS}/{row.code}", text(row.code)),
            text(row.masked),
            text(row.customer_group),
            text(row.level),
            text(row.industry),
            label(row.preferred_channel.value, "medium") if row.preferred_channel else text(""),
        ]
        for row in rows
    ]
    table = Table(caption=label("customers"), heads=[label(head) for head in HEADS], rows=cells)
    may = visit.person.role in DECIDE
    leads = visit.person.role is not Role.AGENT
    page = Sheet(
        title=label("customers"),
        url=CUSTOMERS,
        tools=[link(f"{CUSTOMERS}/export", label("export"))] if leads else [],
        sections=[Section(table=table), Section(forms=_entering() if may else [])],
        filters=[
            *(
                Field(name=name, label=label(f"by_{name}"), value=given.get(name, ""), limit=254)
                for name in ("contact", "order", "group", "level", "industry")
            ),
            Field(name="merged", label=label("with_merged"), kind="check", value=given.get("merged", "")),
        ],
        cursor=cursor,
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _entering() -> list[Form]:
    add = Form(
        name="add",
        url=CUSTOMERS,
        title=label("customer_new"),
        button=label("customer_new"),
        fields=customer_fields(None, []),
    )
    rows = Field(name="rows", label=label("import_rows"), kind="area", need=True, limit=LONGEST_TABLE)
    table = Form(
        name="import",
        url=f"{CUSTOMERS}/import",
        title=label("import"),
        button=label("import_try"),
        fields=[rows],
    )
    return [add, table]


def customer_fields(row: CustomerDetail | None, hidden: list[Field]) -> list[Field]:
    """The fields of a form about a customer; `hidden` ones follow."""
    known = row.model_dump() if row else {}
    needed = "_new" if row is None else ""
    found = [
        Field(name=name, label=label(f"customer_{name}{needed}"), limit=254)
        for name in ("name", "email", "phone")
    ]
    found += [
        Field(name=name, label=label(name), value=known.get(name) or "", limit=64)
        for name in ("group", "level", "industry")
    ]
    channel = known.get("preferred_channel")
    found.append(
        Field(
            name="preferred_channel",
            label=label("preferred_channel"),
            kind="select",
            value=channel.value if channel else "",
            options=sheet.options("medium", [each.value for each in CHANNELS], first="none"),
        )
    )
    found.append(
        Field(
            name="locale",
            label=label("language"),
            kind="select",
            value=known.get("locale") or "",
            options=sheet.options("locale", LOCALES, first="by_itself"),
        )
    )
    orders = "\n".join(known.get("orders") or [])
    found.append(Field(name="orders", label=label("orders"), kind="area", value=orders, limit=20_000))
    return found + hidden
