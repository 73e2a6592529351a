"""Endpoints of other systems, for administrators: who hears what, what became of it, tell it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import select

from models.people import Staff, Team
from models.tickets import Ticket
from models.webhooks import WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookState
from workers import webhooks
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Calling, Paged, acting, check_version, page_of, picked, uuid_of
from workers.web.api.resource import Resource
from workers.web.api.webhook_models import (
    DeliveryDetail,
    DeliveryPage,
    DeliveryShown,
    EndpointChange,
    EndpointList,
    EndpointMade,
    EndpointShown,
    EndpointWanted,
    Replayed,
    ReplayWanted,
    SecretMade,
    SecretWanted,
    TryShown,
    TypeList,
    TypeShown,
)
from workers.web.parts import Parts

router = Resource("/webhooks", "webhooks")


@router.get("", summary="List the endpoints of other systems")
async def list_endpoints(parts: Parts) -> EndpointList:
    """Those that are switched off too, the newest first."""
    async with parts.workshop.read() as uow:
        return EndpointList(items=[await _shown(uow, row) for row in await webhooks.every_endpoint(uow)])


@router.get("/event-types", summary="What can be heard")
async def list_types() -> TypeList:
    """Each type of event with an example."""
    return TypeList(
        items=[
            TypeShown(name=each.name, says=each.says, example=webhooks.example_of(each))
            for each in webhooks.EVENTS
        ]
    )


@router.post("", status_code=201, summary="Enter an endpoint")
async def add_endpoint(given: EndpointWanted, parts: Parts, calling: Calling) -> EndpointMade:
    """Its secret is in this answer and nowhere else."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        wanted = webhooks.EndpointGiven(**given.model_dump())
        row, secret = await webhooks.add_endpoint(uow, wanted, by)
        shown = await _shown(uow, row)
    return EndpointMade(**shown.model_dump(), secret=secret)


@router.get("/{ident}", summary="Look at an endpoint")
async def get_endpoint(ident: str, parts: Parts) -> EndpointShown:
    """By id or name."""
    async with parts.workshop.read() as uow:
        return await _shown(uow, await webhooks.endpoint_named(uow, ident))


@router.patch("/{ident}", summary="Change an endpoint, switch it off or on")
async def change_endpoint(ident: str, given: EndpointChange, parts: Parts, calling: Calling) -> EndpointShown:
    """Switched off, it hears nothing, and what waits for it is stopped; both can be replayed later."""
    async with parts.workshop.begin() as uow:
        row = await webhooks.endpoint_named(uow, ident, hold=True)
        check_version(row.version, calling.if_match)
        await webhooks.change_endpoint(uow, row, given.model_dump(exclude_unset=True))
        return await _shown(uow, row)


@router.delete("/{ident}", status_code=204, summary="Delete an endpoint")
async def delete_endpoint(ident: str, parts: Parts) -> None:
    """Its address and secrets are gone for good."""
    async with parts.workshop.begin() as uow:
        await webhooks.delete_endpoint(uow, await webhooks.endpoint_named(uow, ident, hold=True))


@router.post("/{ident}/secret", summary="Give an endpoint a new secret")
async def rotate_secret(ident: str, given: SecretWanted, parts: Parts) -> SecretMade:
    """Calls are signed by the old and the new one until the old one ends."""
    async with parts.workshop.begin() as uow:
        row = await webhooks.endpoint_named(uow, ident, hold=True)
        secret = await webhooks.rotate_secret(uow, row, timedelta(hours=given.keep_old_hours))
        valid = (await webhooks.secrets_of(uow, [row.id]))[row.id]
    return SecretMade(secret=secret, secrets=len(valid))


@router.post("/{ident}/test", status_code=202, summary="Send a test event")
async def send_test(ident: str, parts: Parts) -> DeliveryShown:
    """An event of type `test`; look at its delivery to see what became of it."""
    async with parts.workshop.begin() as uow:
        row = await webhooks.send_test(uow, await webhooks.endpoint_named(uow, ident))
        return (await shown_deliveries(uow, [row]))[0]


