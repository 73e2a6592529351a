"""A workshop on a test's database, and promised rows to put into it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from models.crypto import new_key
from models.gate import WriteGate
from models.intake import IntakeEvent
from models.session import make_engine, make_gate
from models.vocabulary import Lane
from tests.fakes import ManualClock
from workers.bells import Bell, Ring
from workers.clock import Clock
from workers.policy import load_policy
from workers.settings import Settings, load_settings
from workers.unit_of_work import UnitOfWork, Vault, Workshop


@dataclass
class BellBook:
    """A `Ring` that writes down what was rung."""

    rung: list[Bell] = field(default_factory=list)

    def __call__(self, bells: Collection[Bell]) -> None:
        self.rung.extend(sorted(bells))


def settings_on(database_url: str, broker_url: str = "") -> Settings:
    """Settings with a fresh key ring on a test's database and broker."""
    return load_settings(
        {
            "CLOSELOOP_SECRET_KEYS": f"test:{base64.b64encode(new_key()).decode()}",
            "CLOSELOOP_DATABASE_URL": database_url,
            "CLOSELOOP_BROKER_URL": broker_url,
        },
        Path("/nowhere"),
    )


async def beside(work: Callable[[], Awaitable[Any]]) -> Any:
    """The result of `work`, run in a thread and event loop of its own."""
    return await asyncio.to_thread(lambda: asyncio.run(_await(work)))


async def _await(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


@asynccontextmanager
async def workshop_on(
    database_url: str,
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    ring: Ring | None = None,
    gate: WriteGate | None = None,
) -> AsyncIterator[Workshop]:
    """A workshop for the running event loop; its connections are closed at the end."""
    settings = settings or settings_on(database_url)
    engine = make_engine(database_url)
    workshop = Workshop(
        engine,
        gate or make_gate(database_url),
        clock or ManualClock(),
        Vault(settings.secret_keys, lost=settings.lost_keys),
        settings,
        load_policy("support-response"),
        ring or BellBook(),
    )
    try:
        yield workshop
    finally:
        await engine.dispose()


def event_due(
    uow: UnitOfWork, due_at: datetime | None, *, name: str = "", lane: Lane = Lane.NORMAL
) -> IntakeEvent:
    """A stored event that is due at `due_at`; `name` is its external id (any if empty)."""
    event = IntakeEvent(
        source="test",
        external_id=name or uow.vault.new_token(),
        received_at=uow.clock.now(),
        lane=lane,
        due_at=due_at,
        data_key_id=uow.vault.system_key_id,
    )
    uow.session.add(event)
    return event
