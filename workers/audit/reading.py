"""Entries of the audit log for whoever may read them: by person, kind, subject and time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, or_, select

from models.access import ApiKey
from models.crypto import Tampered
from models.people import Staff
from models.privacy import AuditEntry
from workers.audit.entries import DETAILS
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries; None: all. Times in UTC, `until` exclusive; `before` is the last id of a page.

    `who` is the number of a member of staff or the name of an API key; `subjects` and `actions`: any of them.
    """

    kind: str | None = None
    staff: str | None = None
    who: str | None = None
    subject: str | None = None
    subjects: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None
    limit: int = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as people read it: numbers and names instead of ids, details while they are there."""

    id: UUID
    at: datetime
    kind: str
    action: str
    subject: str | None
    staff: str | None
    key: str | None
    status: int | None
    details: dict[str, str]
    seal: int | None


async def entries_of(uow: UnitOfWork, wanted: Wanted) -> list[Shown]:
    """The newest that are wanted, newest first."""
    query = _matching(wanted).order_by(AuditEntry.id.desc()).limit(wanted.limit)
    rows = await uow.session.execute(query)
    return [_shown(uow, entry, number, name) for entry, number, name in rows]


def _matching(wanted: Wanted) -> Select[AuditEntry, str, str]:
    query = (
        select(AuditEntry, Staff.number, ApiKey.name)
        .outerjoin(Staff, Staff.id == AuditEntry.staff_id)
        .outerjoin(ApiKey, ApiKey.id == AuditEntry.key_id)
    )
    if wanted.kind:
        query = query.where(AuditEntry.kind == wanted.kind)
    if wanted.staff:
        query = query.where(Staff.number == wanted.staff.strip().upper())
    if wanted.who:
        # By ids, which have an index, not by the joined tables' names.
        people = select(Staff.id).where(Staff.number == wanted.who.strip().upper())
        keys = select(ApiKey.id).where(ApiKey.name == wanted.who.strip())
        query = query.where(or_(AuditEntry.staff_id.in_(people), AuditEntry.key_id.in_(keys)))
    if wanted.subjects:
        query = query.where(AuditEntry.subject.in_(wanted.subjects))
    if wanted.actions:
        query = query.where(AuditEntry.action.in_(wanted.actions))
    if wanted.subject:
        query = query.where(AuditEntry.subject == wanted.subject.strip())
    if wanted.since is not None:
        query = query.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditEntry.at < wanted.until)
    if wanted.before is not None:
        query = query.where(AuditEntry.id < wanted.before)
    return query


def _shown(uow: UnitOfWork, row: AuditEntry, number: str | None, key: str | None) -> Shown:
    return Shown(
        id=row.id,
        at=row.at,
        kind=row.kind,
        action=row.action,
        subject=row.subject,
        staff=number,
        key=key,
        status=row.status,
        details=_details(uow, row),
        seal=row.seal,
    )


def _details(uow: UnitOfWork, row: AuditEntry) -> dict[str, str]:
    if row.details_sealed is None:
        return {}
    try:
        text = uow.vault.system_sealer().open(row.details_sealed, DETAILS)
    except Tampered:
        return {"broken": "true"}
    return {name: value for name, value in json.loads(text).items() if name != "salt"}
