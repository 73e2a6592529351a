"""The log of a target or an improvement: what was set, said and decided. Lines are only added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from models.base import new_id
from models.crypto import Erased, UnknownKey
from models.improving import Improvement, LoopEntry, Target
from models.people import Staff
from workers.unit_of_work import UnitOfWork

PLACE = "loop_entries.words"


@dataclass(frozen=True, slots=True)
class Written:
    """One line: when (UTC), its kind, the number of who wrote it ("" for the system), facts and words."""

    at: datetime
    kind: str
    by: str
    facts: Mapping[str, Any]
    words: Mapping[str, str]


async def note(
    uow: UnitOfWork,
    row: Target | Improvement,
    kind: str,
    *,
    by: Staff | None = None,
    facts: Mapping[str, Any] | None = None,
    words: Mapping[str, str] | None = None,
) -> None:
    """Add a line. `facts` hold codes, numbers and times; `words` are sealed under the key of `row`."""
    kept = {name: text.strip() for name, text in (words or {}).items() if text.strip()}
    sealed = None
    if kept:
        sealed = (await uow.vault.sealer(uow.session, row.data_key_id)).seal_json(kept, PLACE)
    await uow.add(
        LoopEntry(
            id=new_id(),
            target_id=row.id if isinstance(row, Target) else None,
            improvement_id=row.id if isinstance(row, Improvement) else None,
            at=uow.clock.now(),
            kind=kind,
            staff_id=by.id if by else None,
            facts=dict(facts or {}),
            words_sealed=sealed,
        )
    )


async def history_of(uow: UnitOfWork, row: Target | Improvement) -> Sequence[Written]:
    """All lines, oldest first."""
    mine = LoopEntry.target_id if isinstance(row, Target) else LoopEntry.improvement_id
    found = await uow.session.execute(
        select(LoopEntry, Staff.number)
        .outerjoin(Staff, Staff.id == LoopEntry.staff_id)
        .where(mine == row.id)
        .order_by(LoopEntry.id)
    )
    return [
        Written(
            entry.at, entry.kind, number or "", entry.facts, await opened(uow, row, entry.words_sealed, PLACE)
        )
        for entry, number in found.all()
    ]


async def opened(
    uow: UnitOfWork, row: Target | Improvement, sealed: bytes | None, place: str
) -> dict[str, str]:
    """The sealed words of a target or an improvement; none when there are none, or their key is gone."""
    if sealed is None:
        return {}
    try:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    except (Erased, UnknownKey):
        return {}
    return {name: str(text) for name, text in (sealer.json(sealed, place) or {}).items()}
