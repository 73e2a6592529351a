"""The four tables of the practices: written with their own columns, taken in with an answer for each row."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Body, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from models.people import Staff
from workers.errors import InvalidInput, NotFound
from workers.importing import RowResult
from workers.registers import REGISTERS, Register, Span, Wording
from workers.tables import csv_chunks, read_table, xlsx_chunks
from workers.web.api.common import Calling, reader
from workers.web.api.customer_tables import XLSX
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.pages import page_locale
from workers.web.parts import Parts, WebParts

router = Resource("/tables", "tables")

OUTCOMES = ("added", "known", "wrong")
Format = Literal["csv", "xlsx"]


class TableRow(BaseModel):
    """What became of one row of the table."""

    line: int
    outcome: str = Field(description="added, known (taken in already) or wrong")
    number: str = Field(description="Of the ticket, survey or record; empty in a dry run")
    words: str = Field(description="What is wrong, or what to look at")


class TableTaken(BaseModel):
    """What became of a table: counts, and every row that was not simply known."""

    dry_run: bool
    added: int
    known: int
    wrong: int
    rows: list[TableRow]


@router.get("/{name}/export", summary="Export a table", response_class=StreamingResponse)
async def export(
    request: Request,
    parts: Parts,
    calling: Calling,
    name: str,
    format: Annotated[Format, Query()] = "csv",
    since: Annotated[Moment | None, Query(alias="from", description="Received then or later")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Received before")] = None,
) -> StreamingResponse:
    """`response-tracking`, `response-record`, `communications` or `satisfaction`: the table with its own
    columns in their order, oldest first, masked, streamed, in the language of `lang` or Accept-Language.
    """
    register = register_named(name)
    async with parts.workshop.read() as uow:
        by = await reader(uow, calling)
    return as_file(parts, register, Span(since, until), by, page_locale(request), format)


@router.post("/{name}/import", summary="Take in a table")
async def import_table(
    parts: Parts,
    name: str,
    table: Annotated[bytes, Body(media_type="text/csv", description="CSV (UTF-8, GB18030) or XLSX")],
    dry_run: Annotated[bool, Query(description="Only say what would be done")] = False,
) -> TableTaken:
    """Columns in any order, in Chinese or English; each row is answered for, and taken in once. As history:
    it meets and misses no limit, nobody is told, scores are never changed. Larger ones: `closeloop tables`.
    """
    return told(await take_in(parts, register_named(name), table, dry_run=dry_run), dry_run=dry_run)


def register_named(name: str) -> Register:
    """The table of this name. Raises NotFound."""
    if name not in REGISTERS:
        raise NotFound("there is no such table", hint=f"one of {', '.join(REGISTERS)}")
    return REGISTERS[name]


async def take_in(parts: WebParts, register: Register, table: bytes, *, dry_run: bool) -> list[RowResult]:
    """Import a table's bytes. Raises InvalidInput for what is no table."""
    if not table.strip():
        raise InvalidInput("the table is empty", hint="send the bytes of a CSV or XLSX file as the body")
    with tempfile.TemporaryDirectory(prefix="closeloop-") as folder:
        path = Path(folder) / "table"
        path.write_bytes(table)
        results = register.take_in(parts.workshop, read_table(path), dry_run=dry_run, tick=lambda _: None)
        return [each async for each in results]


def told(results: list[RowResult], *, dry_run: bool) -> TableTaken:
    """The answer to an import."""
    counts = Counter(each.outcome for each in results)
    rows = [TableRow(**asdict(each)) for each in results if each.outcome != "known"]
    found = {outcome: counts[outcome] for outcome in OUTCOMES}
    return TableTaken(dry_run=dry_run, **found, rows=rows)


def as_file(
    parts: WebParts, register: Register, span: Span, by: Staff | None, locale: str, format: Format
) -> StreamingResponse:
    """The table as a download that is never kept by anybody on the way."""
    wording = Wording(locale, parts.settings.timezone)
    write = csv_chunks if format == "csv" else xlsx_chunks
    return StreamingResponse(
        write(register.heads(wording), register.rows(parts.workshop, span, by, wording)),
        media_type="text/csv; charset=utf-8" if format == "csv" else XLSX,
        headers={
            "Content-Disposition": f'attachment; filename="{register.name}.{format}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
