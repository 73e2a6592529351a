"""Staff send a message again, or stop one that has not left: one, or all that a filter means.

Sent again is what failed, came back, has an unknown outcome or was held back for a reason that may be gone;
the claim looks at suppressions anew. Never what was sent or delivered, what came too late, or what was
dropped because it was no longer true. An SMS of unknown outcome may have arrived: it needs a person's word.
What test mode held is released one by one, and only when live.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import select

from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Medium, NotificationState
from workers.errors import Conflict, NotFound
from workers.history import record
from workers.ledger.finding import Wanted, matching
from workers.locks import held
from workers.unit_of_work import UnitOfWork

AT_ONCE = 500
CANCELLED = "cancelled_by_staff"

RETRYABLE = (
    NotificationState.FAILED,
    NotificationState.BOUNCED,
    NotificationState.UNKNOWN,
    NotificationState.RETRYING,
    NotificationState.SUPPRESSED,
    NotificationState.HELD,
)
CANCELLABLE = (NotificationState.QUEUED, NotificationState.RETRYING, NotificationState.HELD)
_HINTS = {
    "not_confirmed": "it may have arrived: look at the provider's log, then give confirm=true",
    "too_late": "what it says is no longer true",
    "test_mode": "it leaves only from a live installation: set CLOSELOOP_MODE=live",
    "one_by_one": "what test mode held is released one message at a time",
    "silenced": "it was dropped because it was no longer needed; its reason says why",
    "under_way": "wait for its outcome",
}


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a decision about many: how many were meant, to how many it was done, why not to others.

    `more`: the filter means more than were looked at in one go; decide again.
    """

    matched: int = 0
    done: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    more: bool = False


async def hold(uow: UnitOfWork, ident: UUID) -> Notification:
    """The message, its ticket and itself locked (in this order, as everybody does). Raises NotFound."""
    found = await uow.session.execute(select(Notification.ticket_id).where(Notification.id == ident))
    if found.first() is None:
        raise NotFound("there is no such notification")
    (row,) = await _held(uow, [ident])
    return row