@router.get("/{ident}/deliveries", summary="What an endpoint was told")
async def list_deliveries(
    ident: str,
    parts: Parts,
    paging: Paged,
    state: WebhookState | None = None,
    event_type: Annotated[str, Query(max_length=32, examples=["ticket.opened"])] = "",
) -> DeliveryPage:
    """The newest first."""
    async with parts.workshop.read() as uow:
        endpoint = await webhooks.endpoint_named(uow, ident)
        query = webhooks.log_of(endpoint, state=state, type_=event_type)
        rows, cursor = await page_of(uow, query, WebhookDelivery.id, paging)
        return DeliveryPage(items=await shown_deliveries(uow, rows), next_cursor=cursor)


@router.get("/{ident}/deliveries/{delivery}", summary="One delivery, its body and its tries")
async def get_delivery(ident: str, delivery: str, parts: Parts) -> DeliveryDetail:
    """Each try with what the other side answered."""
    async with parts.workshop.read() as uow:
        endpoint = await webhooks.endpoint_named(uow, ident)
        row = await webhooks.delivery_of(uow, endpoint, uuid_of(delivery, "delivery"))
        event = await uow.session.get_one(WebhookEvent, row.event_id)
        names = "started_at finished_at outcome reason code text seconds"
        attempts = [TryShown(**picked(each, names)) for each in await webhooks.attempts_of(uow, row)]
        (shown,) = await shown_deliveries(uow, [row])
        return DeliveryDetail(**shown.model_dump(), body=json.loads(event.body), attempts=attempts)


@router.post("/{ident}/deliveries/{delivery}/replay", status_code=202, summary="Tell it once more")
async def replay_one(ident: str, delivery: str, parts: Parts) -> DeliveryShown:
    """With the same `webhook-id` and body, signed anew."""
    async with parts.workshop.begin() as uow:
        endpoint = await webhooks.endpoint_named(uow, ident)
        row = await webhooks.delivery_of(uow, endpoint, uuid_of(delivery, "delivery"), hold=True)
        webhooks.replay(uow, endpoint, row)
        return (await shown_deliveries(uow, [row]))[0]


@router.post("/{ident}/replay", status_code=202, summary="Tell once more what happened in a while")
async def replay_range(ident: str, given: ReplayWanted, parts: Parts) -> Replayed:
    """What did not arrive, and what happened while it was switched off; at most 1,000, the oldest first."""
    async with parts.workshop.begin() as uow:
        endpoint = await webhooks.endpoint_named(uow, ident)
        done = await webhooks.replay_range(uow, endpoint, given.since, given.until, all_=given.delivered)
    return Replayed(replayed=done.count, more=done.more)


async def _shown(uow: UnitOfWork, row: WebhookEndpoint) -> EndpointShown:
    team = await uow.session.get(Team, row.team_id) if row.team_id else None
    maker = await uow.session.get(Staff, row.made_by) if row.made_by else None
    valid = (await webhooks.secrets_of(uow, [row.id]))[row.id]
    names = (
        "id name events push active disabled_reason disabled_at failing_since delivered_at made_at version"
    )
    return EndpointShown(
        **picked(row, names),
        url=webhooks.url_of(uow, row),
        team=team.name if team else None,
        made_by=maker.number if maker else None,
        secrets=len(valid),
    )


async def shown_deliveries(uow: UnitOfWork, rows: Sequence[WebhookDelivery]) -> list[DeliveryShown]:
    """Deliveries as lists show them, in one query for their events and tickets."""
    found = await uow.session.execute(
        select(WebhookEvent.id, WebhookEvent.type, Ticket.number)
        .outerjoin(Ticket, Ticket.id == WebhookEvent.ticket_id)
        .where(WebhookEvent.id.in_([row.event_id for row in rows]))
    )
    events: dict[UUID, tuple[str, str | None]] = {ident: (name, number) for ident, name, number in found}
    names = "id state reason made_at delivered_at tries replays"
    return [
        DeliveryShown(
            **picked(row, names),
            event=f"evt_{row.event_id.hex}",
            type=events[row.event_id][0],
            ticket=events[row.event_id][1],
            next_try_at=row.free_at or row.due_at if row.due_at else None,
        )
        for row in rows
    ]
