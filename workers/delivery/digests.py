"""A digest is rendered from its lines as they stand when it leaves: what is over by then stays out of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVarTuple
from uuid import UUID

from sqlalchemy import Select, case, func, or_, select

from models.bulk import among
from models.crypto import Erased, Tampered, UnknownKey
from models.deadlines import Deadline
from models.keys import DataKey
from models.links import Link
from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import Priority
from workers.errors import NotFound
from workers.links import Holder, mint
from workers.unit_of_work import UnitOfWork

DIGEST = "breach_digest"
MOST_LINES = 50
LINK_HOURS = 72
_URGENCY = {priority: place for place, priority in enumerate(Priority)}

Columns = TypeVarTuple("Columns")


class _Shown(NamedTuple):
    """A line that is shown; `lines` and `tickets` are how many its whole digest is about."""

    ticket_id: UUID
    data_key_id: UUID
    facts_sealed: bytes
    lines: int
    tickets: int


@dataclass(frozen=True, slots=True)
class Lines:
    """What is added to a digest's own facts when it is rendered, and the links minted for it."""

    facts: Mapping[str, Any]
    urls: Mapping[str, str]
    links: list[Link] = field(default_factory=list)


async def members_of(uow: UnitOfWork, digests: Collection[UUID]) -> dict[UUID, list[Notification]]:
    """Those lines of each digest that somebody still has to know: their deadline or ladder has not ended."""
    found: dict[UUID, list[Notification]] = defaultdict(list)
    if not digests:
        return found
    rows = await uow.session.scalars(
        _still_to_be_known(select(Notification), uow, digests).order_by(Notification.id)
    )
    for row in rows:
        if row.digest_id is not None:
            found[row.digest_id].append(row)
    return found


async def with_lines(uow: UnitOfWork, digests: Collection[UUID]) -> set[UUID]:
    """Those of `digests` in which a line is left that somebody still has to know."""
    if not digests:
        return set()
    rows = await uow.session.scalars(
        _still_to_be_known(select(Notification.digest_id), uow, digests).distinct()
    )
    return {ident for ident in rows if ident is not None}


async def lines_of(uow: UnitOfWork, rows: Sequence[Notification]) -> dict[UUID, Lines]:
    """For each digest among `rows` what stands in it; the rows of other kinds are left alone.

    In a storm a digest has hundreds of lines: only those that it shows are read.
    """
    digests = {row.id: row for row in rows if row.kind == DIGEST}
    if not digests:
        return {}
    shown = await _shown(uow, digests)
    await uow.vault.warm(uow.session, {line.data_key_id for lines in shown.values() for line in lines})
    found = {}
    for ident, digest in digests.items():
        found[ident] = await _lines(uow, digest, shown[ident])
        await uow.way.give()  # fifty lines to read: a moment more is nothing to them
    return found


def _still_to_be_known(
    wanted: Select[*Columns], uow: UnitOfWork, digests: Collection[UUID]
) -> Select[*Columns]:
    """`wanted` of the lines of these digests whose deadline or ladder has not ended."""
    return (
        wanted.select_from(Notification)
        .outerjoin(Deadline, Deadline.id == Notification.deadline_id)
        .where(among(uow.session, Notification.digest_id, digests))
        .where(or_(Deadline.id.is_(None), Deadline.ended_reason.is_(None)))
    )


async def _shown(uow: UnitOfWork, digests: Collection[UUID]) -> dict[UUID, list[_Shown]]:
    """The first MOST_LINES of each digest: the most urgent first, of these those overdue for longest; a
    ticket's clocks stand together. What belongs to an erased customer is left out.
    """
    of_ticket = (Notification.digest_id, Notification.ticket_id)
    # A ladder begins at the limit that was missed.
    limit = func.coalesce(Deadline.limit_at, Deadline.started_at, Notification.created_at)
    lines = select(
        Notification.id,
        Notification.digest_id,
        Notification.ticket_id,
        Ticket.number,
        case(_URGENCY, value=Ticket.priority, else_=len(_URGENCY)).label("urgency"),
        limit.label("limit_at"),
        func.min(limit).over(partition_by=of_ticket).label("longest"),
        func.row_number().over(partition_by=of_ticket, order_by=Notification.id).label("nth"),
    )
    joined = _still_to_be_known(lines, uow, digests).join(Ticket, Ticket.id == Notification.ticket_id)
    known = joined.join(DataKey, DataKey.id == Notification.data_key_id).where(DataKey.wrapped.is_not(None))
    each = known.subquery()
    order = (each.c.urgency, each.c.longest, each.c.number, each.c.limit_at, each.c.id)
    first_ones = case((each.c.nth == 1, 1), else_=0)
    placed = select(
        each.c.id,
        func.row_number().over(partition_by=each.c.digest_id, order_by=order).label("place"),
        func.count().over(partition_by=each.c.digest_id).label("lines"),
        func.sum(first_ones).over(partition_by=each.c.digest_id).label("tickets"),
    ).subquery()
    rows = await uow.session.execute(
        select(
            Notification.digest_id,
            Notification.ticket_id,
            Notification.data_key_id,
            Notification.facts_sealed,
            placed.c.lines,
            placed.c.tickets,
        )
        .join(placed, placed.c.id == Notification.id)
        .where(placed.c.place <= MOST_LINES)
        .order_by(placed.c.place)
    )
    found: dict[UUID, list[_Shown]] = defaultdict(list)
    for digest_id, *line in rows:
        found[digest_id].append(_Shown(*line))
    return found


async def _lines(uow: UnitOfWork, digest: Notification, shown: Sequence[_Shown]) -> Lines:
    now = uow.clock.now()
    items: list[dict[str, Any]] = []
    links: list[Link] = []
    seen: set[UUID] = set()
    for line in shown:
        item = await _item(uow, line, now)
        if item is None:
            continue
        item["links"] = {"acknowledge": None}
        if line.ticket_id not in seen:
            holder = Holder(line.ticket_id, digest.staff_id, None)
            url, link = _minted(uow, now, "acknowledge", line.ticket_id, holder)
            item["links"]["acknowledge"] = url
            links.append(link)
        seen.add(line.ticket_id)
        items.append(item)
    facts = {
        "items": items,
        "more": max(0, shown[0].lines - MOST_LINES) if shown else 0,
        "tickets": shown[0].tickets if shown else 0,
    }
    url, link = _minted(uow, now, "acknowledge_all", digest.id, Holder(None, digest.staff_id, None))
    return Lines(facts, {"acknowledge_all": url}, [*links, link])


async def _item(uow: UnitOfWork, line: _Shown, now: datetime) -> dict[str, Any] | None:
    """One line from the member's own facts; None when they cannot be read."""
    try:
        sealer = await uow.vault.sealer(uow.session, line.data_key_id)
        facts = sealer.json(line.facts_sealed, "notifications.facts")
    except (Erased, NotFound, UnknownKey, Tampered):
        return None
    late = now - datetime.fromisoformat(facts["limit_at"])
    return {
        **{name: facts[name] for name in ("ticket", "clock", "limit_at", "handler", "level")},
        "overdue_seconds": int(late.total_seconds()),
    }


def _minted(uow: UnitOfWork, now: datetime, purpose: str, subject: UUID, holder: Holder) -> tuple[str, Link]:
    wanted = {"purpose": purpose, "subject": str(subject), "hours": LINK_HOURS, "single_use": False}
    return mint(uow.vault, uow.settings.public_url, now, wanted, holder)
