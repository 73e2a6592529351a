"""The list of communication records: filters, export, and import with a dry run for those who lead."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from models.communications import Communication
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import CommunicationState, Medium, Role
from workers import communications
from workers.communications import CHANNELS, Wanted, Wording
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, uuid_of
from workers.web.api.communication_views import shown_records
from workers.web.api.communications import XLSX
from workers.web.console.door import Visiting
from workers.web.console.frame import show
from workers.web.pages import page_locale
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

TALKS = "/console/communications"
PAGE = 50
KEPT = ("state", "channel", "handler", "ticket", "overdue", "shared")
LONGEST_TABLE = 500_000
NOTHING = UUID(int=0)


@router.api_route(TALKS, methods=["GET", "HEAD"])
async def talks(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Newest first; an agent's own, and what was shared with them."""
    given = _given(request)
    cursor = request.query_params.get("cursor", "")
    async with parts.workshop.read() as uow:
        query = communications.matching(await _wanted(uow, given), visit.person, uow.clock.now())
        place = uuid_of(cursor, "cursor") if cursor else None
        rows, more = await page_of(uow, query, Communication.id, Paging(place, PAGE))
        items = [each.model_dump(mode="json") for each in await shown_records(uow, rows)]
    chosen = {name: value for name, value in given.items() if value}
    facts = {
        "talks": items,
        "given": given,
        "channels": list(CHANNELS),
        "states": list(CommunicationState),
        "leads": visit.person.role is not Role.AGENT,
        "filtered": bool(chosen),
        "list_url": TALKS,
        "ticket_list_url": "/console/tickets",
        "import_url": f"{TALKS}/import"
        if visit.person.role in (Role.SUPERVISOR, Role.ADMINISTRATOR)
        else None,
        "exports": [
            {"name": kind.upper(), "url": f"{TALKS}/export?{urlencode({**chosen, 'format': kind})}"}
            for kind in ("csv", "xlsx")
        ],
        "first_url": f"{TALKS}?{urlencode(chosen)}" if cursor else None,
        "next_url": f"{TALKS}?{urlencode({**chosen, 'cursor': more})}" if more else None,
    }
    return show(request, visit, "console_talks", facts)


def _given(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "").strip()[:64] for name in KEPT}


async def _wanted(uow: UnitOfWork, given: dict[str, str]) -> Wanted:
    """What the address asks for; a person or ticket that there is not finds nothing."""
    channel = next((each for each in CHANNELS if each.value == given["channel"]), None)
    state = next((each for each in CommunicationState if each.value == given["state"]), None)
    return Wanted(
        channels=(Medium(channel),) if channel else (),
        state=state,
        handler_id=await _id_of(uow, Staff, given["handler"]),
        ticket_id=await _id_of(uow, Ticket, given["ticket"]),
        overdue=True if given["overdue"] == "1" else None,
        shared=True if given["shared"] == "1" else None,
    )


async def _id_of(uow: UnitOfWork, table: type[Staff | Ticket], number: str) -> UUID | None:
    if not number:
        return None
    found = await uow.session.scalar(select(table.id).where(table.number == number.upper()))
    return found or NOTHING


@router.api_route(f"{TALKS}/export", methods=["GET", "HEAD"])
async def export(request: Request, parts: Parts, visit: Visiting) -> Response:
    """What the list shows, as a table with the record's own columns; streamed, masked."""
    kind = "xlsx" if request.query_params.get("format") == "xlsx" else "csv"
    async with parts.workshop.read() as uow:
        wanted = await _wanted(uow, _given(request))
    wording = Wording(page_locale(request, visit.person.locale), parts.settings.timezone)
    rows = communications.rows(parts.workshop, wanted, visit.person, wording)
    write = communications.csv_chunks if kind == "csv" else communications.xlsx_chunks
    return StreamingResponse(
        write(wording.titles(), rows),
        media_type="text/csv; charset=utf-8" if kind == "csv" else XLSX,
        headers={"Content-Disposition": f'attachment; filename="communications.{kind}"'},
    )


@router.api_route(f"{TALKS}/import", methods=["GET", "HEAD"])
async def ask_table(request: Request, visit: Visiting) -> Response:
    """Asks for the rows of a table."""
    return show(request, visit, "console_talks_import", _import_facts())


@router.post(f"{TALKS}/import")
async def take_table(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Tries them first, and records them on the second press. The same rows again add nothing."""
    given = visit.fields.get("rows", "")
    facts: dict[str, Any] = {**_import_facts(), "rows": given}
    dry_run = visit.fields.get("step") != "import"
    if not given.strip() or len(given) > LONGEST_TABLE:
        code = "too_long" if given.strip() else "required_text"
        return show(request, visit, "console_talks_import", {**facts, "error": code}, status=422)
    try:
        results = await communications.import_rows(
            parts.workshop, iter(_rows(given)), dry_run=dry_run, tick=lambda _count: None
        )
    except (InvalidInput, csv.Error):
        return show(request, visit, "console_talks_import", {**facts, "error": "titles"}, status=422)
    found = [
        {"line": each.line, "outcome": each.outcome, "number": each.number, "words": each.words}
        for each in results
    ]
    return show(request, visit, "console_talks_import", {**facts, "results": found, "dry_run": dry_run})


def _rows(pasted: str) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, with their numbers. Raises csv.Error for what is no table."""
    tabs = "\t" in pasted.partition("\n")[0]
    table = csv.reader(io.StringIO(pasted, newline=""), delimiter="\t" if tabs else ",")
    return [(line, cells) for line, cells in enumerate(table, 1) if any(cell.strip() for cell in cells)]


def _import_facts() -> dict[str, Any]:
    return {
        "rows": "",
        "error": None,
        "results": [],
        "dry_run": True,
        "list_url": TALKS,
        "action_url": f"{TALKS}/import",
    }
