"""Take in records from a table: every row is answered for, none twice, and a wrong one stops no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC

from sqlalchemy import select

from models.communications import Communication
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import CommunicationState, Medium
from workers.communications.recording import Talk, by_row_key, check, record_talk
from workers.communications.table import CHANNEL_WORDS, STATE_WORDS, TITLES
from workers.directory import (
    Contact,
    find_or_make_customer,
    normal_email,
    normal_phone,
    region_of,
    staff_by_number,
)
from workers.errors import CloseloopError, InvalidInput
from workers.importing import Columns, RowResult, in_batches, read_moment, told_of
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork, Workshop

COLUMNS = Columns(
    TITLES,
    needed=("happened_at", "channel", "description", "handler"),
    one_of=(("customer", "ticket"),),
    fits="closeloop communications export writes a table that fits",
)
_CHANNELS = {
    word.lower(): medium for medium, words in CHANNEL_WORDS.items() for word in (*words, medium.value)
}
_CHANNELS |= {"call": Medium.PHONE, "email": Medium.EMAIL, "邮箱": Medium.EMAIL, "在线": Medium.CHAT}
_STATES = {word.lower(): state for state, words in STATE_WORDS.items() for word in (*words, state.value)}


@dataclass(slots=True)
class _Run:
    """One import: what has been looked up and seen so far."""

    dry_run: bool
    staff: dict[str, Staff] = field(default_factory=dict)
    seen: dict[bytes, int] = field(default_factory=dict)


async def import_rows(
    workshop: Workshop,
    table: Iterable[tuple[int, list[str]]],
    *,
    dry_run: bool,
    tick: Callable[[int], None],
) -> list[RowResult]:
    """As `imported`, all answers together: for a table that a page or a call can hold."""
    return [each async for each in imported(workshop, table, dry_run=dry_run, tick=tick)]


async def imported(
    workshop: Workshop,
    table: Iterable[tuple[int, list[str]]],
    *,
    dry_run: bool,
    tick: Callable[[int], None],
) -> AsyncIterator[RowResult]:
    """Record each row of `table` (line number and cells; the first row has the titles), a hundred at a time.

    Imported again, the same file adds nothing: a row is known by its record ID, or by all it says. `tick`
    hears how many rows are done. Raises InvalidInput when the titles do not fit.
    """
    rows = iter(table)
    places = COLUMNS.find(next(rows, (1, []))[1])
    run = _Run(dry_run)

    async def work(batch: list[tuple[int, list[str]]]) -> list[RowResult]:
        blank = dict.fromkeys(TITLES, "")
        return await _batch(
            workshop, run, [(line, {**blank, **places.named(cells)}) for line, cells in batch]
        )

    async for each in in_batches(rows, work, tick):
        yield each


async def _batch(workshop: Workshop, run: _Run, batch: list[tuple[int, dict[str, str]]]) -> list[RowResult]:
    """A hundred rows in one transaction. A row that is wrong has written nothing when that is found."""
    opened = workshop.read() if run.dry_run else workshop.begin()
    run.staff.clear()
    async with opened as uow:
        return [await _row(uow, run, line, row) for line, row in batch]


async def _row(uow: UnitOfWork, run: _Run, line: int, row: dict[str, str]) -> RowResult:
    try:
        key = _key_of(uow, row)
        if key in run.seen:
            return RowResult(line, "known", words=f"the same as line {run.seen[key]}")
        known = await _known(uow, row, key)
        if known is not None:
            return RowResult(line, "known", known.number)
        talk, handler, ticket = await _talk(uow, run, row)
        customer = await _customer(uow, run, row, ticket)
        checked = check(uow, talk)
        run.seen[key] = line
        if run.dry_run or customer is None:
            return RowResult(line, "added", words=", ".join(checked.warnings))
        made = await record_talk(
            uow,
            talk,
            by=handler,
            handler=handler,
            customer=customer,
            ticket=ticket,
            row_key=key,
            in_bulk=True,
        )
    except CloseloopError as error:
        return RowResult(line, "wrong", words=told_of(error))
    return RowResult(line, "added" if made.new else "known", made.row.number, ", ".join(made.warnings))


def _key_of(uow: UnitOfWork, row: Mapping[str, str]) -> bytes:
    """By what the row is known again: the ID it came with, else everything it says."""
    text = row["number"] or "\x1f".join(row.values())
    return uow.vault.lookup("communication-row", text)


async def _known(uow: UnitOfWork, row: Mapping[str, str], key: bytes) -> Communication | None:
    """What was made from this row; or our own record, come back in an export of ours."""
    made = await by_row_key(uow, key)
    if made is not None or not row["number"]:
        return made
    own = await uow.session.scalar(select(Communication).where(Communication.number == row["number"]))
    at = read_moment(row["happened_at"], uow.settings.timezone)
    same = own is not None and at is not None and own.happened_at.replace(microsecond=0) == at.astimezone(UTC)
    return own if same else None


async def _talk(uow: UnitOfWork, run: _Run, row: Mapping[str, str]) -> tuple[Talk, Staff, Ticket | None]:
    at = read_moment(row["happened_at"], uow.settings.timezone)
    if at is None:
        raise InvalidInput(f"{row['happened_at'][:32]!r} is no time", hint="write 2026-05-20 15:00:00")
    channel = _CHANNELS.get(row["channel"].lower())
    if channel is None:
        raise InvalidInput(f"{row['channel'][:32]!r} is no channel", hint="电话, 邮件, 在线聊天 or 短信")
    state = _STATES.get(row["state"].lower()) if row["state"] else None
    if row["state"] and state is None:
        raise InvalidInput(f"{row['state'][:32]!r} is no state", hint="开放 or 关闭")
    if state is None:
        state = CommunicationState.OPEN if row["next_action"] else CommunicationState.CLOSED
    number = row["handler"].split()[0] if row["handler"] else ""
    if number not in run.staff:
        run.staff[number] = await staff_by_number(uow, number)
    ticket = await ticket_by_number(uow, row["ticket"], hold=not run.dry_run) if row["ticket"] else None
    talk = Talk(
        channel=channel,
        happened_at=at,
        closed=state is CommunicationState.CLOSED,
        description=row["description"],
        summary=row["summary"],
        solution=row["solution"],
        next_action=row["next_action"],
        next_at=row["next_at"],
    )
    return talk, run.staff[number], ticket


async def _customer(
    uow: UnitOfWork, run: _Run, row: Mapping[str, str], ticket: Ticket | None
) -> Customer | None:
    """Whom the row means; None when a dry run would make a new customer."""
    text = row["customer"]
    if ticket is not None:
        return await uow.session.get_one(Customer, ticket.customer_id)
    if "*" in text:
        raise InvalidInput("a masked customer ID names nobody", hint="give the whole code, or the ticket")
    if "@" in text:
        contact = Contact(email=normal_email(text))
    elif text[:1].isalpha():
        contact = Contact(code=text.upper())
    else:
        contact = Contact(phone=normal_phone(text, region_of(uow.settings.timezone)))
    if run.dry_run and contact.code is None:
        return None
    return await find_or_make_customer(uow, contact)
