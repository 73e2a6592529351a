"""Escalations that are committed one by one while something else goes on, as the steps commit them."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.base import new_id
from models.people import Staff
from models.session import make_engine
from models.tickets import Ticket
from models.vocabulary import Lane, Medium
from workers.bells import Ring
from workers.clock import SystemClock
from workers.directory import ensure_administrator
from workers.escalations import link
from workers.notifications import Notice, Recipient, notify
from workers.notifications.facts import staff_ticket_facts
from workers.policy import load_policy
from workers.settings import Settings
from workers.unit_of_work import UnitOfWork, Vault, Workshop

KIND = "escalation_request"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many escalations at random moments within `seconds`; the same `seed` gives the same moments."""

    count: int
    seconds: float
    seed: int = 1

    def moments(self) -> list[float]:
        """Seconds from the start, in order."""
        chance = random.Random(self.seed)
        return sorted(chance.uniform(0, self.seconds) for _ in range(self.count))


def commit_escalations(settings: Settings, ring: Ring, plan: Plan) -> dict[str, float]:
    """Commit them; recipient → Unix time just before its COMMIT was sent."""
    return asyncio.run(_commit_all(settings, ring, plan))


async def _commit_all(settings: Settings, ring: Ring, plan: Plan) -> dict[str, float]:
    engine = make_engine(settings.database_url)
    workshop = Workshop(
        engine,
        None,
        SystemClock(),
        Vault(settings.secret_keys),
        settings,
        load_policy(settings.policy),
        ring,
    )
    try:
        async with workshop.begin() as uow:
            await ensure_administrator(uow)
            leader = (await uow.session.scalars(select(Staff.id))).first()
            tickets = list(await uow.session.scalars(select(Ticket.id).limit(plan.count)))
        assert leader is not None
        committed: dict[str, float] = {}
        start = time.monotonic()
        for place, moment in enumerate(plan.moments()):
            await asyncio.sleep(max(0.0, start + moment - time.monotonic()))
            address = f"leader.{place:05}@example.com"
            async with workshop.begin() as uow:
                await _escalate(uow, tickets[place % len(tickets)], leader, address)
                await uow.session.flush()
                committed[address] = time.time()
        return committed
    finally:
        await engine.dispose()


async def _escalate(uow: UnitOfWork, ticket_id: UUID, leader: UUID, address: str) -> None:
    """As `workers.tickets.extending` asks a supervisor, but each time at another address."""
    ticket = await uow.session.get_one(Ticket, ticket_id)
    entry = new_id()
    facts = {
        **await staff_ticket_facts(uow, ticket),
        "reason": "We need the payment provider to look into this.",
        "resources": "One second-line engineer of the provider",
        "new_expected_at": None,
        "requested_by": "Li Lei",
    }
    notice = Notice(
        kind=KIND,
        fact=entry.hex,
        ticket=ticket,
        facts=facts,
        links={name: link(name, entry) for name in ("approve", "decline")},
        lane=Lane.URGENT,
    )
    await notify(uow, Recipient(address, Medium.EMAIL, "Leader", "en", staff_id=leader), notice)
