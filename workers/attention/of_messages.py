"""What to look at in the ledger: unknown fates, messages that do not leave, and what test mode has held."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, literal_column, select

from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import Medium
from workers.attention.item import Item, Look, Looked, What
from workers.backlog import OFTEN

UNKNOWN: ColumnElement[str] = literal_column("'unknown'")
HELD: ColumnElement[str] = literal_column("'held'")
MISSING: ColumnElement[str] = literal_column("'key_missing'")
"""The words stand in the statements, so that the partial indexes on them are used."""


async def unknown(look: Look) -> Looked:
    """SMS that may have arrived."""
    which = (Notification.state == UNKNOWN, Notification.channel == Medium.SMS)
    return await _messages(look, What.UNKNOWN_SMS, which)


async def key_missing(look: Look) -> Looked:
    """Messages whose customer's key is not in the ring."""
    return await _messages(look, What.KEY_MISSING, (Notification.reason == MISSING,))


async def delayed(look: Look) -> Looked:
    """Messages that were tried again and again and have not left: a relay, a provider, an address."""
    which = (Notification.due_at.is_not(None), Notification.tries >= OFTEN)
    return await _messages(look, What.DELAYED_MESSAGE, which)


async def held_back(look: Look) -> Looked:
    """What test mode holds: it leaves by a person's word only, one by one."""
    which = (Notification.state == HELD, Notification.reason.is_distinct_from(MISSING))
    return await _messages(look, What.HELD_MESSAGE, which)


async def _messages(look: Look, what: What, which: Sequence[ColumnElement[bool]]) -> Looked:
    mine = look.seen(Notification)
    count = await look.uow.session.scalar(select(func.count(Notification.id)).where(*which, mine))
    rows = await look.uow.session.execute(
        select(Notification, Ticket.number)
        .outerjoin(Ticket, Ticket.id == Notification.ticket_id)
        .where(*which, mine)
        .order_by(Notification.id.desc())
        .limit(look.limit)
    )
    return count or 0, [
        Item(what=what, since=row.created_at, id=row.id, ticket=number, reason=row.reason, kind=row.kind)
        for row, number in rows
    ]
