"""Knowledge entries: list, look, write, publish, retire, export (row E8)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.responses import StreamingResponse

from models.bulk import among
from models.knowledge import KnowledgeEntry
from models.people import Staff
from models.vocabulary import Category, KnowledgeState
from workers import knowledge
from workers.errors import InvalidInput
from workers.knowledge import About, Kind
from workers.knowledge.words import LONGEST, LONGEST_TITLE
from workers.tables import csv_chunks
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import (
    Caller,
    Calling,
    Given,
    Page,
    Paged,
    acting,
    check_version,
    etag,
    page_of,
    picked,
)
from workers.web.api.resource import Resource
from workers.web.parts import Parts

router = Resource("/knowledge", "knowledge")

COPIED = (
    "number version state category product sources made_at changed_at published_at retired_at "
    "write_up_by review_on"
)
_Text = Annotated[str, Field(max_length=LONGEST)]


class TextGiven(Given):
    """An entry's words in one language."""

    title: str = Field(max_length=LONGEST_TITLE, examples=["打印机显示脱机"])
    problem: _Text = ""
    cause: _Text = ""
    solution: _Text = Field(default="", examples=["重启打印服务"])
    precautions: _Text = ""


class EntryGiven(Given):
    """A new entry, or what is put right; what is left out stays."""

    texts: dict[Literal["en", "zh_CN"], TextGiven] = Field(default={}, description="By language")
    category: Category | None = None
    product: str | None = Field(default=None, max_length=64)
    review_on: date | None = Field(default=None, description="When it is looked at again")

    def words(self) -> dict[str, dict[str, str]]:
        """The words by language."""
        return {locale: given.model_dump(exclude_unset=True) for locale, given in self.texts.items()}

    def about(self) -> About:
        """What it is about."""
        return About(category=self.category, product=self.product, review_on=self.review_on)


class TextShown(BaseModel):
    """An entry's words in one language; personal data masked."""

    title: str
    problem: str
    cause: str
    solution: str
    precautions: str


class UsesShown(BaseModel):
    """How an entry has helped."""

    tickets: int = Field(description="On how many tickets it was passed on")
    rated: int = Field(description="How many of those were rated; 0 for agents")
    average: float | None = Field(description="Their overall score, from five ratings on; not for agents")


class EntryShown(BaseModel):
    """A knowledge entry."""

    number: str = Field(examples=["KB0001"])
    version: int
    state: KnowledgeState
    category: Category | None
    product: str | None
    sources: list[str] = Field(description="Numbers of the tickets it comes from")
    author: str = Field(examples=["CS001"])
    made_at: datetime
    changed_at: datetime
    published_at: datetime | None
    retired_at: datetime | None
    write_up_by: datetime | None = Field(description="A draft of a new solution: to be published by then")
    review_on: date | None
    texts: dict[str, TextShown] = Field(description="By language: `en`, `zh_CN`")
    uses: UsesShown


class VersionShown(TextShown):
    """The words as they were from a version on."""

    locale: str
    version: int
    at: datetime
    by: str


class EntryDetail(EntryShown):
    """An entry with all that it has ever said, the latest first."""

    versions: list[VersionShown]


class EntryList(Page):
    """Entries, the latest first."""

    items: list[EntryShown]


@router.get("", summary="List knowledge entries")
async def entries(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    state: KnowledgeState | None = None,
    category: Category | None = None,
    product: Annotated[str | None, Query(max_length=64)] = None,
) -> EntryList:
    """Agents see what is published, and their own drafts."""
    async with parts.workshop.read() as uow:
        reader = await _reader(uow, calling)
        query = knowledge.matching(Kind(state=state, category=category, product=product), reader)
        rows, cursor = await page_of(uow, query, KnowledgeEntry.id, paging)
        return EntryList(items=await entry_views(uow, rows, reader), next_cursor=cursor)


