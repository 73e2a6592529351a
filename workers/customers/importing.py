"""Take in customers from a table: every row is answered for, none twice, and a wrong one stops no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import DBAPIError

from models.people import Customer, Staff
from models.vocabulary import Medium
from workers.customers.changing import (
    JUDGED_BY,
    CustomerGiven,
    add_customer,
    change_customer,
    checked,
    customer_by_code,
    must_stand,
)
from workers.customers.story import orders_of
from workers.customers.table import CHANNEL_WORDS, LOCALE_WORDS, TITLES
from workers.errors import CloseloopError, Conflict, InvalidInput
from workers.importing import Columns, in_batches, told_of
from workers.unit_of_work import UnitOfWork, Workshop

COLUMNS = Columns(
    TITLES,
    one_of=(("code", "email", "phone"),),
    fits="closeloop customer export writes a table that fits",
)
_SEPARATED = re.compile(r"[;,；，、\s]+")
_CHANNELS = {
    word.lower(): medium for medium, words in CHANNEL_WORDS.items() for word in (*words, medium.value)
}
_CHANNELS |= {"mail": Medium.EMAIL, "邮箱": Medium.EMAIL, "call": Medium.PHONE, "在线": Medium.CHAT}
_LOCALES = {word.lower(): code for code, words in LOCALE_WORDS.items() for word in (*words, code)}


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row: `added`, `changed`, `known` (nothing new in it) or `wrong`; `words` say why."""

    line: int
    outcome: str
    code: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that makes sense: what it says, and whom it means (None: a new customer)."""

    line: int
    given: dict[str, Any]
    code: str | None
    fields: tuple[str, ...]


@dataclass(slots=True)
class _Run:
    """One import: who does it, and which contacts have been seen in which line."""

    by: Staff | None
    dry_run: bool
    seen: dict[str, int] = field(default_factory=dict)


async def import_rows(
    workshop: Workshop,
    table: Iterable[tuple[int, list[str]]],
    *,
    by: Staff | None,
    dry_run: bool,
    tick: Callable[[int], None],
) -> list[RowResult]:
    """Enter or change the customer of each row of `table` (line and cells; the first row has the titles).

    A row means whom its code names, else its mail address, else its number. Empty cells change nothing, and
    order numbers are added. The same file again changes nothing. `tick` hears how many rows are done.
    Raises InvalidInput when the titles do not fit.
    """
    rows = iter(table)
    places = COLUMNS.find(next(rows, (1, []))[1])
    run = _Run(by, dry_run)

    async def work(batch: list[tuple[int, list[str]]]) -> list[RowResult]:
        return await _batch(workshop, run, [(line, places.named(cells)) for line, cells in batch])

    return [each async for each in in_batches(rows, work, tick)]


async def _batch(workshop: Workshop, run: _Run, batch: list[tuple[int, dict[str, str]]]) -> list[RowResult]:
    """What each row means is found in one transaction; what changes is written row by row."""
    results: dict[int, RowResult] = {}
    good: list[_Row] = []
    async with workshop.read() as uow:
        for line, cells in batch:
            planned = await _planned(uow, run, line, cells)
            if isinstance(planned, RowResult):
                results[line] = planned
            else:
                good.append(planned)
    for row in good:
        results[row.line] = _would(row) if run.dry_run or not row.fields else await _alone(workshop, run, row)
    return [results[line] for line, _ in batch]


def _would(row: _Row) -> RowResult:
    outcome = "added" if row.code is None else "changed" if row.fields else "known"
    return RowResult(row.line, outcome, row.code or "", ", ".join(row.fields) if row.code else "")


async def _alone(workshop: Workshop, run: _Run, row: _Row) -> RowResult:
    """One row in a transaction of its own: what goes wrong there costs no other row."""
    for last in (False, True):
        try:
            async with workshop.begin() as uow:
                return await _write(uow, run, row)
        except CloseloopError as error:
            return RowResult(row.line, "wrong", row.code or "", told_of(error))
        except DBAPIError:
            if last:
                raise
    raise AssertionError("the last try gives or raises")


async def _write(uow: UnitOfWork, run: _Run, row: _Row) -> RowResult:
    if row.code is None:
        made = await add_customer(uow, CustomerGiven(**row.given), run.by)
        return RowResult(row.line, "added", made.code)
    customer = await customer_by_code(uow, row.code, hold=bool(JUDGED_BY & row.given.keys()))
    if not JUDGED_BY & row.given.keys():
        await uow.session.refresh(customer, with_for_update=True)
    changed = await change_customer(uow, customer, row.given, run.by, only_add=True)
    return RowResult(row.line, "changed" if changed else "known", customer.code, ", ".join(changed))


async def _planned(uow: UnitOfWork, run: _Run, line: int, cells: dict[str, str]) -> _Row | RowResult:
    try:
        given = _given(cells)
        kept = checked(uow, given)
        customer = await _meant(uow, cells.get("code", ""), kept)
        for mark in _marks(customer, kept):
            before = run.seen.setdefault(mark, line)
            if before != line:
                raise Conflict(f"line {before} is about the same customer", hint="leave one of them")
        if customer is None:
            if not kept.get("email") and not kept.get("phone"):
                raise InvalidInput("a new customer needs a mail address or a phone number")
            return _Row(line, given, None, tuple(sorted(given)))
        must_stand(customer)
        return _Row(line, given, customer.code, await _other(uow, customer, kept))
    except CloseloopError as error:
        return RowResult(line, "wrong", words=told_of(error))


def _given(cells: Mapping[str, str]) -> dict[str, Any]:
    """What the cells say; empty ones nothing. Raises InvalidInput for words that mean nothing."""
    given: dict[str, Any] = {}
    for name, text in cells.items():
        if not text or name in ("code", "created_at"):
            continue
        if name in ("name", "email", "phone") and "*" in text:
            if not cells.get("code"):
                raise InvalidInput(f"a masked {name} names nobody", hint="give the customer ID beside it")
        elif name == "orders":
            given[name] = tuple(each for each in _SEPARATED.split(text) if each)
        elif name == "preferred_channel":
            given[name] = _one_of(_CHANNELS, text, "channel", "电话, 邮件, 短信 or 在线聊天")
        elif name == "locale":
            given[name] = _one_of(_LOCALES, text, "language", "中文 or 英文")
        else:
            given[name] = text
    return given


def _one_of(words: Mapping[str, Any], text: str, what: str, hint: str) -> Any:
    found = words.get(text.lower())
    if found is None:
        raise InvalidInput(f"{text[:32]!r} is no {what}", hint=hint)
    return found


async def _meant(uow: UnitOfWork, code: str, kept: Mapping[str, Any]) -> Customer | None:
    if code:
        return await customer_by_code(uow, code)
    for kind, column in (("email", Customer.email_hash), ("phone", Customer.phone_hash)):
        if kept.get(kind):
            condition: ColumnElement[bool] = column == uow.vault.lookup(kind, kept[kind])
            known = await uow.session.scalar(select(Customer).where(condition))
            if known is not None:
                return known
    return None


def _marks(customer: Customer | None, kept: Mapping[str, Any]) -> Iterator[str]:
    if customer is not None:
        yield customer.code
    else:
        yield from (f"{kind}:{kept[kind]}" for kind in ("email", "phone") if kept.get(kind))


async def _other(uow: UnitOfWork, row: Customer, kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Which fields of the row are other than what is known. Raises Conflict for another's contact."""
    fields = []
    for name, value in kept.items():
        if name in ("email", "phone"):
            hashed = uow.vault.lookup(name, value)
            column = Customer.email_hash if name == "email" else Customer.phone_hash
            holder = await uow.session.scalar(select(Customer.code).where(column == hashed))
            if holder not in (None, row.code):
                raise Conflict(f"customer {holder} has this {name}", hint="change or merge that one")
            same = holder == row.code
        elif name == "name":
            sealer = await uow.vault.sealer(uow.session, row.data_key_id)
            same = sealer.text(row.name_sealed, "customers.name") == value
        elif name == "orders":
            same = value <= set(await orders_of(uow, row))
        else:
            same = getattr(row, "customer_group" if name == "group" else name) == value
        if not same:
            fields.append(name)
    return tuple(sorted(fields))
