"""Store what came in before anybody is answered, once; open it again for reading."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.dialects import postgresql, sqlite

from models.base import TRACE, new_id
from models.crypto import Sealer
from models.intake import IntakeBody, IntakeEvent
from models.keys import DataKey
from models.vocabulary import EventState, Lane
from workers.errors import NotFound
from workers.unit_of_work import UnitOfWork

WANTED = "wanted"
"""In the sealed envelope, beside what the door wrote there."""


@dataclass(frozen=True, slots=True)
class Event:
    """One authentic event: `source` (raw, smtp, twilio …) and `external_id` say which, `raw` is its bytes.

    `kind` is mail, sms or receipt. `envelope` holds what came beside the bytes (from, to, params …).
    `group` names the long SMS that it is a part of. `wanted`: staff have said that it is a request, whatever
    calls it junk. `trace` is that of whoever made this, be it stored by another task.
    """

    source: str
    external_id: str
    kind: str
    raw: bytes
    envelope: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    wanted: bool = False
    trace: str | None = field(default_factory=TRACE.get, compare=False)


def content_id(raw: bytes, recipient: str) -> str:
    """The dedupe key of a mail without a provider's id: its bytes and whom it was for."""
    return hashlib.sha256(raw + b"\0" + recipient.strip().lower().encode()).hexdigest()


async def store(
    uow: UnitOfWork, event: Event, received_at: datetime | None = None, *, poison: str = ""
) -> bool:
    """Write the event, sealed under a key of its own, and ring. False when it was there already.

    With `poison`, the reason why it cannot be handled, it is only kept, to be looked at by a person.
    """
    key_id = await uow.vault.new_key(uow.session)
    now = received_at or uow.clock.now()
    row = IntakeEvent(
        id=new_id(),
        source=event.source,
        external_id=event.external_id[:128],
        kind=event.kind,
        received_at=now,
        state=EventState.POISON if poison else EventState.RECEIVED,
        reason=poison[:200] or None,
        data_key_id=key_id,
        group_hash=uow.vault.lookup("sms-group", f"{event.source}\0{event.group}") if event.group else None,
        lane=Lane.NORMAL,
        due_at=None if poison else now,
        trace=event.trace,
    )
    if not await uow.insert_new(row):
        return False
    sealer = await uow.vault.sealer(uow.session, key_id)
    uow.session.add(
        IntakeBody(
            event_id=row.id,
            envelope_sealed=sealer.seal_json(event.envelope, "intake_bodies.envelope"),
            raw_sealed=sealer.seal(event.raw, "intake_bodies.raw"),
        )
    )
    if not poison:
        uow.ring("intake", row.lane, now)
    return True


async def store_together(uow: UnitOfWork, events: Sequence[Event]) -> list[bool]:
    """As `store` for many events by three statements; for each whether it was new.

    Of equal ones among them one is. Waits for competing transactions in one order, so that two of them never
    wait for each other.
    """
    now, made = uow.clock.now(), dict[tuple[str, str], _Made]()
    for event in sorted(events, key=_name):
        made.setdefault(_name(event), _make(uow, event, now))
    rows = [each.row for each in made.values()]
    dialect = postgresql if uow.session.get_bind().dialect.name == "postgresql" else sqlite
    insert_events = dialect.insert(IntakeEvent).on_conflict_do_nothing().returning(IntakeEvent.id)
    fresh = set(await uow.session.scalars(insert_events, rows))
    new = [each for each in made.values() if each.row["id"] in fresh]
    if new:
        await uow.session.execute(insert(DataKey), [each.key for each in new])
        await uow.session.execute(insert(IntakeBody), [each.body for each in new])
        uow.ring("intake", Lane.NORMAL, now)
    names = {_name(each.event): each.event for each in new}
    return [names.get(_name(event)) is event for event in events]


@dataclass(frozen=True, slots=True)
class _Made:
    event: Event
    row: dict[str, Any]
    key: dict[str, Any]
    body: dict[str, Any]


def _name(event: Event) -> tuple[str, str]:
    return event.source, event.external_id[:128]


def _make(uow: UnitOfWork, event: Event, now: datetime) -> _Made:
    ident = new_id()
    key, sealer = uow.vault.make_key()
    group = uow.vault.lookup("sms-group", f"{event.source}\0{event.group}") if event.group else None
    row = {
        "id": ident,
        "source": event.source,
        "external_id": event.external_id[:128],
        "kind": event.kind,
        "received_at": now,
        "state": EventState.RECEIVED,
        "data_key_id": key["id"],
        "group_hash": group,
        "lane": Lane.NORMAL,
        "due_at": now,
        "tries": 0,
        "trace": event.trace,
    }
    body = {
        "event_id": ident,
        "envelope_sealed": sealer.seal_json(event.envelope, "intake_bodies.envelope"),
        "raw_sealed": sealer.seal(event.raw, "intake_bodies.raw"),
    }
    return _Made(event, row, key, body)


async def load(uow: UnitOfWork, row: IntakeEvent) -> Event:
    """The event as it came in. Raises NotFound when its body was purged."""
    body = await uow.session.get(IntakeBody, row.id)
    if body is None:
        raise NotFound("the body of this event has been purged")
    return opened(row, body, await uow.vault.sealer(uow.session, row.data_key_id))


def opened(row: Any, body: Any, sealer: Sealer) -> Event:
    """The event in its sealed body: both rows, or the columns of both."""
    envelope = sealer.json(body.envelope_sealed, "intake_bodies.envelope")
    raw = sealer.open(body.raw_sealed, "intake_bodies.raw")
    wanted = bool(envelope.pop(WANTED, False))
    return Event(row.source, row.external_id, row.kind or "mail", raw, envelope, wanted=wanted)