@router.post("", status_code=201, summary="Write an entry")
async def add(given: EntryGiven, parts: Parts, calling: Calling, response: Response) -> EntryShown:
    """A draft."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        entry = await knowledge.add_entry(uow, by, given.words(), given.about())
        response.headers["Location"] = f"/api/v1/knowledge/{entry.number}"
        return await entry_view(uow, entry, by)


@router.get("/export", summary="Export as CSV", response_class=StreamingResponse)
async def export(parts: Parts, calling: Calling) -> StreamingResponse:
    """One row for each language of each entry that you may see."""
    async with parts.workshop.read() as uow:
        reader = await _reader(uow, calling)
    return StreamingResponse(
        csv_chunks(knowledge.COLUMNS, knowledge.rows(parts.workshop, reader)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="knowledge.csv"'},
    )


@router.get("/{number}", summary="Look at an entry")
async def look(number: str, parts: Parts, calling: Calling, response: Response) -> EntryDetail:
    """With all its versions; its version is the ETag."""
    async with parts.workshop.read() as uow:
        reader = await _reader(uow, calling)
        entry = await knowledge.entry_by_number(uow, number, reader)
        response.headers["ETag"] = etag(entry.version)
        versions = await knowledge.versions_of(uow, entry)
        staff = await _numbers(uow, [row.by_id for row, _ in versions])
        shown = await entry_view(uow, entry, reader)
        told = [
            VersionShown(
                **_masked(words), locale=row.locale, version=row.version, at=row.at, by=staff[row.by_id]
            )
            for row, words in versions
        ]
    return EntryDetail(**shown.model_dump(), versions=told)


@router.patch("/{number}", summary="Put an entry right")
async def change(
    number: str, given: EntryGiven, parts: Parts, calling: Calling, response: Response
) -> EntryShown:
    """Its author while it is a draft, else those who lead; what it said before is kept."""
    if not given.model_fields_set:
        raise InvalidInput("there is nothing to change")
    async with parts.workshop.begin() as uow:
        entry, by = await _held(uow, number, calling)
        await knowledge.change(uow, entry, by, given.words(), given.about())
        response.headers["ETag"] = etag(entry.version)
        return await entry_view(uow, entry, by)


@router.post("/{number}/publish", summary="Publish")
async def publish(number: str, parts: Parts, calling: Calling) -> EntryShown:
    """From now on it is offered on tickets."""
    async with parts.workshop.begin() as uow:
        entry, by = await _held(uow, number, calling)
        await knowledge.publish(uow, entry, by)
        return await entry_view(uow, entry, by)


@router.post("/{number}/retire", summary="Retire")
async def retire(number: str, parts: Parts, calling: Calling) -> EntryShown:
    """It is offered no more."""
    async with parts.workshop.begin() as uow:
        entry, by = await _held(uow, number, calling)
        await knowledge.retire(uow, entry, by)
        return await entry_view(uow, entry, by)


async def entry_view(uow: UnitOfWork, entry: KnowledgeEntry, reader: Staff | None) -> EntryShown:
    """An entry as pages and API show it."""
    return (await entry_views(uow, [entry], reader))[0]


async def entry_views(uow: UnitOfWork, rows: list[KnowledgeEntry], reader: Staff | None) -> list[EntryShown]:
    """A handful of queries for a whole page."""
    texts = await knowledge.texts_of(uow, rows)
    uses = await knowledge.uses_of(uow, [row.id for row in rows], reader)
    staff = await _numbers(uow, [row.author_id for row in rows])
    found = []
    for row in rows:
        used = uses.get(row.id)
        found.append(
            EntryShown(
                **picked(row, COPIED),
                author=staff[row.author_id],
                texts={locale: TextShown(**_masked(words)) for locale, words in texts[row.id].items()},
                uses=UsesShown(
                    tickets=used.tickets if used else 0,
                    rated=used.rated if used else 0,
                    average=used.average if used else None,
                ),
            )
        )
    return found


def _masked(words: knowledge.Words) -> dict[str, str]:
    return {part: mask_free_text(text) for part, text in words.items()}


async def _held(uow: UnitOfWork, number: str, calling: Caller) -> tuple[KnowledgeEntry, Staff]:
    by = await acting(uow, calling.staff)
    entry = await knowledge.entry_by_number(uow, number, by, hold=True)
    check_version(entry.version, calling.if_match)
    return entry, by


async def _reader(uow: UnitOfWork, calling: Caller) -> Staff | None:
    return await acting(uow, calling.staff) if calling.staff else None


async def _numbers(uow: UnitOfWork, ids: list[UUID]) -> dict[UUID, str]:
    rows = await uow.session.scalars(select(Staff).where(among(uow.session, Staff.id, list(set(ids)))))
    return {row.id: row.number for row in rows}
