"""Which improvements somebody sees: an agent those they own, everybody else all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select

from models.improving import Improvement
from models.people import Staff
from models.vocabulary import Category, ImprovementState, Role
from workers.aims.log import opened
from workers.errors import NotFound
from workers.locks import held
from workers.unit_of_work import UnitOfWork

PLACE = "improvements.words"


@dataclass(frozen=True, slots=True)
class Kind:
    """Which improvements a list is to have; None: whichever."""

    state: ImprovementState | None = None
    owner_id: UUID | None = None
    category: Category | None = None
    cause: str | None = None
    ticket_id: UUID | None = None
    followup_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What an improvement is about (`theme`), and the measure of its latest round."""

    theme: str
    measure: str


def matching(kind: Kind, reader: Staff | None) -> Select[Improvement]:
    """The improvements of a kind that `reader` may see (None: a system, all)."""
    query = select(Improvement)
    if reader is not None and reader.role is Role.AGENT:
        query = query.where(Improvement.owner_id == reader.id)
    for column, value in (
        (Improvement.state, kind.state),
        (Improvement.owner_id, kind.owner_id),
        (Improvement.category, kind.category),
        (Improvement.cause, kind.cause),
        (Improvement.ticket_id, kind.ticket_id),
        (Improvement.followup_id, kind.followup_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return query


async def improvement_by_number(
    uow: UnitOfWork, number: str, reader: Staff | None, *, hold: bool = False
) -> Improvement:
    """The improvement, with `hold` held until the transaction ends. Raises NotFound, as for others' ones."""
    query = matching(Kind(), reader).where(Improvement.number == number.strip().upper())
    row = await uow.session.scalar(held(query) if hold else query)
    if row is None:
        raise NotFound("there is no such improvement")
    return row


async def improvements_of(
    uow: UnitOfWork, reader: Staff | None, *, ticket_id: UUID | None = None, followup_id: UUID | None = None
) -> list[Improvement]:
    """Those of a ticket, or of a follow-up's case, oldest first, that `reader` may see."""
    query = matching(Kind(ticket_id=ticket_id, followup_id=followup_id), reader)
    return list(await uow.session.scalars(query.order_by(Improvement.id)))


async def words_of(uow: UnitOfWork, rows: Sequence[Improvement]) -> Mapping[UUID, Words]:
    """The words of many, by id."""
    await uow.vault.warm(uow.session, [row.data_key_id for row in rows])
    found = {}
    for row in rows:
        said = await opened(uow, row, row.words_sealed, PLACE)
        found[row.id] = Words(said.get("theme", ""), said.get("measure", ""))
    return found
