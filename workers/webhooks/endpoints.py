"""Endpoints: entered, changed, switched off and on, given new secrets. The only writer but for what posting
finds out about them.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update

from models.base import new_id
from models.people import Staff, Team
from models.webhooks import WebhookDelivery, WebhookEndpoint, WebhookSecret, WebhookState
from workers.errors import Conflict, InvalidInput, NotFound
from workers.outbound import checked_url
from workers.text import one_line
from workers.unit_of_work import UnitOfWork
from workers.webhooks.catalogue import BY_NAME

PREFIX = "whsec_"
SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64 bytes of randomness."""
MOST_ENDPOINTS = 50
KEEP_OLD = timedelta(hours=24)
LONGEST_KEPT = timedelta(days=7)
URL, SECRET = "webhook_endpoints.url", "webhook_secrets.secret"
BY_STAFF, GONE, FAILING = "by_staff", "gone", "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointGiven:
    """An endpoint that is wanted. `team`: the name of the team whose tickets it hears of; None: all."""

    name: str
    url: str
    events: Collection[str]
    push: bool = False
    team: str | None = None


async def add_endpoint(
    uow: UnitOfWork, given: EndpointGiven, by: Staff | None = None
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint, and its secret, which is never shown again.

    Raises InvalidInput, NotFound for the team, Conflict for a name in use.
    """
    count = select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))
    if (await uow.session.scalar(count) or 0) >= MOST_ENDPOINTS:
        raise Conflict(f"there are {MOST_ENDPOINTS} endpoints already", hint="delete one that nobody needs")
    row = WebhookEndpoint(
        id=new_id(),
        events=_events(given.events, push=given.push),
        push=given.push,
        team_id=await _team_id(uow, given.team),
        active=True,
        version=1,
        made_by=by.id if by else None,
        made_at=uow.clock.now(),
        failures=0,
        name=_name(given.name),
        **_place(uow, given.url),
    )
    if not await uow.insert_new(row):
        raise Conflict("there is an endpoint of this name", hint="choose another one")
    return row, await _new_secret(uow, row)


async def change_endpoint(
    uow: UnitOfWork, row: WebhookEndpoint, changes: Mapping[str, Any]
) -> WebhookEndpoint:
    """Change name, url, events, push, team or active; raises as `add_endpoint`.

    What waits for an endpoint that is switched off is stopped; switched on, it begins with a clean slate.
    """
    if "name" in changes and _name(changes["name"]) != row.name:
        row.name = await _free_name(uow, _name(changes["name"]))
    if "url" in changes:
        for name, value in _place(uow, changes["url"]).items():
            setattr(row, name, value)
    if "push" in changes:
        row.push = bool(changes["push"])
    if "events" in changes or "push" in changes:
        row.events = _events(changes.get("events", row.events), push=row.push)
    if "team" in changes:
        row.team_id = await _team_id(uow, changes["team"])
    if "active" in changes and changes["active"] != row.active:
        if changes["active"]:
            row.active, row.disabled_reason, row.disabled_at = True, None, None
            row.failures, row.failing_since, row.resting_until = 0, None, None
        else:
            await disable(uow, row, BY_STAFF)
    row.version += 1
    await uow.session.flush()
    return row


async def disable(uow: UnitOfWork, row: WebhookEndpoint, reason: str) -> None:
    """It hears nothing any more; what waits for it is stopped, and can be replayed later."""
    row.active, row.disabled_reason, row.disabled_at = False, reason, uow.clock.now()
    row.resting_until = None
    await uow.session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == row.id, WebhookDelivery.due_at.is_not(None))
        .where(WebhookDelivery.state != WebhookState.SENDING)
        .values(
            state=WebhookState.STOPPED,
            reason="endpoint_disabled",
            due_at=None,
            free_at=None,
            lease_token=None,
        )
        .execution_options(synchronize_session=False)
    )


async def delete_endpoint(uow: UnitOfWork, row: WebhookEndpoint) -> None:
    """It is gone for everybody, its secrets and its address for good; its log stays until it is purged."""
    await disable(uow, row, BY_STAFF)
    row.deleted_at, row.version = uow.clock.now(), row.version + 1
    row.name = f"{row.name[:50]}~{row.id.hex[-12:]}"
    row.url_sealed = uow.vault.system_sealer().seal("", URL)
    await uow.session.execute(delete(WebhookSecret).where(WebhookSecret.endpoint_id == row.id))
    await uow.session.flush()


async def rotate_secret(uow: UnitOfWork, row: WebhookEndpoint, keep: timedelta = KEEP_OLD) -> str:
    """A new secret; the old ones go on being valid for `keep`, zero if they have become known.

    Calls are signed with all valid ones meanwhile. Raises InvalidInput.
    """
    if not timedelta() <= keep <= LONGEST_KEPT:
        raise InvalidInput("an old secret lives from 0 to 168 hours more")
    ends = uow.clock.machine() + keep
    await uow.session.execute(
        update(WebhookSecret)
        .where(WebhookSecret.endpoint_id == row.id)
        .where(or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > ends))
        .values(expires_at=ends)
    )
    row.version += 1
    return await _new_secret(uow, row)


async def endpoint_named(uow: UnitOfWork, name: str, *, hold: bool = False) -> WebhookEndpoint:
    """The endpoint with this id or name. Raises NotFound."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))
    try:
        query = query.where(WebhookEndpoint.id == UUID(name))
    except ValueError:
        query = query.where(WebhookEndpoint.name == name)
    row = await uow.session.scalar(query.with_for_update() if hold else query)
    if row is None:
        raise NotFound("there is no such endpoint", hint="closeloop webhook list shows them")
    return row


async def every_endpoint(uow: UnitOfWork) -> Sequence[WebhookEndpoint]:
    """All endpoints, the newest first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))
    return (await uow.session.scalars(query.order_by(WebhookEndpoint.id.desc()))).all()


def url_of(uow: UnitOfWork, row: WebhookEndpoint) -> str:
    """The address of an endpoint, in clear: for administrators and for the call itself."""
    return uow.vault.system_sealer().text(row.url_sealed, URL)


async def secrets_of(uow: UnitOfWork, endpoint_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """The valid secrets of each endpoint, the newest first."""
    found = await uow.session.scalars(
        select(WebhookSecret)
        .where(WebhookSecret.endpoint_id.in_(endpoint_ids))
        .where(or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > uow.clock.machine()))
        .order_by(WebhookSecret.id.desc())
    )
    sealer = uow.vault.system_sealer()
    known: dict[UUID, list[str]] = {ident: [] for ident in endpoint_ids}
    for row in found:
        known[row.endpoint_id].append(sealer.text(row.secret_sealed, SECRET))
    return known


async def _new_secret(uow: UnitOfWork, row: WebhookEndpoint) -> str:
    words = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    sealed = uow.vault.system_sealer().seal(words, SECRET)
    made = WebhookSecret(
        id=new_id(), endpoint_id=row.id, secret_sealed=sealed, made_at=uow.clock.machine(), expires_at=None
    )
    await uow.add(made)
    return words


def _name(given: str) -> str:
    name = one_line(given).strip()
    if not 1 <= len(name) <= 64 or "/" in name or "~" in name:
        raise InvalidInput("an endpoint needs a name of at most 64 characters, without / and ~")
    return name


async def _free_name(uow: UnitOfWork, name: str) -> str:
    if await uow.session.scalar(select(WebhookEndpoint.id).where(WebhookEndpoint.name == name)):
        raise Conflict("there is an endpoint of this name", hint="choose another one")
    return name


def _place(uow: UnitOfWork, url: str) -> dict[str, Any]:
    allowed, http = uow.settings.webhook_networks, uow.settings.webhook_http
    parts = checked_url(url.strip(), http=http, allowed=allowed)
    sealed = uow.vault.system_sealer().seal(parts.geturl(), URL)
    return {"url_sealed": sealed, "host": parts.netloc[:255]}


def _events(names: Collection[str], *, push: bool) -> list[str]:
    wanted = set(names)
    if "*" in wanted:
        wanted = set(BY_NAME)
    if unknown := sorted(wanted - set(BY_NAME)):
        raise InvalidInput(f"there is no event {unknown[0][:40]}", hint=", ".join(BY_NAME))
    if not wanted and not push:
        raise InvalidInput("an endpoint that hears nothing is of no use", hint='name events, or "*" for all')
    return [name for name in BY_NAME if name in wanted]


async def _team_id(uow: UnitOfWork, name: str | None) -> UUID | None:
    if not name:
        return None
    found = await uow.session.scalar(select(Team.id).where(Team.name == name))
    if found is None:
        raise NotFound(f"there is no team named {name[:64]}", hint="closeloop team list shows them")
    return found
