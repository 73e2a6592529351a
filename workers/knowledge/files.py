"""Entries as a table: out to CSV, and in from one, row by row (one row for each language of an entry)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from models.knowledge import KnowledgeEntry
from models.people import Staff
from models.vocabulary import Category, KnowledgeState
from workers.errors import CloseloopError, InvalidInput
from workers.knowledge.finding import Kind, matching
from workers.knowledge.words import PARTS, texts_of
from workers.knowledge.writing import About, add_entry, change, publish, retire
from workers.tables import read_table
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork, Workshop

COLUMNS = ("number", "state", "category", "product", "review_on", "locale", *PARTS)
PAGE = 200


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row: `added`, `changed`, `same` or `wrong` (with `words` that say why)."""

    line: int
    outcome: str
    number: str = ""
    words: str = ""


async def rows(workshop: Workshop, reader: Staff | None) -> AsyncIterator[list[list[str]]]:
    """All entries that `reader` may see, oldest first, some hundreds at a time."""
    last: UUID | None = None
    while True:
        async with workshop.read() as uow:
            query = matching(Kind(), reader).order_by(KnowledgeEntry.id).limit(PAGE)
            if last is not None:
                query = query.where(KnowledgeEntry.id > last)
            entries = list(await uow.session.scalars(query))
            texts = await texts_of(uow, entries)
        if entries:
            yield [
                _cells(entry, locale, words) for entry in entries for locale, words in texts[entry.id].items()
            ]
        if len(entries) < PAGE:
            return
        last = entries[-1].id


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV or XLSX file with our titles, each with its line. Raises InvalidInput, TooLarge."""
    table = read_table(path)
    _, titles = next(table, (0, []))
    names = [title.strip().lower() for title in titles]
    if not {"locale", "title"} <= set(names):
        raise InvalidInput("the table lacks its titles", hint=",".join(COLUMNS))
    for line, cells in table:
        yield line, {**dict.fromkeys(COLUMNS, ""), **dict(zip(names, cells, strict=False))}


async def import_rows(
    workshop: Workshop, given: Iterable[tuple[int, Mapping[str, str]]], by: Staff, *, dry_run: bool = False
) -> list[RowResult]:
    """Add and change entries, each row in a transaction of its own; what is there already changes nothing.

    A row with a number changes that entry, one without adds one, unless there is one with the same title in
    its language. The state `published` publishes, `retired` retires.
    """
    results = []
    for line, row in given:
        try:
            results.append(await _import(workshop, line, row, by, dry_run=dry_run))
        except CloseloopError as error:
            results.append(RowResult(line, "wrong", row.get("number", ""), str(error)))
    return results


async def _import(
    workshop: Workshop, line: int, row: Mapping[str, str], by: Staff, *, dry_run: bool
) -> RowResult:
    about = _about(row)
    state = KnowledgeState(row["state"]) if row.get("state") in list(KnowledgeState) else KnowledgeState.DRAFT
    words = {part: row.get(part, "") for part in PARTS}
    async with workshop.read() as uow:
        entry = await _entry(uow, row)
        if entry is not None:
            now = (await texts_of(uow, [entry]))[entry.id].get(row["locale"], {})
            same = entry.state is state and {part: now.get(part, "") for part in PARTS} == words
            if same and (about.category, about.product or "") == (entry.category, entry.product or ""):
                return RowResult(line, "same", entry.number)
    outcome = "added" if entry is None else "changed"
    if dry_run:
        return RowResult(line, outcome, entry.number if entry else "")
    async with workshop.begin() as uow:
        if entry is None:
            entry = await add_entry(uow, by, {row["locale"]: words}, about)
        else:
            entry = await uow.session.get_one(KnowledgeEntry, entry.id, with_for_update=True)
            await change(uow, entry, by, {row["locale"]: words}, about)
        if state is KnowledgeState.PUBLISHED:
            await publish(uow, entry, by)
        elif state is KnowledgeState.RETIRED:
            await retire(uow, entry, by)
    return RowResult(line, outcome, entry.number)


async def _entry(uow: UnitOfWork, row: Mapping[str, str]) -> KnowledgeEntry | None:
    if number := row.get("number", "").strip().upper():
        found = await uow.session.scalar(select(KnowledgeEntry).where(KnowledgeEntry.number == number))
        if found is None:
            raise InvalidInput(f"there is no entry {number[:24]}", hint="leave the number out to add one")
        return found
    entries = list(await uow.session.scalars(select(KnowledgeEntry).order_by(KnowledgeEntry.id)))
    texts = await texts_of(uow, entries)
    wanted = row.get("title", "").strip()
    return next(
        (each for each in entries if texts[each.id].get(row["locale"], {}).get("title") == wanted), None
    )


def _about(row: Mapping[str, str]) -> About:
    try:
        category = Category(row["category"]) if row.get("category") else None
        review_on = date.fromisoformat(row["review_on"]) if row.get("review_on") else None
    except ValueError as error:
        raise InvalidInput(str(error), hint="dates are written 2026-05-20") from error
    return About(category=category, product=row.get("product") or None, review_on=review_on)


def _cells(entry: KnowledgeEntry, locale: str, words: Mapping[str, str]) -> list[str]:
    return [
        entry.number,
        entry.state.value,
        entry.category.value if entry.category else "",
        entry.product or "",
        entry.review_on.isoformat() if entry.review_on else "",
        locale,
        *(mask_free_text(words[part]) for part in PARTS),
    ]
