"""Requests come in from the tracking table or the record: closed, without clocks, and nobody is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from models.people import Staff
from models.tickets import ImportedRow, Ticket
from workers.errors import CloseloopError, InvalidInput
from workers.importing import Columns, Places, RowResult, in_batches, told_of
from workers.registers import reading, response_record, tracking
from workers.registers.numbers import own_shape, reserve
from workers.registers.whom import Colleagues, customer_of
from workers.tickets import Past, take_in
from workers.unit_of_work import UnitOfWork, Workshop

LONGEST = 20_000
ENDED = frozenset({"已关闭", "关闭", "已解决", "解决", "完成", "已完成", "closed", "resolved", "done"})
WORDS = ("log", "solution", "satisfaction", "measure", "cycle", "industry")
"""Columns that are kept as they are, under their names."""
_FITS = "closeloop tables export {} FILE writes a table that fits"
TRACKING = Columns(
    tracking.TITLES,
    needed=("received_at", "description"),
    one_of=(("customer",),),
    fits=_FITS.format("response-tracking"),
)
RECORD = Columns(
    response_record.TITLES,
    needed=("received_at", "description"),
    one_of=(("customer", "contact"),),
    fits=_FITS.format("response-record"),
)


@dataclass(slots=True)
class _Run:
    """One import: from which table, where its columns stand, and what it has seen so far."""

    register: str
    titles: Mapping[str, Any]
    places: Places
    dry_run: bool
    colleagues: Colleagues = field(default_factory=Colleagues)
    seen: dict[bytes, int] = field(default_factory=dict)

    def title(self, name: str) -> str:
        """A column as people call it."""
        return str(self.titles[name][0])


async def take_tracking(
    workshop: Workshop,
    table: Iterable[tuple[int, list[str]]],
    *,
    dry_run: bool,
    tick: Callable[[int], None],
) -> AsyncIterator[RowResult]:
    """Take in a response tracking table; each row is answered for, and taken in once."""
    async for each in _take(workshop, "response-tracking", TRACKING, table, dry_run, tick):
        yield each


async def take_record(
    workshop: Workshop,
    table: Iterable[tuple[int, list[str]]],
    *,
    dry_run: bool,
    tick: Callable[[int], None],
) -> AsyncIterator[RowResult]:
    """Take in a table of response records; each row is answered for, and taken in once."""
    async for each in _take(workshop, "response-record", RECORD, table, dry_run, tick):
        yield each


async def _take(
    workshop: Workshop,
    register: str,
    columns: Columns,
    table: Iterable[tuple[int, list[str]]],
    dry_run: bool,
    tick: Callable[[int], None],
) -> AsyncIterator[RowResult]:
    rows = iter(table)
    places = columns.find(next(rows, (1, []))[1])
    run = _Run(register, columns.titles, places, dry_run)

    async def work(batch: list[tuple[int, list[str]]]) -> list[RowResult]:
        return await _batch(workshop, run, batch)

    async for each in in_batches(rows, work, tick):
        yield each


async def _batch(workshop: Workshop, run: _Run, batch: list[tuple[int, list[str]]]) -> list[RowResult]:
    """Some rows in one transaction. A row that is wrong has written nothing when that is found."""
    if not run.dry_run:
        given = (run.places.named(cells).get("number", "") for _, cells in batch)
        await reserve(workshop, filter(None, (own_shape(text, "CS") for text in given)))
    run.colleagues.by_word.clear()
    async with workshop.read() if run.dry_run else workshop.begin() as uow:
        return [await _row(uow, run, line, cells) for line, cells in batch]


async def _row(uow: UnitOfWork, run: _Run, line: int, cells: list[str]) -> RowResult:
    named, rest = run.places.named(cells), run.places.others(cells)
    try:
        key = _key(uow, run, named, rest)
        if key in run.seen:
            return RowResult(line, "known", words=f"the same as line {run.seen[key]}")
        known = await _known(uow, named, key)
        if known:
            return RowResult(line, "known", known)
        past, warnings = await _past(uow, run, named, rest)
        texts = (named.get("customer", ""), named.get("contact", ""))
        if not any(texts):
            raise InvalidInput("the customer is missing", hint="a code, a contact, or its last four digits")
        run.seen[key] = line
        if run.dry_run:
            return RowResult(line, "added", past.number or "", "; ".join(warnings))
        ticket = await take_in(uow, past, await customer_of(uow, *texts))
        uow.add_later(ImportedRow(row_key=key, number=ticket.number))
    except CloseloopError as error:
        return RowResult(line, "wrong", words=told_of(error))
    return RowResult(line, "added", ticket.number, "; ".join(warnings))


def _key(uow: UnitOfWork, run: _Run, named: Mapping[str, str], rest: Mapping[str, str]) -> bytes:
    """By what a row is known again: its number, the same in both tables; else by all that it says."""
    number = named.get("number", "").upper()
    said = {name: text for name, text in named.items() if name != "index"}
    text = f"number\x1f{number}" if number else "\x1f".join((*said.values(), *rest.values()))
    return uow.vault.lookup("ticket-row", text)


async def _known(uow: UnitOfWork, named: Mapping[str, str], key: bytes) -> str:
    """The number of what was made of this row, or of our own request that it tells of; '' for none."""
    row = await uow.session.get(ImportedRow, key)
    if row is not None:
        return row.number
    number = own_shape(named.get("number", ""), "CS")
    if number is None:
        return ""
    return await uow.session.scalar(select(Ticket.number).where(Ticket.number == number)) or ""


async def _past(
    uow: UnitOfWork, run: _Run, named: Mapping[str, str], rest: Mapping[str, str]
) -> tuple[Past, list[str]]:
    """What the row says, and warnings. Raises InvalidInput naming the column that is wrong."""
    times = {
        name: reading.moment(uow, named, name, run.title(name)) for name in run.titles if name.endswith("_at")
    }
    received, warnings = times["received_at"], []
    if received is None:
        raise InvalidInput(f"{run.title('received_at')} is missing", hint="without it there is no request")
    for name, length in (("first_response_at", "response"), ("resolved_at", "resolution")):
        if name in run.titles:
            given = (times.get(name), named.get(length, ""))
            times[name], warning = reading.after(received, *given, run.title(name))
            warnings.append(warning)
    for name in ("transferred_at", "accepted_at", "feedback_at", "closed_at"):
        reading.after(received, times.get(name), "", name)
    if not named.get("description"):
        raise InvalidInput(f"{run.title('description')} is missing", hint="say what it was about")
    category, kind, guessed = reading.category_of(uow, named.get("type", ""))
    handler = await run.colleagues.find(uow, named.get("handler", "")) if named.get("handler") else None
    ended, open_still = _end(times, named)
    number = own_shape(named.get("number", ""), "CS")
    warnings += [guessed, _unknown_handler(named, handler), open_still, _other_columns(rest)]
    past = Past(
        register=run.register,
        received_at=received,
        description=named["description"][:LONGEST],
        number=number,
        background=named.get("background", "")[:LONGEST],
        category=category,
        subkind=kind,
        priority=reading.priority_of(uow, named.get("priority", "")),
        handler=handler,
        occurred_at=times.get("occurred_at"),
        first_response_at=times.get("first_response_at"),
        transferred_at=times.get("transferred_at"),
        accepted_at=times.get("accepted_at"),
        expected_resolution_at=times.get("expected_at"),
        feedback_at=times.get("feedback_at"),
        resolved_at=ended,
        closed_at=times.get("closed_at"),
        unconfirmed_reason=reading.reason_of(named.get("reason", "")) or ("other" if open_still else None),
        words=_words(named, rest, number, handler),
    )
    return past, [each for each in warnings if each]


def _end(times: Mapping[str, Any], named: Mapping[str, str]) -> tuple[Any, str]:
    """When it was resolved, and a warning where the table says that it never was."""
    ended = times.get("resolved_at")
    if ended is None and "resolved_at" not in times:  # the record names only when it was closed
        state = named.get("state", "").lower()
        ended = times.get("closed_at") or (times.get("feedback_at") if state in ENDED else None)
    if ended is not None or named.get("reason"):
        return ended, ""
    return None, "not resolved in the table: taken in as history, nothing will remind of it"


def _unknown_handler(named: Mapping[str, str], handler: Staff | None) -> str:
    text = named.get("handler", "")
    return f"handler {text[:32]!r} does not work here: kept as a note" if text and handler is None else ""


def _other_columns(rest: Mapping[str, str]) -> str:
    return f"kept as a note: {', '.join(rest)}" if rest else ""


def _words(
    named: Mapping[str, str], rest: Mapping[str, str], number: str | None, handler: Staff | None
) -> dict[str, str]:
    """What has no field of its own, under its name: nothing of the row is lost."""
    found = {name: named[name][:LONGEST] for name in WORDS if named.get(name)}
    if named.get("handler") and handler is None:
        found["handler"] = named["handler"][:200]
    if named.get("reason"):
        found["reason"] = named["reason"][:200]
    note = [named.get("note", ""), *(f"{title}: {text}" for title, text in rest.items())]
    if named.get("further"):
        note.append(f"其他类别: {named['further']}")
    if named.get("number") and number is None:
        note.append(f"原编号: {named['number']}")
    if told := "\n".join(each for each in note if each):
        found["note"] = told[:LONGEST]
    return found
