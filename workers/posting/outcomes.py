"""What became of a try: written under the lease it was made with, and what it says about the endpoint."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from models.people import Staff
from models.vocabulary import Role
from models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookState
from workers.channels.scrub import scrub
from workers.locks import repeated
from workers.notifications import Notice, house_facts, notify, staff_recipient
from workers.posting.verdicts import Verdict, pause_after, rest_after
from workers.unit_of_work import UnitOfWork, Workshop
from workers.webhooks import FAILING, GONE, disable

if TYPE_CHECKING:
    from workers.posting.desk import Post

NOTED_EVERY = timedelta(minutes=1)
LONGEST_TEXT = 300


async def record_outcome(workshop: Workshop, post: Post, verdict: Verdict, seconds: float) -> None:
    """Write it; who has lost the lease meanwhile changes only the attempt."""
    await repeated(workshop, lambda uow: _record(uow, post, verdict, seconds))


async def _record(uow: UnitOfWork, post: Post, verdict: Verdict, seconds: float) -> None:
    # The endpoint first, in whatever order calls end; its key stays free for new deliveries to refer to.
    endpoint = await uow.session.get_one(
        WebhookEndpoint, post.endpoint_id, with_for_update={"key_share": True}, populate_existing=True
    )
    now = uow.clock.now()
    await uow.session.execute(
        update(WebhookAttempt)
        .where(WebhookAttempt.id == post.attempt_id)
        .values(
            finished_at=now,
            outcome=verdict.outcome,
            reason=verdict.reason[:48],
            code=verdict.code,
            text=scrub(verdict.text[:2000])[:LONGEST_TEXT] or None,
            seconds=seconds,
        )
        .execution_options(synchronize_session=False)
    )
    made_at = await uow.session.scalar(
        update(WebhookDelivery)
        .where(WebhookDelivery.id == post.delivery_id, WebhookDelivery.lease_token == post.lease_token)
        .values(**_next_state(uow, post, verdict))
        .returning(WebhookDelivery.made_at)
        .execution_options(synchronize_session=False)
    )
    if made_at is not None:
        await _note_health(uow, endpoint, post, verdict, made_at)


def _next_state(uow: UnitOfWork, post: Post, verdict: Verdict) -> dict[str, Any]:
    over: dict[str, Any] = {"due_at": None, "free_at": None, "lease_token": None}
    if verdict.outcome == "delivered":
        return {
            **over,
            "state": WebhookState.DELIVERED,
            "reason": None,
            "delivered_at": uow.clock.now(),
        }
    if verdict.outcome == "gone":
        return {**over, "state": WebhookState.FAILED, "reason": verdict.reason}
    pause = pause_after(post.tries)
    if pause is None:
        return {**over, "state": WebhookState.FAILED, "reason": f"gave_up_{verdict.reason}"[:48]}
    free_at = uow.clock.machine() + timedelta(seconds=max(pause, verdict.wait or 0.0))
    return {
        "state": WebhookState.RETRYING,
        "reason": verdict.reason[:48],
        "free_at": free_at,
        "lease_token": None,
    }


async def _note_health(
    uow: UnitOfWork, endpoint: WebhookEndpoint, post: Post, verdict: Verdict, made_at: datetime
) -> None:
    now = uow.clock.now()
    if verdict.outcome == "delivered":
        known = endpoint.delivered_at
        if endpoint.failures or known is None or now - known >= NOTED_EVERY:
            endpoint.failures, endpoint.failing_since, endpoint.resting_until = 0, None, None
            endpoint.delivered_at = now
        return
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    if not endpoint.active:
        return
    lately = endpoint.delivered_at is not None and endpoint.delivered_at >= made_at
    if verdict.outcome == "gone":
        await _switch_off(uow, endpoint, GONE)
    elif pause_after(post.tries) is None and not lately:
        await _switch_off(uow, endpoint, FAILING)
    else:
        await _rest(uow, endpoint, verdict)


async def _rest(uow: UnitOfWork, endpoint: WebhookEndpoint, verdict: Verdict) -> None:
    """Nothing is sent for a while to who fails again and again, or asks for it; each row pauses as long."""
    seconds = max(rest_after(endpoint.failures) or 0.0, verdict.wait or 0.0)
    if not seconds:
        return
    until = uow.clock.machine() + timedelta(seconds=seconds)
    endpoint.resting_until = until
    await uow.session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.due_at.is_not(None))
        .where(WebhookDelivery.lease_token.is_(None))
        .where(WebhookDelivery.free_at.is_(None) | (WebhookDelivery.free_at < until))
        .values(free_at=until)
        .execution_options(synchronize_session=False)
    )


async def _switch_off(uow: UnitOfWork, endpoint: WebhookEndpoint, reason: str) -> None:
    """Nobody listens there any more: it hears nothing, and the administrators are told."""
    since = endpoint.failing_since
    await disable(uow, endpoint, reason)
    endpoint.version += 1
    administrators = await uow.session.scalars(
        select(Staff).where(Staff.active.is_(True), Staff.role == Role.ADMINISTRATOR).order_by(Staff.number)
    )
    for person in administrators:
        facts = {
            **house_facts(uow, person.locale or uow.settings.locale),
            "endpoint": endpoint.name,
            "host": endpoint.host,
            "why": reason,
            "since": since.isoformat() if since else None,
        }
        notice = Notice(
            kind="webhook_disabled",
            fact=endpoint.id.hex,
            ticket=None,
            generation=endpoint.version,
            facts=facts,
            data_key_id=uow.vault.system_key_id,
        )
        await notify(uow, staff_recipient(uow, person), notice)
