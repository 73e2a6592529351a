"""What a policy would have made of requests that were, or of a month that never was; and another policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from workers.policy import Policy, Story, Tally, made_up_month
from workers.tickets.past import Which, count_past, past_tickets
from workers.unit_of_work import Workshop

STEP = 200
Tick = Callable[[int, int], None]
"""Hears how many tickets are done, of how many."""


@dataclass(slots=True)
class Compared:
    """The same requests twice: by the policy before, and by the draft."""

    before: Tally = field(default_factory=Tally)
    after: Tally = field(default_factory=Tally)

    def add(self, before: Policy, after: Policy, stories: Iterable[Story]) -> None:
        """Count the openings of one request by both."""
        for story in stories:
            self.before.add(before, story)
            self.after.add(after, story)


async def simulate_past(
    workshop: Workshop, draft: Policy, which: Which, *, as_it_was: bool, tick: Tick
) -> Compared:
    """Replay past tickets against `draft`; beside it the policy in force or, `as_it_was`, each ticket's own.

    Only reads; what it holds at once does not grow with the number of tickets.
    """
    compared, total, done = Compared(), await count_past(workshop, which), 0
    async for page in past_tickets(workshop, which):
        async with workshop.read() as uow:
            for past in page:
                before = await uow.policy_of(past.version_id) if as_it_was else uow.policy
                compared.add(before, draft, past.stories)
        done += len(page)
        tick(done, max(total, done))
        await asyncio.sleep(0)
    return compared


def simulate_month(
    before: Policy, draft: Policy, count: int, begins: datetime, *, seed: int, tick: Tick
) -> Compared:
    """The same made-up month (30 days from `begins`) by both; people work at the pace of `before`."""
    compared = Compared()
    for number, story in enumerate(made_up_month(before, count, begins, seed), start=1):
        compared.add(before, draft, [story])
        if number % STEP == 0 or number == count:
            tick(number, count)
    return compared
