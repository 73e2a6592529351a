"""Goes through the whole audit log and its seals, and says of each row that is not as it was sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from models.crypto import Tampered
from models.privacy import AuditEntry, AuditSeal
from workers.audit.entries import details_fit, row_hash
from workers.audit.sealing import FIRST, leaves_of, seal_digest
from workers.unit_of_work import UnitOfWork

LATE = timedelta(minutes=30)
"""An entry that is sealed so long after another seal had been set was not written when it says it was."""
AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong: `what` is changed, removed, inserted, late, details, seal_changed, seal_missing,
    seal_emptied or head. `seal` is the number of the seal, `entry` the id of the row, as far as there is one.
    """

    what: str
    seal: int | None
    entry: str | None = None


@dataclass(slots=True)
class Verified:
    """How much was looked at, what is wrong, and the newest seal (to be kept elsewhere)."""

    seals: int = 0
    rows: int = 0
    unsealed: int = 0
    head: str | None = None
    findings: list[Finding] = field(default_factory=list)


async def verify(uow: UnitOfWork, heads: Mapping[int, str] | None = None) -> Verified:
    """Check everything. `heads` are digests of seals by number, as they were kept elsewhere."""
    found = Verified()
    previous, expected, before = FIRST, 1, None
    after = 0
    while True:
        query = select(AuditSeal).where(AuditSeal.number > after).order_by(AuditSeal.number).limit(AT_ONCE)
        seals = list(await uow.session.scalars(query))
        rows = await _rows_under(uow, [one.number for one in seals])
        for one in seals:
            found.findings += _chain(uow, one, expected, previous, heads or {})
            found.findings += _under(uow, one, rows.get(one.number, []), before)
            found.seals, found.rows = found.seals + 1, found.rows + len(rows.get(one.number, []))
            previous, expected, before = one.digest, one.number + 1, one.at
        uow.session.expunge_all()
        if len(seals) < AT_ONCE:
            break
        after = seals[-1].number
    if found.seals:
        found.head = previous.hex()
    found.findings += [
        Finding("seal_missing", number) for number in sorted(heads or {}) if number >= expected
    ]
    await _beyond(uow, found, expected - 1, before)
    return found


async def _rows_under(uow: UnitOfWork, numbers: Sequence[int]) -> dict[int, list[AuditEntry]]:
    found: dict[int, list[AuditEntry]] = {}
    if numbers:
        for row in await uow.session.scalars(select(AuditEntry).where(AuditEntry.seal.in_(numbers))):
            found.setdefault(row.seal or 0, []).append(row)
    return found


def _chain(
    uow: UnitOfWork, one: AuditSeal, expected: int, previous: bytes, heads: Mapping[int, str]
) -> list[Finding]:
    findings = [Finding("seal_missing", number) for number in range(expected, one.number)]
    whole = one.leaves is None or hashlib.sha256(one.leaves).digest() == one.leaves_digest
    if not whole or one.previous != previous or seal_digest(uow, one) != one.digest:
        findings.append(Finding("seal_changed", one.number))
    if one.number in heads and heads[one.number] != one.digest.hex():
        findings.append(Finding("head", one.number))
    kept_since = uow.clock.now() - timedelta(days=uow.settings.keep_audit_days)
    if one.leaves is None and one.at >= kept_since:
        findings.append(Finding("seal_emptied", one.number))
    return findings


def _under(
    uow: UnitOfWork, one: AuditSeal, rows: Sequence[AuditEntry], before: datetime | None
) -> list[Finding]:
    if one.leaves is None:
        return [Finding("inserted", one.number, str(row.id)) for row in rows]
    leaves, findings = leaves_of(one), []
    for row in rows:
        if row.id not in leaves:
            findings.append(Finding("inserted", one.number, str(row.id)))
        elif leaves[row.id] != row_hash(uow, row):
            findings.append(Finding("changed", one.number, str(row.id)))
        elif not _fit(uow, row):
            findings.append(Finding("details", one.number, str(row.id)))
        elif before is not None and row.at < before - LATE:
            findings.append(Finding("late", one.number, str(row.id)))
    gone = sorted(leaves.keys() - {row.id for row in rows})
    return [*findings, *(Finding("removed", one.number, str(ident)) for ident in gone)]


def _fit(uow: UnitOfWork, row: AuditEntry) -> bool:
    try:
        return details_fit(uow, row)
    except Tampered:
        return False


async def _beyond(uow: UnitOfWork, found: Verified, last: int, before: datetime | None) -> None:
    """What no seal covers: rows that are to be sealed yet, and those that name a seal there is not."""
    stray = await uow.session.scalars(select(AuditEntry).where(AuditEntry.seal > last))
    found.findings += [Finding("inserted", row.seal, str(row.id)) for row in stray]
    for row in await uow.session.scalars(select(AuditEntry).where(AuditEntry.seal.is_(None))):
        found.unsealed += 1
        if before is not None and row.at < before - LATE:
            found.findings.append(Finding("late", None, str(row.id)))
