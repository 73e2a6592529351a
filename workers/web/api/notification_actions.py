"""Send messages again or stop them: one, or all that a filter means."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, Field

from models.notifications import Notification
from models.vocabulary import Medium, NotificationState, Role
from workers.errors import Forbidden
from workers.ledger import Decided, Wanted, cancel, cancel_many, hold, retry, retry_many
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Calling, Given, acting
from workers.web.api.notifications import NotificationShown, shown, ticket_numbers
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.api.wording import Tell, Wording
from workers.web.parts import Parts

router = Resource("/notifications", "notifications")


class Again(Given):
    """A message is to be sent again."""

    confirm: bool = Field(default=False, description="For an SMS of unknown outcome: it did not arrive")


class Filter(Given):
    """Which messages are meant: all that is given must hold. A state is needed, lest it mean everything."""

    state: list[NotificationState] = Field(min_length=1, examples=[["failed"]])
    kind: str | None = Field(default=None, max_length=32, examples=["receipt"])
    ticket: str | None = Field(default=None, max_length=24, description="Ticket number")
    channel: Medium | None = None
    recipient: str | None = Field(default=None, max_length=254, description="Full address; by keyed hash")
    made_from: Moment | None = None
    made_before: Moment | None = None


class Many(Given):
    """A decision about many messages."""

    filter: Filter
    dry_run: bool = Field(default=False, description="Only count")


class ManyAgain(Many):
    """Many messages are to be sent again."""

    confirm: bool = Field(default=False, description="For SMS of unknown outcome: they did not arrive")


class Outcome(BaseModel):
    """What became of the decision."""

    matched: int = Field(description="How many were looked at: those in a state that allows it, 500 at most")
    done: int = Field(description="To how many it was done (`dry_run`: would be)")
    skipped: dict[str, int] = Field(description="To how many not, by reason", examples=[{"not_confirmed": 2}])
    more: bool = Field(description="There are more than 500: decide again")
    dry_run: bool


@router.post("/retry", summary="Send many messages again")
async def retry_some(given: ManyAgain, parts: Parts, calling: Calling) -> Outcome:
    """Failed, bounced, unknown, retrying or suppressed ones; for a supervisor or administrator."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        _may_decide_for_many(by.role)
        wanted = _wanted(given.filter)
        decided = await retry_many(uow, wanted, by, confirm=given.confirm, dry_run=given.dry_run)
    return _outcome(decided, dry_run=given.dry_run)


@router.post("/cancel", summary="Stop many messages")
async def cancel_some(given: Many, parts: Parts, calling: Calling) -> Outcome:
    """Queued, retrying or held ones; for a supervisor or administrator."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        _may_decide_for_many(by.role)
        decided = await cancel_many(uow, _wanted(given.filter), by, dry_run=given.dry_run)
    return _outcome(decided, dry_run=given.dry_run)


@router.post("/{ident}/retry", summary="Send a message again")
async def retry_one(
    ident: UUID, given: Again, parts: Parts, calling: Calling, tell: Wording
) -> NotificationShown:
    """At once. 409 for what was sent, is no longer true, or was dropped for a reason that stays."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        row = await hold(uow, ident)
        await retry(uow, row, by, confirm=given.confirm)
        return await _one(uow, row, tell)


@router.post("/{ident}/cancel", summary="Stop a message")
async def cancel_one(ident: UUID, parts: Parts, calling: Calling, tell: Wording) -> NotificationShown:
    """409 when it has left or is over already."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        row = await hold(uow, ident)
        await cancel(uow, row, by)
        return await _one(uow, row, tell)


async def _one(uow: UnitOfWork, row: Notification, tell: Tell) -> NotificationShown:
    return NotificationShown(**await shown(uow, row, await ticket_numbers(uow, [row.ticket_id]), tell))


def _may_decide_for_many(role: Role) -> None:
    if role not in (Role.SUPERVISOR, Role.ADMINISTRATOR):
        raise Forbidden("only a supervisor or administrator decides about many messages at once")


def _wanted(given: Filter) -> Wanted:
    return Wanted(
        kind=given.kind,
        states=tuple(given.state),
        ticket=given.ticket,
        channel=given.channel,
        recipient=given.recipient,
        made_from=given.made_from,
        made_before=given.made_before,
    )


def _outcome(decided: Decided, *, dry_run: bool) -> Outcome:
    return Outcome(
        matched=decided.matched,
        done=decided.done,
        skipped=decided.skipped,
        more=decided.more,
        dry_run=dry_run,
    )
