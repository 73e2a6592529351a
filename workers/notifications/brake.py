"""Two machines that answer each other over one ticket come to an end: so many notices an hour and no more.

Only notices that incoming mail causes are counted and held back: never warnings, breaches, escalations. What
came in stands in the ticket's log all the same.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, func, select

from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import NotificationState
from workers.history import record
from workers.notifications.recipients import Recipient, address_hash
from workers.unit_of_work import UnitOfWork

LOOP_BRAKE = "loop_brake"
CAUSED_BY_MAIL = frozenset(
    {"customer_reply", "reply_on_hold", "reply_not_sent", "commands_read", "answer_bounced"}
)


async def braked(uow: UnitOfWork, to: Recipient, kind: str, ticket: Ticket | None) -> bool:
    """Whether this person has been told often enough of this ticket's incoming mail (`[brakes]`).

    The first notice that is held back in an hour is logged on the ticket.
    """
    if ticket is None or kind not in CAUSED_BY_MAIL:
        return False
    now, brakes = uow.clock.now(), uow.policy.brakes
    held = and_(Notification.state == NotificationState.SUPPRESSED, Notification.reason == LOOP_BRAKE)
    recent = Notification.created_at > now - timedelta(hours=1)
    counts = await uow.session.execute(
        select(
            func.count().filter(~held | Notification.reason.is_(None)),
            func.count().filter(recent, ~held | Notification.reason.is_(None)),
            func.count().filter(recent, held),
        ).where(
            Notification.ticket_id == ticket.id,
            Notification.recipient_hash == address_hash(uow, to),
            Notification.kind.in_(CAUSED_BY_MAIL),
            Notification.created_at > now - timedelta(days=1),
        )
    )
    today, hour, held_back = counts.one()
    if today < brakes.notices_a_day and hour < brakes.notices_an_hour:
        return False
    if not held_back:
        await record(uow, ticket, "braked", facts={"reason": LOOP_BRAKE, "notification": kind})
    return True
