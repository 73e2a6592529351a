"""What became of a message: the only writer of attempts, receipts and delivery states.

Each outcome is written under the lease it was sent with. What must be known further up (a person's answer
was accepted, or came back) becomes an intake event in the same transaction.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from models.base import Base, new_id
from models.bulk import update_many
from models.intake import IntakeEvent
from models.notifications import DeliveryAttempt, Notification
from models.vocabulary import HUMAN_MESSAGES, RESENT, EventState, Lane, Medium, NotificationState
from workers.channels.port import Outcome, Verdict
from workers.clock import MAY_DIFFER
from workers.delivery.prepare import SURVEY_KINDS
from workers.promises import retry_pause
from workers.suppressions import reason_for
from workers.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

_ATTEMPTS = Base.metadata.tables["delivery_attempts"]
_NOTIFICATIONS = Base.metadata.tables["notifications"]
WORKER_LOST = "worker_lost"
GIVE_UP_AFTER = timedelta(hours=48)
GIVE_UP_PUSH_AFTER = timedelta(hours=2)
"""A push that comes late is of little use, and there are other ways to the customer."""
LEFT_ALONE = 12
"""Claims after which a message that is too old goes no more, even if each time no relay was being asked: ten
minutes of outage (urgent), half an hour, two hours (bulk) after it was first claimed."""
LONGEST_WISH = 4 * 3600.0
"""The longest pause that the other side may ask for (Retry-After), in seconds."""
LONGEST_PAUSE = {Lane.URGENT: 60.0, Lane.NORMAL: 300.0, Lane.BULK: 1800.0}


@dataclass(frozen=True, slots=True)
class Sending:
    """What the recorder has to know of a message under way."""

    notification: Notification
    attempt_id: UUID
    lease_token: UUID


async def record_outcomes(
    uow: UnitOfWork, sendings: Mapping[UUID, Sending], outcomes: Sequence[Outcome]
) -> None:
    """Write a group of outcomes in bulk; a row whose lease was lost keeps what its new holder gives it."""
    now = uow.clock.now()
    late = await _given_up(uow, sendings, outcomes)
    attempts: list[dict[str, Any]] = []
    states: list[dict[str, Any]] = []
    news: list[IntakeEvent] = []
    # By their ids, as staff take several messages at once (`workers.ledger`): nobody waits in a circle.
    ordered = sorted(outcomes, key=_by_id)
    for outcome in ordered:
        sending = sendings[outcome.id]
        values = _next_state(uow, sending.notification, outcome)
        attempts.append(_attempt_values(outcome, now, late=sending.attempt_id in late))
        states.append(values)
        event = _news(sending, values, now)
        if event is not None:
            news.append(event)
    connection = await uow.session.connection()
    sent = [sendings[outcome.id] for outcome in ordered]
    tries = [{"id": sending.attempt_id} for sending in sent]
    leases = [{"id": sending.notification.id, "lease_token": sending.lease_token} for sending in sent]
    await update_many(connection, _ATTEMPTS, tries, attempts)
    await update_many(connection, _NOTIFICATIONS, leases, states)
    for event in news:
        await uow.insert_new(event)
        uow.ring("intake", event.lane, now)


def _by_id(outcome: Outcome) -> UUID:
    return outcome.id


async def _given_up(
    uow: UnitOfWork, sendings: Mapping[UUID, Sending], outcomes: Sequence[Outcome]
) -> set[UUID]:
    """The attempts among these that somebody took for lost meanwhile. Asked only where that may have been."""
    soon = uow.clock.machine() + timedelta(seconds=MAY_DIFFER)
    sent = [sendings[outcome.id] for outcome in outcomes]
    late = [one.attempt_id for one in sent if (one.notification.free_at or soon) <= soon]
    if not late:
        return set()
    said = select(DeliveryAttempt.id).where(
        DeliveryAttempt.id.in_(late), DeliveryAttempt.outcome == Verdict.UNKNOWN.value
    )
    return set(await uow.session.scalars(said))


def _attempt_values(outcome: Outcome, now: datetime, *, late: bool) -> dict[str, Any]:
    """What is known of an attempt. That it was taken for lost stays on record: so there was another one."""
    reason = WORKER_LOST if late and outcome.verdict is Verdict.SENT else outcome.reason
    return {
        "finished_at": outcome.accepted_at or now,
        "outcome": outcome.verdict.value,
        "reason": reason[:48],
        "code": outcome.code,
        "text": outcome.text[:500],
        "host": outcome.host[:128],
        "tls": outcome.tls,
        "provider_id": outcome.provider_id,
        "seconds": outcome.seconds,
    }


def _next_state(uow: UnitOfWork, row: Notification, outcome: Outcome) -> dict[str, Any]:
    """The state after a try: see promise 5 (sent is not delivered, and unknown is said)."""
    over: dict[str, Any] = {
        "due_at": None,
        "free_at": None,
        "lease_token": None,
        "sent_at": None,
    }
    over |= {"reason": outcome.reason[:64], "tries": row.tries}
    match outcome.verdict:
        case Verdict.SENT:
            sent = {
                "state": NotificationState.SENT,
                "reason": None,
                "sent_at": outcome.accepted_at,
            }
            return {**over, **sent}
        case Verdict.REJECTED:
            return {**over, "state": NotificationState.FAILED}
        case Verdict.UNKNOWN if row.channel not in RESENT:
            return {**over, "state": NotificationState.UNKNOWN}
        case Verdict.NOT_STARTED:
            state = NotificationState.RETRYING if row.tries > 1 else NotificationState.QUEUED
            again: dict[str, Any] = {
                "due_at": row.due_at,
                "tries": max(0, row.tries - 1),
                "reason": None,
            }
            if outcome.retry_after:  # it has to wait for its turn, which is no try
                pause = timedelta(seconds=outcome.retry_after)
                again |= {"free_at": uow.clock.machine() + pause, "reason": outcome.reason[:64]}
            return {**over, **again, "state": state}
        case Verdict.RETRY if row.expires_at is not None and row.expires_at <= uow.clock.now():
            return {**over, "state": NotificationState.EXPIRED, "reason": "too_late"}
        case _:
            return {**over, **_try_again(uow, row, outcome)}


def _try_again(uow: UnitOfWork, row: Notification, outcome: Outcome) -> dict[str, Any]:
    # From when it was due: what waited for a morning after the holidays has its two days from then on.
    # One try it gets in any case: where nobody was talked to (all are left alone), it has not had it. But it
    # does not wait for one without end: so often it has met with relays of which none works.
    tried = bool(outcome.host) or outcome.reason.startswith("timeout") or row.tries >= LEFT_ALONE
    longest = GIVE_UP_AFTER if row.channel is not Medium.PUSH else GIVE_UP_PUSH_AFTER
    if tried and uow.clock.now() - (row.due_at or row.created_at) > longest:
        return {"state": NotificationState.FAILED, "reason": f"gave_up_{outcome.reason}"[:64]}
    pause = min(outcome.retry_after or _pause(row, outcome), LONGEST_WISH)
    return {
        "state": NotificationState.RETRYING,
        "due_at": row.due_at,
        "free_at": uow.clock.machine() + timedelta(seconds=pause),
    }


def _pause(row: Notification, outcome: Outcome) -> float:
    """Seconds until the next try. Whoever greylists lets nobody in sooner than a minute (RFC 6647 §2.1)."""
    pause = min(retry_pause(row.tries), LONGEST_PAUSE[row.lane])
    if outcome.reason != "greylisted":
        return pause
    longest = 90.0 if row.lane is Lane.URGENT else 300.0
    return max(pause, random.uniform(60.0, longest))  # noqa: S311 - spreads load, hides nothing


def _news(sending: Sending, values: Mapping[str, Any], now: datetime) -> IntakeEvent | None:
    row = sending.notification
    what = news_of(row, values["state"], values["reason"])
    return delivery_event(row, what, sending.attempt_id.hex, values["reason"], now) if what else None


def news_of(row: Notification, state: NotificationState, reason: str | None) -> str | None:
    """The fact that goes back up when `row` gets this state and reason; None when nobody has to know.

    `accepted`: an answer left. `failed`: words of a person, the question for a rating, or a message to staff,
    will never arrive, or an address does not exist. `suppressed`: words of a person, or the question for a
    rating, were held back.
    """
    human = row.kind in HUMAN_MESSAGES
    match state:
        case NotificationState.SENT if row.meets is not None:
            return "accepted"
        case NotificationState.FAILED if human or row.kind in SURVEY_KINDS or row.staff_id is not None:
            return "failed"
        case NotificationState.FAILED if reason_for(reason or ""):
            return "failed"
        case NotificationState.SUPPRESSED if human or row.kind in SURVEY_KINDS:
            return "suppressed"
        case _:
            return None


async def tell_above(uow: UnitOfWork, row: Notification, state: NotificationState, reason: str) -> None:
    """Put the news of a claimed row that is never going to be sent on the intake desk, if it is any."""
    what = news_of(row, state, reason)
    if what is None or row.lease_token is None:
        return
    event = delivery_event(row, what, row.lease_token.hex, reason, uow.clock.now())
    await uow.insert_new(event)
    uow.ring("intake", event.lane, uow.clock.now())


def delivery_event(
    row: Notification, what: str, which: str, reason: str | None, now: datetime
) -> IntakeEvent:
    """An intake event of our own making: `what` (see `news_of`; bounced, complained) happened to `row`."""
    return IntakeEvent(
        id=new_id(),
        source="delivery",
        external_id=f"{row.id.hex}:{what}:{which}"[:128],
        kind=what,
        reason=reason,
        received_at=now,
        state=EventState.RECEIVED,
        ticket_id=row.ticket_id,
        data_key_id=row.data_key_id,
        lane=Lane.URGENT,
        due_at=now,
        trace=row.trace,
    )


async def recover_lost(uow: UnitOfWork, rows: Sequence[Notification]) -> set[UUID]:
    """Which of these freshly claimed rows a worker had died over: their open attempts are said to be unknown.

    Looked for only in what has just been claimed, so that its cost does not grow with what is waiting. A
    mail goes again, its stored bytes with the same Message-ID; an SMS or a post must wait for a person.
    """
    again = [row.id for row in rows if row.tries > 1]
    if not again:
        return set()
    found = await uow.session.scalars(
        update(DeliveryAttempt)
        .where(DeliveryAttempt.notification_id.in_(again), DeliveryAttempt.outcome.is_(None))
        .values(outcome=Verdict.UNKNOWN.value, reason=WORKER_LOST, finished_at=uow.clock.now())
        .returning(DeliveryAttempt.notification_id)
        .execution_options(synchronize_session=False)
    )
    lost = set(found)
    if lost:
        log.warning("sends_recovered", lane=rows[0].lane.value, rows=len(lost))
    return lost