async def _held(uow: UnitOfWork, ids: Sequence[UUID]) -> list[Notification]:
    whose = select(Notification.ticket_id).where(Notification.id.in_(ids))
    await uow.session.execute(held(select(Ticket).where(Ticket.id.in_(whose)).order_by(Ticket.id)))
    rows = await uow.session.scalars(
        select(Notification)
        .where(Notification.id.in_(ids))
        .order_by(Notification.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(rows)


async def retry(uow: UnitOfWork, row: Notification, by: Staff, *, confirm: bool = False) -> None:
    """Send a held (`hold`) message again, now. Raises Conflict that says why it must not be."""
    _refuse(_why_not_retry(uow, row, confirm=confirm))
    await _send_again(uow, row, by)


async def cancel(uow: UnitOfWork, row: Notification, by: Staff) -> None:
    """Stop a held message that has not left. Raises Conflict when it has, or is over already."""
    _refuse(_why_not_cancel(row))
    await _stop(uow, row, by)


async def retry_many(
    uow: UnitOfWork, wanted: Wanted, by: Staff, *, confirm: bool = False, dry_run: bool = False
) -> Decided:
    """`retry` for all that are wanted, up to 500 at once, oldest first; `dry_run` only counts."""
    chosen, more = await _chosen(uow, wanted, RETRYABLE)
    why_not = [_why_not_retry(uow, row, confirm=confirm, among_many=True) for row in chosen]
    for row, problem in zip(chosen, why_not, strict=True):
        if problem is None and not dry_run:
            await _send_again(uow, row, by)
    return _counted(why_not, more)


async def cancel_many(uow: UnitOfWork, wanted: Wanted, by: Staff, *, dry_run: bool = False) -> Decided:
    """`cancel` for all that are wanted, up to 500 at once, oldest first; `dry_run` only counts."""
    chosen, more = await _chosen(uow, wanted, CANCELLABLE)
    why_not = [_why_not_cancel(row) for row in chosen]
    for row, problem in zip(chosen, why_not, strict=True):
        if problem is None and not dry_run:
            await _stop(uow, row, by)
    return _counted(why_not, more)


async def _chosen(
    uow: UnitOfWork, wanted: Wanted, states: Sequence[NotificationState]
) -> tuple[list[Notification], bool]:
    possible = tuple(state for state in states if not wanted.states or state in wanted.states)
    if not possible:
        return [], False
    query = matching(uow, replace(wanted, states=possible)).with_only_columns(Notification.id)
    ids = list(await uow.session.scalars(query.order_by(Notification.id).limit(AT_ONCE + 1)))
    return await _held(uow, ids[:AT_ONCE]), len(ids) > AT_ONCE


def _counted(why_not: Sequence[str | None], more: bool) -> Decided:
    skipped = Counter(problem for problem in why_not if problem is not None)
    return Decided(len(why_not), len(why_not) - skipped.total(), dict(skipped), more)


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise Conflict(f"this cannot be done to this message: {problem}", hint=_HINTS.get(problem, ""))


def _why_not_retry(
    uow: UnitOfWork, row: Notification, *, confirm: bool, among_many: bool = False
) -> str | None:
    """A code for why it must not be sent again; None: it may."""
    if row.expires_at is not None and row.expires_at <= uow.clock.now():
        return "too_late"
    checks: dict[NotificationState, Callable[[], str | None]] = {
        NotificationState.FAILED: lambda: None,
        NotificationState.BOUNCED: lambda: None,
        NotificationState.RETRYING: lambda: "under_way" if row.lease_token else None,
        NotificationState.UNKNOWN: lambda: (
            None if confirm or row.channel is not Medium.SMS else "not_confirmed"
        ),
        NotificationState.SUPPRESSED: lambda: (
            None if (row.reason or "").startswith("suppressed_") else "silenced"
        ),
        NotificationState.HELD: lambda: _why_still_held(uow, row, among_many=among_many),
    }
    check = checks.get(row.state)
    return check() if check else _over(row)


def _why_still_held(uow: UnitOfWork, row: Notification, *, among_many: bool) -> str | None:
    if row.reason == "key_missing":
        return None
    if uow.settings.mode == "test":
        return "test_mode"
    return "one_by_one" if among_many else None


def _why_not_cancel(row: Notification) -> str | None:
    if row.state in CANCELLABLE and row.lease_token is None:
        return None
    return _over(row)


def _over(row: Notification) -> str:
    under_way = (NotificationState.QUEUED, NotificationState.CLAIMED, NotificationState.SENDING)
    return "under_way" if row.state in under_way or row.lease_token else row.state.value


async def _send_again(uow: UnitOfWork, row: Notification, by: Staff) -> None:
    before = {"was": row.state.value, "because": row.reason}
    row.state, row.reason, row.tries = NotificationState.QUEUED, None, 0
    row.due_at, row.free_at, row.lease_token = uow.clock.now(), None, None
    uow.ring("delivery", row.lane, row.due_at)
    await _note(uow, row, "message_retried", by, before)


async def _stop(uow: UnitOfWork, row: Notification, by: Staff) -> None:
    before = {"was": row.state.value, "because": row.reason}
    row.state, row.reason = NotificationState.SUPPRESSED, CANCELLED
    row.due_at = row.free_at = row.lease_token = None
    await _note(uow, row, "message_cancelled", by, before)


async def _note(
    uow: UnitOfWork, row: Notification, kind: str, by: Staff, before: dict[str, str | None]
) -> None:
    ticket = await uow.session.get(Ticket, row.ticket_id) if row.ticket_id else None
    if ticket is not None:
        facts = {"notification": row.kind, **before}
        await record(uow, ticket, kind, by=by, facts=facts, notification_id=row.id)
