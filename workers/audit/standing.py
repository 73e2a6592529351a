"""How the audit log stands: its newest seal, what none covers yet, and what its last check came to.

What a check came to is an entry of the log itself, so that nobody needs another place to keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from models.privacy import AuditEntry, AuditSeal
from workers.audit.reading import Shown, Wanted, entries_of
from workers.audit.sealing import EVERY
from workers.audit.verifying import Verified
from workers.unit_of_work import UnitOfWork

SOUND, FAULTY = "verified-sound", "verified-faulty"
"""Subjects of entries that say what a check came to."""
CHECKS = ("POST /console/audit/verify", "GET /api/v1/audit/verify", "closeloop audit verify")
"""Actions that check; any other entry of that subject came from an address that somebody made up."""
PATIENCE = 3 * EVERY


@dataclass(frozen=True, slots=True)
class Standing:
    """`number` and `at` are of the newest seal (None: there is none), `rows` how many it covers.

    `unsealed` entries wait for a seal, for too long when `stuck`; `checked` is the entry of the last check.
    """

    number: int | None
    at: datetime | None
    rows: int
    unsealed: int
    stuck: bool
    checked: Shown | None


def outcome_of(found: Verified) -> str:
    """What the entry of a check says of its outcome."""
    return FAULTY if found.findings else SOUND


async def standing(uow: UnitOfWork) -> Standing:
    """How the log stands now; each question has its index."""
    head = await uow.session.scalar(select(AuditSeal).order_by(AuditSeal.number.desc()).limit(1))
    asked = select(func.count(), func.min(AuditEntry.at)).where(AuditEntry.seal.is_(None))
    unsealed, oldest = (await uow.session.execute(asked)).one()
    checks = await entries_of(uow, Wanted(subjects=(SOUND, FAULTY), actions=CHECKS, limit=1))
    return Standing(
        number=head.number if head else None,
        at=head.at if head else None,
        rows=head.rows if head else 0,
        unsealed=unsealed,
        stuck=unsealed > 0 and oldest < uow.clock.now() - PATIENCE,
        checked=checks[0] if checks else None,
    )
