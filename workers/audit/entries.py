"""One entry of the audit log: what it says, how it is kept, and the keyed hash that a seal covers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from models.base import Base, new_id
from models.bulk import insert_many
from models.privacy import AuditEntry
from workers.text import mask_free_text, one_line
from workers.unit_of_work import UnitOfWork

KINDS = ("view", "change", "export", "sign_in", "denied", "command")
DETAILS = "audit_entries.details"
_SUBJECT_CHARS = 64
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|[0-9a-fA-F-]{32,36}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Who did what at `at` (promise time, UTC). `details` is what is personal of them: address, browser."""

    at: datetime
    kind: str
    action: str
    subject: str | None = None
    staff_id: UUID | None = None
    key_id: UUID | None = None
    status: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    ident: UUID = field(default_factory=new_id)


def subject_of(named: str) -> str:
    """What an address named, fit to be kept: a code or id as it is, anything else masked."""
    text = one_line(named).strip()[:_SUBJECT_CHARS]
    return text if _CODE.fullmatch(text) else mask_free_text(text)[:_SUBJECT_CHARS]


async def write(uow: UnitOfWork, entries: Sequence[Noted]) -> None:
    """Insert the entries by one statement."""
    table = Base.metadata.tables["audit_entries"]
    await insert_many(await uow.session.connection(), table, [_values(uow, each) for each in entries])


def _values(uow: UnitOfWork, each: Noted) -> dict[str, Any]:
    sealed = hashed = None
    if each.details:
        # The random part keeps whoever has the database and guesses addresses from finding them by the hash.
        text = json.dumps({**each.details, "salt": uow.vault.new_token()}, ensure_ascii=False, sort_keys=True)
        sealed = uow.vault.system_sealer().seal(text, DETAILS)
        hashed = uow.vault.audit_hash("details", text)
    return {
        "id": each.ident,
        "at": each.at,
        "kind": each.kind,
        "action": each.action[:120],
        "subject": each.subject,
        "staff_id": each.staff_id,
        "key_id": each.key_id,
        "status": each.status,
        "details_sealed": sealed,
        "details_hash": hashed,
        "seal": None,
    }


def row_hash(uow: UnitOfWork, row: AuditEntry) -> bytes:
    """The keyed hash of all that must not change; of the details only their own hash."""
    said = [
        row.id.hex,
        row.at.isoformat(),
        row.kind,
        row.action,
        row.subject,
        row.staff_id.hex if row.staff_id else None,
        row.key_id.hex if row.key_id else None,
        row.status,
        row.details_hash.hex() if row.details_hash else None,
    ]
    return uow.vault.audit_hash("row", json.dumps(said, ensure_ascii=False))


def details_fit(uow: UnitOfWork, row: AuditEntry) -> bool:
    """Whether the details are those that were noted, as far as they are still there."""
    if row.details_sealed is None:
        return True
    text = uow.vault.system_sealer().open(row.details_sealed, DETAILS).decode()
    return uow.vault.audit_hash("details", text) == row.details_hash
