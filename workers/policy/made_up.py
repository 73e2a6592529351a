"""A month of requests that never were, as support desks see them. The same seed makes the same month.

Shares and spreads are made up within the bounds of common sense; they serve to compare two policies on the
same requests, not to foretell how many will come.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from models.vocabulary import Category, Medium, Priority
from workers.policy.limit_parts import Case
from workers.policy.plan import SlaClock
from workers.policy.policy import Policy
from workers.policy.replay import Story

Word = TypeVar("Word")

DAYS = 30
IN_HOURS = 0.85
NEVER = 0.02
VIP = 0.1
PRIORITIES: Mapping[Priority, float] = {
    Priority.URGENT: 5,
    Priority.HIGH: 20,
    Priority.MEDIUM: 55,
    Priority.LOW: 20,
}
CATEGORIES: Mapping[Category, float] = {
    Category.PRE_SALES: 20,
    Category.AFTER_SALES_TECHNICAL: 35,
    Category.AFTER_SALES_REQUEST: 25,
    Category.COMPLAINT: 10,
    Category.OTHER: 10,
}
CHANNELS: Mapping[Medium, float] = {Medium.EMAIL: 80, Medium.SMS: 10, Medium.PHONE: 10}


def made_up_month(policy: Policy, count: int, begins: datetime, seed: int) -> Iterator[Story]:
    """`count` requests within 30 days from `begins` (UTC), worked on at the pace that `policy` asks for.

    Most come while the desk is open. Most steps take well less than their limit, some longer, and a few
    never happen.
    """
    chance = random.Random(seed)  # noqa: S311 — a sample that can be drawn again, no secret
    end = begins + timedelta(days=DAYS)
    open_time = policy.calendar.between(begins, end)
    for _ in range(count):
        if chance.random() < IN_HOURS and open_time:
            arrived = policy.calendar.add(begins, open_time * chance.random())
        else:
            arrived = begins + (end - begins) * chance.random()
        priority, category = _one(chance, PRIORITIES), _one(chance, CATEGORIES)
        level = "vip" if chance.random() < VIP else None
        channel = _one(chance, CHANNELS)
        team = policy.assignment(category, None, level, priority, channel).team
        case = Case(priority, category, level, team, channel)
        yield _story(policy, chance, case, arrived.replace(microsecond=0), end + timedelta(days=DAYS))


def _story(policy: Policy, chance: random.Random, case: Case, start: datetime, until: datetime) -> Story:
    response = policy.limit_at(SlaClock.FIRST_RESPONSE, case, start)
    assert response is not None  # every policy has this limit
    plan = policy.limit_at(SlaClock.PLAN, case, start)
    accepted = _after(chance, start, response, 0.25) or start
    solved = policy.limit_at(SlaClock.RESOLUTION, case, start) or policy.expected_resolution(case, accepted)
    answered = _after(chance, start, response, 0.5)
    looked_at = [
        limit + timedelta(minutes=chance.lognormvariate(3.5, 0.8))
        for limit in (response, plan, solved)
        if limit
    ]
    return Story(
        case=case,
        opened_at=start,
        known_until=until,
        first_response_at=answered,
        accepted_at=accepted,
        planned_at=_after(chance, start, plan, 0.5) if plan else None,
        resolved_at=_after(chance, answered or start, max(solved, answered or start), 0.6),
        acknowledged=tuple(looked_at),
    )


def _after(chance: random.Random, start: datetime, limit: datetime, part: float) -> datetime | None:
    """When something happens that usually takes `part` of the time up to its limit."""
    taken = chance.lognormvariate(0.0, 0.7) * part
    return start + (limit - start) * taken if chance.random() >= NEVER else None


def _one(chance: random.Random, shares: Mapping[Word, float]) -> Word:
    return chance.choices(list(shares), list(shares.values()))[0]
