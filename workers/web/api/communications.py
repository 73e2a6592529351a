"""Communication records 沟通记录: record, look, change, close, share, export (rows C1–C4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Request, Response
from sqlalchemy import select
from starlette.responses import StreamingResponse

from models.communications import Communication
from models.people import Customer, Staff
from models.vocabulary import CommunicationState, Medium, Role
from workers import communications
from workers.communications import Talk, Wanted, Wording
from workers.errors import Forbidden, InvalidInput
from workers.people import team_exactly
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import (
    Caller,
    Calling,
    Paged,
    acting,
    check_version,
    etag,
    page_of,
    person_named,
)
from workers.web.api.communication_models import (
    Closing,
    RecordChanged,
    RecordDetail,
    RecordGiven,
    RecordList,
    Reopening,
    Sharing,
)
from workers.web.api.communication_views import history_of, shown_records
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.pages import page_locale
from workers.web.parts import Parts, WebParts

router = Resource("/communications", "communications")

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Filter:
    """The filters that list and export share."""

    def __init__(
        self,
        since: Annotated[Moment | None, Query(description="Talks from then on")] = None,
        until: Annotated[Moment | None, Query(description="Exclusive")] = None,
        channel: Annotated[list[Medium] | None, Query()] = None,
        state: Annotated[CommunicationState | None, Query()] = None,
        handler: Annotated[str | None, Query(description="Staff number or mail address")] = None,
        customer: Annotated[str | None, Query(description="Customer code")] = None,
        ticket: Annotated[str | None, Query(description="Ticket number")] = None,
        overdue: Annotated[bool | None, Query(description="The next action's time has passed")] = None,
        shared: Annotated[bool | None, Query()] = None,
    ) -> None:
        self._names = handler, customer, ticket
        self._others = since, until, channel, state, overdue, shared

    async def wanted(self, uow: UnitOfWork) -> Wanted:
        """With names looked up. Raises NotFound for what there is not."""
        handler, customer, ticket = self._names
        since, until, channel, state, overdue, shared = self._others
        return Wanted(
            since=since,
            until=until,
            channels=tuple(channel or ()),
            state=state,
            overdue=overdue,
            shared=shared,
            handler_id=(await person_named(uow, handler)).id if handler else None,
            customer_id=(await _customer(uow, customer)).id if customer else None,
            ticket_id=(await ticket_by_number(uow, ticket, hold=False)).id if ticket else None,
        )


Filtered = Annotated[Filter, Depends(Filter)]


@router.post("", status_code=201, summary="Record a talk")
async def record(
    given: RecordGiven,
    parts: Parts,
    calling: Calling,
    response: Response,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, description="The same key makes one record")
    ] = None,
) -> RecordDetail:
    """201 with Location; with a key that came before, the record it made, and 200."""
    async with parts.workshop.begin() as uow:
        ticket = await ticket_by_number(uow, given.ticket) if given.ticket else None
        by = await acting(uow, calling.staff)
        handler = await person_named(uow, given.handler) if given.handler else by
        if handler.id != by.id and by.role not in (Role.SUPERVISOR, Role.ADMINISTRATOR):
            raise Forbidden("agents record their own talks", hint="leave out the handler")
        if ticket is not None and by.role is Role.AGENT and ticket.handler_id not in (None, by.id):
            raise Forbidden(
                "agents record talks on their own tickets", hint="the handler or a supervisor can"
            )
        if ticket is not None:
            customer = await uow.session.get_one(Customer, ticket.customer_id)
        else:
            customer = await _customer(uow, given.customer or "")
        key = uow.vault.lookup("communication-key", f"{by.id}:{idempotency_key}") if idempotency_key else None
        talk = Talk(**given.model_dump(exclude={"ticket", "customer", "handler"}))
        made = await communications.record_talk(
            uow, talk, by=by, handler=handler, customer=customer, ticket=ticket, row_key=key
        )
    response.status_code = 201 if made.new else 200
    response.headers["Location"] = f"/api/v1/communications/{made.row.number}"
    return await _detail(parts, made.row.number, response, None, made.warnings)


async def _customer(uow: UnitOfWork, code: str) -> Customer:
    row = await uow.session.scalar(select(Customer).where(Customer.code == code.strip().upper()))
    if row is None:
        raise InvalidInput("a record needs a ticket or a known customer", hint="codes look like C202405001")
    return row


@router.get("", summary="List records")
async def list_records(parts: Parts, calling: Calling, paging: Paged, filtered: Filtered) -> RecordList:
    """Newest first. Agents see their own, and what was shared with them."""
    async with parts.workshop.read() as uow:
        by = await acting(uow, calling.staff)
        query = communications.matching(await filtered.wanted(uow), by, uow.clock.now())
        rows, cursor = await page_of(uow, query, Communication.id, paging)
        return RecordList(items=await shown_records(uow, rows), next_cursor=cursor)


@router.get("/export", summary="Export records", response_class=StreamingResponse)
async def export(
    request: Request,
    parts: Parts,
    calling: Calling,
    filtered: Filtered,
    format: Annotated[Literal["csv", "xlsx"], Query()] = "csv",
) -> StreamingResponse:
    """What the list would show, as a table with the record's own columns, in the language of `lang` or
    Accept-Language; oldest record first, masked, streamed.
    """
    async with parts.workshop.read() as uow:
        by = await acting(uow, calling.staff)
        wanted = await filtered.wanted(uow)
    wording = Wording(page_locale(request), parts.settings.timezone)
    rows = communications.rows(parts.workshop, wanted, by, wording)
    write = communications.csv_chunks if format == "csv" else communications.xlsx_chunks
    return StreamingResponse(
        write(wording.titles(), rows),
        media_type="text/csv; charset=utf-8" if format == "csv" else XLSX,
        headers={
            "Content-Disposition": f'attachment; filename="communications.{format}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.get("/{number}", summary="Look at a record")
async def get_record(number: str, parts: Parts, calling: Calling, response: Response) -> RecordDetail:
    """With its history; its version is the ETag. 404 for what an agent may not see."""
    async with parts.workshop.read() as uow:
        reader = await acting(uow, calling.staff)
    return await _detail(parts, number, response, reader)


@router.patch("/{number}", summary="Put right what was recorded")
async def change(
    number: str, given: RecordChanged, parts: Parts, calling: Calling, response: Response
) -> RecordDetail:
    """The history keeps what stood there before."""
    words = {
        name: text
        for name in ("description", "summary", "solution", "next_action")
        if (text := getattr(given, name)) is not None
    }
    async with _acting_on(parts, number, calling) as (uow, row, by):
        warnings = await communications.change(
            uow,
            row,
            by,
            words,
            channel=given.channel,
            happened_at=given.happened_at,
            next_at=given.next_at,
            handler=await person_named(uow, given.handler) if given.handler else None,
        )
    return await _detail(parts, number, response, None, warnings)


@router.post("/{number}/close", summary="Close a record")
async def close(
    number: str, given: Closing, parts: Parts, calling: Calling, response: Response
) -> RecordDetail:
    """Needs a definite action; its reminders are withdrawn."""
    async with _acting_on(parts, number, calling) as (uow, row, by):
        await communications.close(uow, row, by, given.solution)
    return await _detail(parts, number, response, None)


@router.post("/{number}/reopen", summary="Take a closed record up again")
async def reopen(
    number: str, given: Reopening, parts: Parts, calling: Calling, response: Response
) -> RecordDetail:
    """Needs a next action with a time."""
    async with _acting_on(parts, number, calling) as (uow, row, by):
        await communications.reopen(uow, row, by, given.next_action, given.next_at)
    return await _detail(parts, number, response, None)


@router.post("/{number}/share", summary="Share a record")
async def share(
    number: str, given: Sharing, parts: Parts, calling: Calling, response: Response
) -> RecordDetail:
    """They get a mail (masked) and see the record from now on."""
    if given.team and given.staff:
        raise InvalidInput("share with a team or with a person", hint="leave one of them out")
    async with _acting_on(parts, number, calling) as (uow, row, by):
        team = await team_exactly(uow, given.team) if given.team else None
        person = await person_named(uow, given.staff) if given.staff else None
        await communications.share(uow, row, by, team=team, person=person, words=given.note)
    return await _detail(parts, number, response, None)


@asynccontextmanager
async def _acting_on(
    parts: WebParts, number: str, calling: Caller
) -> AsyncIterator[tuple[UnitOfWork, Communication, Staff]]:
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        row = await communications.record_by_number(uow, number, by, hold=True)
        check_version(row.version, calling.if_match)
        yield uow, row, by


async def _detail(
    parts: WebParts, number: str, response: Response, reader: Staff | None, warnings: tuple[str, ...] = ()
) -> RecordDetail:
    """The record as `reader` sees it; None for whoever has just acted on it, and may have handed it on."""
    async with parts.workshop.read() as uow:
        row = await communications.record_by_number(uow, number, reader)
        (shown,) = await shown_records(uow, [row])
        history = await history_of(uow, row)
    response.headers["ETag"] = etag(row.version)
    return RecordDetail(**shown.model_dump(), history=history, warnings=list(warnings))
