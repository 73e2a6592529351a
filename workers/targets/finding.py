"""Which targets somebody sees: an agent those they own, everybody else all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select

from models.improving import Target
from models.people import Staff
from models.vocabulary import Role, TargetState
from workers.aims.log import opened
from workers.errors import NotFound
from workers.locks import held
from workers.unit_of_work import UnitOfWork

TITLE = "targets.words"


@dataclass(frozen=True, slots=True)
class Kind:
    """Which targets a list is to have; None: whichever."""

    state: TargetState | None = None
    owner_id: UUID | None = None
    measure: str | None = None
    agreements: bool | None = None


def matching(kind: Kind, reader: Staff | None) -> Select[Target]:
    """The targets of a kind that `reader` may see (None: a system, all)."""
    query = select(Target)
    if reader is not None and reader.role is Role.AGENT:
        query = query.where(Target.owner_id == reader.id)
    if kind.state is not None:
        query = query.where(Target.state == kind.state)
    if kind.owner_id is not None:
        query = query.where(Target.owner_id == kind.owner_id)
    if kind.measure is not None:
        query = query.where(Target.measure == kind.measure)
    if kind.agreements is not None:
        promised = Target.promised_to.is_not(None)
        query = query.where(promised if kind.agreements else Target.promised_to.is_(None))
    return query


async def target_by_number(
    uow: UnitOfWork, number: str, reader: Staff | None, *, hold: bool = False
) -> Target:
    """The target, with `hold` held until the transaction ends. Raises NotFound, also for others' ones."""
    query = matching(Kind(), reader).where(Target.number == number.strip().upper())
    row = await uow.session.scalar(held(query) if hold else query)
    if row is None:
        raise NotFound("there is no such target")
    return row


async def title_of(uow: UnitOfWork, row: Target) -> str:
    """What it is called."""
    return (await opened(uow, row, row.words_sealed, TITLE)).get("title", "")


async def titles_of(uow: UnitOfWork, rows: Sequence[Target]) -> Mapping[UUID, str]:
    """The titles of many, by id."""
    await uow.vault.warm(uow.session, [row.data_key_id for row in rows])
    return {row.id: await title_of(uow, row) for row in rows}
