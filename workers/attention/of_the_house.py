"""What to look at that belongs to no ticket: unreadable events, mailboxes, questions of
providers, errands that fail, endpoints of other systems.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select

from models.deadlines import Errand
from models.intake import IntakeEvent
from models.keeping import Chore
from models.mailboxes import Mailbox
from models.tickets import Ticket
from models.webhooks import WebhookEndpoint
from workers.attention.item import Item, Look, Looked, What
from workers.backlog import OFTEN

CONFIRMABLE = timedelta(days=7)
"""How long the code of a forwarding confirmation is of any use."""

FAILING = timedelta(hours=1)
"""How long an endpoint of another system may fail before somebody should look at it."""
BACKUP = uuid5(NAMESPACE_URL, "closeloop:backup")
STORAGE = uuid5(NAMESPACE_URL, "closeloop:storage")
"""What is known by a name instead of an id."""
LASTING = ("authentication_failed", "folder_refused", "tls_failed")


async def poison(look: Look) -> Looked:
    """Events that could not be read; they are kept as they came."""
    return await _events(look, What.POISON_EVENT, (IntakeEvent.state == literal_column("'poison'"),))


async def confirmations(look: Look) -> Looked:
    """Providers that ask whether they may forward a mailbox to us."""
    which = (
        IntakeEvent.kind == What.FORWARD_CONFIRMATION.value,
        IntakeEvent.state == literal_column("'rejected'"),
        IntakeEvent.received_at >= look.uow.clock.now() - CONFIRMABLE,
    )
    return await _events(look, What.FORWARD_CONFIRMATION, which)


async def _events(look: Look, what: What, which: Sequence[ColumnElement[bool]]) -> Looked:
    count = await look.uow.session.scalar(select(func.count(IntakeEvent.id)).where(*which))
    rows = await look.uow.session.execute(
        select(IntakeEvent, Ticket.number)
        .outerjoin(Ticket, Ticket.id == IntakeEvent.ticket_id)
        .where(*which)
        .order_by(IntakeEvent.id.desc())
        .limit(look.limit)
    )
    return count or 0, [
        Item(what=what, since=row.received_at, id=row.id, ticket=number, reason=row.reason, kind=row.kind)
        for row, number in rows
    ]


async def mailboxes(look: Look) -> Looked:
    """Mailboxes that cannot be fetched, or not all of them; what may pass by itself from the third time."""
    wrong = or_(Mailbox.fault.in_(LASTING), Mailbox.failures > 2)
    rows = list(await look.uow.session.scalars(select(Mailbox).where(wrong).order_by(Mailbox.id)))
    return len(rows), [
        Item(
            what=What.MAILBOX,
            since=row.fault_since or look.uow.clock.machine(),
            id=row.id,
            reason=row.fault,
            kind=row.name,
        )
        for row in rows[: look.limit]
    ]


async def endpoints(look: Look) -> Looked:
    """Endpoints of other systems that we have switched off, or that have failed for an hour."""
    wrong = or_(
        and_(WebhookEndpoint.active.is_(False), WebhookEndpoint.disabled_reason.in_(("gone", "failing"))),
        and_(
            WebhookEndpoint.active.is_(True),
            WebhookEndpoint.failing_since <= look.uow.clock.now() - FAILING,
        ),
    )
    query = select(WebhookEndpoint).where(wrong, WebhookEndpoint.deleted_at.is_(None))
    rows = list(await look.uow.session.scalars(query.order_by(WebhookEndpoint.id)))
    return len(rows), [
        Item(
            what=What.WEBHOOK,
            since=row.disabled_at or row.failing_since or row.made_at,
            id=row.id,
            reason=f"endpoint_{row.disabled_reason or 'failing'}",
            kind=row.name,
        )
        for row in rows[: look.limit]
    ]


async def stuck(look: Look) -> Looked:
    """Errands that were due and failed again and again: a report, a reminder, the end of a pilot."""
    which = (Errand.due_at <= look.uow.clock.now(), Errand.tries >= OFTEN)
    count = await look.uow.session.scalar(select(func.count(Errand.id)).where(*which))
    rows = await look.uow.session.scalars(
        select(Errand).where(*which).order_by(Errand.due_at.desc()).limit(look.limit)
    )
    return count or 0, [
        Item(
            what=What.STUCK_ERRAND,
            since=row.due_at or look.uow.clock.now(),
            id=row.id,
            reason="errand_failed",
            kind=row.kind,
        )
        for row in rows
    ]


async def backups(look: Look) -> Looked:
    """Backups that fail, or were due long ago and nobody takes: no scheduler runs, or it cannot."""
    row = await look.uow.session.get(Chore, "backup")
    if row is None:
        return 0, []
    since = row.done_at or datetime.fromisoformat(row.facts.get("since", "9999-12-31T00:00:00+00:00"))
    late = since + 2 * timedelta(hours=look.uow.settings.backup_hours) < look.uow.clock.machine()
    if not late and row.fault is None:
        return 0, []
    began = row.failing_since or since
    return 1, [Item(what=What.BACKUP, since=began, id=BACKUP, reason=row.fault or "backup_late")]


async def storage(look: Look) -> Looked:
    """The database takes no changes, as this process has seen: it cannot be noted there."""
    seen = look.uow.metrics.storage
    if seen.trouble is None:
        return 0, []
    since = seen.since or look.uow.clock.machine()
    return 1, [Item(what=What.STORAGE, since=since, id=STORAGE, reason=seen.trouble)]
