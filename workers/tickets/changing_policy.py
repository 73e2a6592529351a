"""A person puts another policy in force while everything runs, and all open tickets come under it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from models.keys import PolicyChange
from workers.errors import Conflict
from workers.in_force import LOOK_AGAIN, judged_by_others, latest_change, put_in_force
from workers.policy import Policy
from workers.tickets.replanning import BATCH, Replanned, replan_batch
from workers.unit_of_work import UnitOfWork, Workshop

SETTLED_AFTER = LOOK_AGAIN + 0.5
"""Seconds after which no process opens tickets under the version before any more."""

TRY_AGAIN = 0.5


@dataclass(slots=True)
class Applied:
    """What an application did: its change, how many tickets were planned anew, what became of their clocks
    (counted by moved, added, withdrawn, kept, alarms), and the numbers of tickets that could not be.
    """

    change: PolicyChange
    new: bool
    tickets: int = 0
    shifts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)


class _OnlyTried(Exception):
    """Rolls a dry run back."""


async def apply_policy(
    workshop: Workshop,
    policy: Policy,
    *,
    made_by: str | None,
    reason: str | None,
    tick: Callable[[int, int], None],
) -> Applied:
    """Put `policy` in force for all processes and plan all tickets that are not closed anew, in batches.

    `tick(done, all)` hears of each batch. Broken off at any moment it can be begun again: what has been done
    stays done. Raises Conflict when somebody else applies another version meanwhile.
    """
    async with workshop.begin() as uow:
        before = await latest_change(uow.session)
        change = await put_in_force(uow.session, policy, uow.clock, made_by=made_by, reason=reason)
        applied = Applied(change, before is None or before.number != change.number)
    quiet_from = time.monotonic() + (SETTLED_AFTER if applied.new else 0.0)
    while True:
        begun = time.monotonic()
        await _pass(workshop, applied, tick)
        if begun >= quiet_from:
            return applied
        # Other processes may still open tickets under the version before for a moment.
        await asyncio.sleep(max(0.0, quiet_from - time.monotonic()))


async def try_policy(workshop: Workshop, policy: Policy, *, tick: Callable[[int, int], None]) -> Applied:
    """What `apply_policy` would do, without anything being changed."""
    tried: Applied | None = None
    after: UUID | None = None
    while True:
        found = 0
        try:
            async with workshop.begin() as uow:
                before = await latest_change(uow.session)
                change = await put_in_force(uow.session, policy, uow.clock, made_by=None, reason=None)
                uow.session.expunge(change)
                tried = tried or Applied(change, before is None or before.number != change.number)
                total = tried.tickets + await judged_by_others(uow.session, change.version_id)
                tickets = await replan_batch(uow, change.version_id, change.number, after=after)
                for ticket in tickets:
                    tried.shifts.update(shift.what for shift in ticket.shifts)
                tried.tickets += len(tickets)
                after = tickets[-1].ticket_id if tickets else after
                found = len(tickets)
                raise _OnlyTried
        except _OnlyTried:
            tick(tried.tickets if tried else 0, total)
        if tried is not None and found < BATCH:
            return tried


async def _pass(workshop: Workshop, applied: Applied, tick: Callable[[int, int], None]) -> None:
    """All tickets of other versions once; a ticket that fails does not keep the others."""
    async with workshop.read() as uow:
        total = applied.tickets + await judged_by_others(uow.session, applied.change.version_id)
    after: UUID | None = None
    applied.failed.clear()
    while done := await _batch(workshop, applied.change, after):
        after = done[-1].ticket_id
        applied.failed += [ticket.number for ticket in done if ticket.failed]
        good = [ticket for ticket in done if not ticket.failed]
        applied.tickets += len(good)
        applied.shifts.update(shift.what for ticket in good for shift in ticket.shifts)
        tick(applied.tickets, total)


async def _batch(workshop: Workshop, change: PolicyChange, after: UUID | None) -> list[Replanned]:
    """One transaction; tried again when the database broke it off (a deadlock, a restart)."""
    for last in (False, False, True):
        try:
            async with workshop.begin() as uow:
                await _must_stand(uow, change)
                return await replan_batch(uow, change.version_id, change.number, after=after, limit=BATCH)
        except DBAPIError:
            if last:
                raise
            await asyncio.sleep(TRY_AGAIN)
    raise AssertionError("the last try gives or raises")


async def _must_stand(uow: UnitOfWork, change: PolicyChange) -> None:
    latest = await latest_change(uow.session)
    if latest is None or latest.number != change.number:
        raise Conflict(
            "another version of the policy was put in force meanwhile",
            hint="its own application plans the remaining tickets",
        )
