"""The append-only history of a record: codes and times in the open, words sealed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from models.base import new_id
from models.communications import Communication, CommunicationEntry
from models.people import Staff
from workers.communications.words import ENTRY_PLACE
from workers.unit_of_work import UnitOfWork


def facts_of(row: Communication) -> dict[str, Any]:
    """What a line of the history keeps of a record besides its words."""
    return {
        "state": row.state.value,
        "channel": row.channel.value,
        "happened_at": row.happened_at.isoformat(),
        "late_entry": row.late_entry,
        "handler": str(row.handler_id),
        "next_at": row.next_at.isoformat() if row.next_at else None,
    }


async def note(
    uow: UnitOfWork,
    row: Communication,
    kind: str,
    by: Staff | None,
    *,
    facts: Mapping[str, Any] | None = None,
    words: Mapping[str, str] | None = None,
    shared_staff_id: UUID | None = None,
    shared_team_id: UUID | None = None,
) -> None:
    """Append one line to a record's history."""
    sealed = None
    if words:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
        sealed = sealer.seal_json(dict(words), ENTRY_PLACE)
    await uow.add(
        CommunicationEntry(
            id=new_id(),
            communication_id=row.id,
            at=uow.clock.now(),
            kind=kind,
            staff_id=by.id if by else None,
            facts=dict(facts or {}),
            words_sealed=sealed,
            shared_staff_id=shared_staff_id,
            shared_team_id=shared_team_id,
        )
    )
