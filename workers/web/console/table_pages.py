"""The four tables of the practices: to download, and to take in from a team's own spreadsheet."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.vocabulary import Role
from workers.errors import CloseloopError, InvalidInput
from workers.importing import RowResult
from workers.registers import REGISTERS, Register, Span
from workers.web.api.tables import OUTCOMES, Format, as_file, register_named, take_in
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.sheet import (
    Field,
    Form,
    Section,
    Sheet,
    Table,
    Word,
    both,
    day,
    label,
    link,
    text,
)
from workers.web.pages import page_locale
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

TABLES = "/console/tables"
DECIDE = (Role.SUPERVISOR, Role.ADMINISTRATOR)
LONGEST_TABLE = 100_000
MOST_SHOWN = 500


@router.api_route(TABLES, methods=["GET", "HEAD"])
async def tables(request: Request, parts: Parts, visit: Visiting) -> Response:
    """The four tables, as CSV and XLSX, of a span of days; for who decides also the way in."""
    return _page(request, parts, visit, None)


@router.api_route(f"{TABLES}/{{name}}/export", methods=["GET", "HEAD"])
async def export(request: Request, parts: Parts, visit: Visiting, name: str) -> Response:
    """The table with its own columns, masked, streamed."""
    register = register_named(name)
    kind: Format = "xlsx" if request.query_params.get("format") == "xlsx" else "csv"
    try:
        span = _span(request.query_params, parts)
    except CloseloopError as error:
        return _page(request, parts, visit, error)
    locale = page_locale(request, visit.person.locale)
    return as_file(parts, register, span, visit.person, locale, kind)


@router.post(f"{TABLES}/{{name}}/import")
async def take_table(request: Request, parts: Parts, visit: Visiting, name: str) -> Response:
    """Rows that were copied from a spreadsheet: first what would be done with each, then it is done."""
    register = register_named(name)
    pasted, really = visit.fields.get("rows", ""), visit.fields.get("really") == "1"
    try:
        if len(pasted) > LONGEST_TABLE:
            hint = f"closeloop tables import {name} FILE"
            raise InvalidInput("the table is too long for this page", hint=hint)
        results = await take_in(parts, register, pasted_as_csv(pasted), dry_run=not really)
    except CloseloopError as error:
        return _page(request, parts, visit, error)
    return _answers(request, visit, register, results, "" if really else pasted)


def pasted_as_csv(pasted: str) -> bytes:
    """Rows as a spreadsheet puts them on the clipboard (tabs between cells, quotes around line breaks), or
    CSV, as CSV.
    """
    if "\t" not in pasted.partition("\n")[0]:
        return pasted.encode()
    out = io.StringIO(newline="")
    try:
        csv.writer(out).writerows(csv.reader(io.StringIO(pasted, newline=""), delimiter="\t"))
    except csv.Error as error:
        raise InvalidInput("these rows are no table", hint="copy them from a spreadsheet") from error
    return out.getvalue().encode()


def _span(given: Mapping[str, str], parts: WebParts) -> Span:
    zone = ZoneInfo(parts.settings.timezone)
    return Span(day(given.get("from", ""), zone), day(given.get("to", ""), zone))


def _page(request: Request, parts: WebParts, visit: Visit, refused: CloseloopError | None) -> Response:
    given = request.query_params
    days = "".join(f"&{name}={given[name]}" for name in ("from", "to") if _is_day(given.get(name, ""), parts))
    rows = [[label(name, "register"), _links(name, days)] for name in REGISTERS]
    table = Table(caption=label("tables"), heads=[label("table"), label("export_table")], rows=rows)
    forms = [_import_form(name) for name in REGISTERS] if visit.person.role in DECIDE else []
    sections = [Section(intro=[label("tables_intro")], table=table)]
    sections += (
        [Section(title=label("tables_import"), intro=[label("tables_import_intro")], forms=forms)]
        if forms
        else []
    )
    page = Sheet(
        title=label("tables"),
        url=TABLES,
        sections=sections,
        filters=[
            Field(name=name, label=label(f"by_{name}"), kind="date", value=given.get(name, "")[:10])
            for name in ("from", "to")
        ],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _is_day(typed: str, parts: WebParts) -> bool:
    try:
        return day(typed, ZoneInfo(parts.settings.timezone)) is not None
    except InvalidInput:
        return False


def _links(name: str, days: str) -> Word:
    found = [
        link(f"{TABLES}/{name}/export?format={kind}{days}", text(kind.upper())) for kind in ("csv", "xlsx")
    ]
    return both(found[0], text(" "), found[1])


def _import_form(name: str) -> Form:
    rows = Field(name="rows", label=label("import_rows"), kind="area", need=True, limit=LONGEST_TABLE)
    return Form(
        name=f"import-{name}",
        url=f"{TABLES}/{name}/import",
        title=label(name, "register"),
        button=label("import_try"),
        fields=[Field(name="act", kind="hidden", value=f"import-{name}"), rows],
    )


def _answers(
    request: Request, visit: Visit, register: Register, results: list[RowResult], pasted: str
) -> Response:
    """What became, or would become, of each row; with `pasted` a button that does it."""
    counts = Counter(each.outcome for each in results)
    shown = [each for each in results if each.outcome != "known" or each.words][:MOST_SHOWN]
    table = Table(
        caption=label(register.name, "register"),
        heads=[label(each) for each in ("line", "outcome", "number", "said")],
        rows=[
            [text(one.line), label(one.outcome, "row_outcome"), text(one.number), text(one.words)]
            for one in shown
        ],
    )
    again = Form(
        name="import",
        url=f"{TABLES}/{register.name}/import",
        title=label("import_do"),
        button=label("import_do"),
        fields=[
            Field(name="rows", kind="hidden", value=pasted),
            Field(name="really", kind="hidden", value="1"),
        ],
        opened=True,
    )
    pairs = [(label(each, "row_outcome"), text(counts[each])) for each in OUTCOMES]
    page = Sheet(
        title=label("import_tried" if pasted else "imported"),
        url=TABLES,
        back=(TABLES, label("tables")),
        sections=[Section(pairs=pairs, table=table, forms=[again] if pasted else [])],
    )
    return sheet.show_sheet(request, visit, page)
