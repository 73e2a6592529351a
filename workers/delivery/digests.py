"""A digest is rendered from its lines as they stand when it leaves: what is over by then stays out of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from models.crypto import Erased, Tampered, UnknownKey
from models.deadlines import Deadline
from models.links import Link
from models.notifications import Notification
from models.vocabulary import Priority
from workers.errors import NotFound
from workers.links import Holder, mint
from workers.unit_of_work import UnitOfWork

DIGEST = "breach_digest"
MOST_LINES = 50
LINK_HOURS = 72
_URGENCY = {priority.value: place for place, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True)
class Lines:
    """What is added to a digest's own facts when it is rendered, and the links minted for it."""

    facts: Mapping[str, Any]
    urls: Mapping[str, str]
    links: list[Link] = field(default_factory=list)


async def members_of(uow: UnitOfWork, digests: Sequence[UUID]) -> dict[UUID, list[Notification]]:
    """Those lines of each digest that somebody still has to know: their deadline or ladder has not ended."""
    found: dict[UUID, list[Notification]] = defaultdict(list)
    if not digests:
        return found
    rows = await uow.session.scalars(
        select(Notification)
        .outerjoin(Deadline, Deadline.id == Notification.deadline_id)
        .where(Notification.digest_id.in_(digests))
        .where(or_(Deadline.id.is_(None), Deadline.ended_reason.is_(None)))
        .order_by(Notification.id)
    )
    for row in rows:
        if row.digest_id is not None:
            found[row.digest_id].append(row)
    return found


async def lines_of(uow: UnitOfWork, rows: Sequence[Notification]) -> dict[UUID, Lines]:
    """For each digest among `rows` what stands in it; the rows of other kinds are left alone."""
    digests = {row.id: row for row in rows if row.kind == DIGEST}
    members = await members_of(uow, list(digests))
    return {ident: await _lines(uow, digests[ident], members[ident]) for ident in digests}


async def _lines(uow: UnitOfWork, digest: Notification, members: Sequence[Notification]) -> Lines:
    """The most urgent first, of these those overdue for longest; a ticket's clocks stand together."""
    now = uow.clock.now()
    items = [item for member in members if (item := await _item(uow, member, now)) is not None]
    items.sort(key=lambda item: item["limit_at"])
    longest: dict[str, str] = {}
    for item in items:
        longest.setdefault(item["ticket"]["number"], item["limit_at"])
    items.sort(
        key=lambda item: (item["urgency"], longest[item["ticket"]["number"]], item["ticket"]["number"])
    )
    shown, seen = items[:MOST_LINES], set()
    links: list[Link] = []
    for item in shown:
        ident = item.pop("ticket_id")
        item["links"] = {"acknowledge": None}
        if ident not in seen:
            url, link = _minted(uow, now, "acknowledge", ident, Holder(ident, digest.staff_id, None))
            item["links"]["acknowledge"] = url
            links.append(link)
        seen.add(ident)
    facts = {
        "items": shown,
        "more": len(items) - len(shown),
        "tickets": len({item["ticket"]["number"] for item in items}),
    }
    url, link = _minted(uow, now, "acknowledge_all", digest.id, Holder(None, digest.staff_id, None))
    return Lines(facts, {"acknowledge_all": url}, [*links, link])


async def _item(uow: UnitOfWork, member: Notification, now: datetime) -> dict[str, Any] | None:
    """One line from the member's own facts; None when its customer was erased meanwhile."""
    try:
        sealer = await uow.vault.sealer(uow.session, member.data_key_id)
        facts = sealer.json(member.facts_sealed, "notifications.facts")
    except (Erased, NotFound, UnknownKey, Tampered):
        return None
    late = now - datetime.fromisoformat(facts["limit_at"])
    return {
        **{name: facts[name] for name in ("ticket", "clock", "limit_at", "handler", "level")},
        "overdue_seconds": int(late.total_seconds()),
        "urgency": _URGENCY.get(facts["ticket"]["priority"], len(_URGENCY)),
        "ticket_id": member.ticket_id,
    }


def _minted(uow: UnitOfWork, now: datetime, purpose: str, subject: UUID, holder: Holder) -> tuple[str, Link]:
    wanted = {"purpose": purpose, "subject": str(subject), "hours": LINK_HOURS, "single_use": False}
    return mint(uow.vault, uow.settings.public_url, now, wanted, holder)
