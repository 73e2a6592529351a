"""The log of what endpoints were told, test events, and telling once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select, true

from models.vocabulary import Lane
from models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookState
from workers.errors import Conflict, InvalidInput, NotFound
from workers.unit_of_work import UnitOfWork
from workers.webhooks.catalogue import TEST
from workers.webhooks.telling import DESK, make_event, promise

MOST_REPLAYED = 1000
OVER = (WebhookState.FAILED, WebhookState.STOPPED)
UNDER_WAY = (WebhookState.QUEUED, WebhookState.SENDING, WebhookState.RETRYING)


@dataclass(frozen=True, slots=True)
class Replay:
    """How many deliveries were asked for again, and whether there are more in the range."""

    count: int
    more: bool


async def send_test(uow: UnitOfWork, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """An event of type `test` for this endpoint alone. Raises Conflict for one that is switched off."""
    _must_hear(endpoint)
    event = make_event(uow, TEST, uow.clock.now(), {"endpoint": endpoint.name})
    return promise(uow, event, endpoint.id)


def log_of(
    endpoint: WebhookEndpoint, *, state: WebhookState | None = None, type_: str = ""
) -> Select[WebhookDelivery]:
    """The deliveries of an endpoint, to be ordered by whoever asks."""
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint.id)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    if type_:
        query = query.join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        query = query.where(WebhookEvent.type == type_)
    return query


async def delivery_of(
    uow: UnitOfWork, endpoint: WebhookEndpoint, ident: UUID, *, hold: bool = False
) -> WebhookDelivery:
    """One delivery of this endpoint. Raises NotFound."""
    query = log_of(endpoint).where(WebhookDelivery.id == ident)
    row = await uow.session.scalar(query.with_for_update() if hold else query)
    if row is None:
        raise NotFound("there is no such delivery of this endpoint")
    return row


async def attempts_of(uow: UnitOfWork, delivery: WebhookDelivery) -> Sequence[WebhookAttempt]:
    """All tries of a delivery, the oldest first."""
    query = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery.id)
    return (await uow.session.scalars(query.order_by(WebhookAttempt.id))).all()


def replay(uow: UnitOfWork, endpoint: WebhookEndpoint, row: WebhookDelivery) -> None:
    """Tell it once more, with the same id and body. Raises Conflict while it is under way."""
    _must_hear(endpoint)
    if row.state in UNDER_WAY:
        raise Conflict("this delivery is under way", hint="wait until it has ended")
    now = uow.clock.now()
    row.state, row.reason, row.due_at, row.free_at = WebhookState.QUEUED, None, now, None
    row.tries, row.replays = 0, row.replays + 1
    uow.ring(DESK, Lane.NORMAL, now)


async def replay_range(
    uow: UnitOfWork, endpoint: WebhookEndpoint, since: datetime, until: datetime, *, all_: bool = False
) -> Replay:
    """Tell what happened from `since` to `until` (exclusive) and did not arrive; `all_`: what arrived too.

    What happened while the endpoint was switched off is told as well. At most 1,000 at a time, the oldest
    first. Raises InvalidInput, Conflict.
    """
    _must_hear(endpoint)
    if since >= until:
        raise InvalidInput("the range ends before it begins")
    found: Sequence[tuple[WebhookEvent, WebhookDelivery | None]] = [
        (event, row)
        for event, row in await uow.session.execute(
            select(WebhookEvent, WebhookDelivery)
            .outerjoin(
                WebhookDelivery,
                (WebhookDelivery.event_id == WebhookEvent.id) & (WebhookDelivery.endpoint_id == endpoint.id),
            )
            .where(WebhookEvent.made_at >= since, WebhookEvent.made_at < until)
            .where(WebhookEvent.type.in_(endpoint.events))
            .where(
                or_(
                    WebhookDelivery.id.is_(None),
                    WebhookDelivery.state.in_((*OVER, WebhookState.DELIVERED) if all_ else OVER),
                )
            )
            .where(_of_its_team(endpoint))
            .order_by(WebhookEvent.id)
            .limit(MOST_REPLAYED + 1)
        )
    ]
    for event, row in found[:MOST_REPLAYED]:
        if row is None:
            promise(uow, event, endpoint.id)
        else:
            replay(uow, endpoint, row)
    return Replay(min(len(found), MOST_REPLAYED), len(found) > MOST_REPLAYED)


def _of_its_team(endpoint: WebhookEndpoint) -> ColumnElement[bool]:
    return true() if endpoint.team_id is None else WebhookEvent.team_id == endpoint.team_id


def _must_hear(endpoint: WebhookEndpoint) -> None:
    if not endpoint.active:
        raise Conflict("this endpoint is switched off", hint="switch it on first")
