"""The customer master as a table: taken in with an answer for each row, and written out masked."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Body, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from models.people import Staff
from models.vocabulary import Medium
from workers import customers
from workers.customers import RowResult, Wanted, Wording
from workers.errors import InvalidInput
from workers.tables import csv_chunks, read_table, xlsx_chunks
from workers.web.api.common import Calling, acting, reader
from workers.web.api.resource import Resource
from workers.web.pages import page_locale
from workers.web.parts import Parts, WebParts

router = Resource("/customers", "customers")

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OUTCOMES = ("added", "changed", "known", "wrong")


class RowTold(BaseModel):
    """What became of one row of the table."""

    line: int
    outcome: str = Field(description="added, changed, known (nothing new in it) or wrong")
    code: str
    words: str = Field(description="What is wrong, or which fields were changed")


class Imported(BaseModel):
    """What became of a table: counts, and every row that was not simply known."""

    dry_run: bool
    added: int
    changed: int
    known: int
    wrong: int
    rows: list[RowTold]


@router.post("/import", summary="Take in a table of customers")
async def import_table(
    parts: Parts,
    calling: Calling,
    table: Annotated[bytes, Body(media_type="text/csv", description="CSV (UTF-8, GB18030) or XLSX")],
    dry_run: Annotated[bool, Query(description="Only say what would be done")] = False,
) -> Imported:
    """The columns of the export, in Chinese or English; each row is answered for, a wrong one stops no other.

    Larger tables than the API takes in: `closeloop customer import`.
    """
    async with parts.workshop.read() as uow:
        by = await acting(uow, calling.staff)
    return told(await take_in(parts, table, by, dry_run=dry_run), dry_run=dry_run)


async def take_in(parts: WebParts, table: bytes, by: Staff | None, *, dry_run: bool) -> list[RowResult]:
    """Import a table's bytes. Raises InvalidInput for what is no table."""
    if not table.strip():
        raise InvalidInput("the table is empty", hint="send the bytes of a CSV or XLSX file as the body")
    with tempfile.TemporaryDirectory(prefix="closeloop-") as folder:
        path = Path(folder) / "table"
        path.write_bytes(table)
        return await customers.import_rows(
            parts.workshop, read_table(path), by=by, dry_run=dry_run, tick=lambda _: None
        )


def told(results: list[RowResult], *, dry_run: bool) -> Imported:
    """The answer to an import."""
    counts = {outcome: sum(each.outcome == outcome for each in results) for outcome in OUTCOMES}
    rows = [RowTold(**asdict(each)) for each in results if each.outcome != "known"]
    return Imported(dry_run=dry_run, **counts, rows=rows)


@router.get("/export", summary="Export customers", response_class=StreamingResponse)
async def export(
    request: Request,
    parts: Parts,
    calling: Calling,
    format: Annotated[Literal["csv", "xlsx"], Query()] = "csv",
    group: Annotated[str | None, Query(max_length=24)] = None,
    level: Annotated[str | None, Query(max_length=24)] = None,
    industry: Annotated[str | None, Query(max_length=64)] = None,
    preferred_channel: Medium | None = None,
) -> StreamingResponse:
    """Oldest first, masked, streamed, in the language of `lang` or Accept-Language; what a spreadsheet would
    calculate is text. Names and contacts in clear are written by `closeloop customer export --clear` only.
    """
    wanted = Wanted(group=group, level=level, industry=industry, preferred_channel=preferred_channel)
    async with parts.workshop.read() as uow:
        by = await reader(uow, calling)
    return as_file(parts, wanted, by, page_locale(request), format)


def as_file(
    parts: WebParts, wanted: Wanted, by: Staff | None, locale: str, format: Literal["csv", "xlsx"]
) -> StreamingResponse:
    """The table as a download that is never kept by anybody on the way."""
    wording = Wording(locale, parts.settings.timezone)
    write = csv_chunks if format == "csv" else xlsx_chunks
    return StreamingResponse(
        write(wording.titles(), customers.rows(parts.workshop, wanted, by, wording)),
        media_type="text/csv; charset=utf-8" if format == "csv" else XLSX,
        headers={
            "Content-Disposition": f'attachment; filename="customers.{format}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
