"""The audit log, for administrators and those who check quality."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request
from pydantic import BaseModel, Field

from workers import audit
from workers.web.api.common import Page, Paged
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.auditing import about
from workers.web.parts import Parts

router = Resource("/audit", "privacy")

Kind = Literal["view", "change", "export", "sign_in", "denied", "command"]


class EntrySeen(BaseModel):
    """Who saw or changed what, or was refused."""

    id: UUID
    at: datetime
    kind: Kind
    action: str = Field(description="The route, or the command", examples=["GET /api/v1/tickets/{number}"])
    subject: str | None = Field(description="What it named", examples=["CS202405200001"])
    staff: str | None = Field(description="Staff number")
    key: str | None = Field(description="Name of the API key")
    status: int | None = Field(description="HTTP status")
    details: dict[str, str] = Field(description="Address and browser, while they are kept")
    seal: int | None = Field(description="The seal that covers it; null: not sealed yet")


class EntryList(Page):
    """A page of entries."""

    items: list[EntrySeen]


class Fault(BaseModel):
    """Something that is not as it was sealed."""

    what: str = Field(examples=["changed", "removed", "inserted", "seal_changed", "seal_missing"])
    seal: int | None
    entry: str | None


class Checked(BaseModel):
    """What a look through the whole log found."""

    ok: bool
    seals: int
    rows: int
    unsealed: int
    head: str | None = Field(description="The newest seal: keep it elsewhere")
    findings: list[Fault]


@router.get("", summary="Read the audit log")
async def list_entries(
    parts: Parts,
    paging: Paged,
    kind: Kind | None = None,
    staff: Annotated[str | None, Query(max_length=24)] = None,
    subject: Annotated[str | None, Query(max_length=64)] = None,
    since: Moment | None = None,
    until: Moment | None = None,
) -> EntryList:
    """Newest first. What was looked at is written down within a second."""
    await parts.trail.flush()
    wanted = audit.Wanted(
        kind=kind,
        staff=staff,
        subject=subject,
        since=since,
        until=until,
        before=paging.cursor,
        limit=paging.limit + 1,
    )
    async with parts.workshop.read() as uow:
        found = await audit.entries_of(uow, wanted)
    shown: list[Any] = found[: paging.limit]
    cursor = shown[-1].id.hex if len(found) > paging.limit else None
    return EntryList(items=[EntrySeen(**_values(each)) for each in shown], next_cursor=cursor)


@router.get("/verify", summary="Verify the seals of the audit log")
async def verify_log(request: Request, parts: Parts) -> Checked:
    """Goes through all of it: changed, removed and inserted rows are named."""
    async with parts.workshop.read() as uow:
        found = await audit.verify(uow)
    about(request, audit.outcome_of(found))
    faults = [Fault(what=each.what, seal=each.seal, entry=each.entry) for each in found.findings]
    return Checked(
        ok=not faults,
        seals=found.seals,
        rows=found.rows,
        unsealed=found.unsealed,
        head=found.head,
        findings=faults,
    )


def _values(each: audit.Shown) -> dict[str, Any]:
    return {name: getattr(each, name) for name in EntrySeen.model_fields}
