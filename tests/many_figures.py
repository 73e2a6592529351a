"""What tests of kept figures share: a past that counts as many and slow, questions, and who worked it out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from models.deadlines import Errand
from models.vocabulary import Lane
from tests.conftest import Backend
from tests.factories import make_workshop
from tests.fakes import ManualClock
from tests.fetching import until
from tests.measured import BEGIN, make_past
from workers import errands
from workers.measures import (
    ALL,
    CATALOGUE,
    EVERYTHING,
    FIGURES,
    Asking,
    Figures,
    GroupFigures,
    Named,
    Told,
    by_group,
    figures,
    kept_once,
    named_period,
)
from workers.measures.kept_answers import worked_out
from workers.unit_of_work import UnitOfWork, Workshop

ZONE = ZoneInfo("Asia/Shanghai")
NOW = BEGIN + timedelta(days=100)
EVERY = tuple(CATALOGUE)


@asynccontextmanager
async def many_and_slow(
    backend: Backend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workshop]:
    """A past of which everything counts as many and slow."""
    monkeypatch.setattr(kept_once, "MANY", 1)
    monkeypatch.setattr(kept_once, "SLOW", 0.0)
    async with make_workshop(backend, clock) as made:
        await make_past(made, seed=3, tickets=60)
        yield made


def question(clock: ManualClock, **more: object) -> Asking:
    """All measures of the last three months, but for what is said otherwise."""
    plain = Asking(EVERYTHING, named_period(Named.LAST_3_MONTHS, clock.now(), ZONE), ALL, EVERY)
    return replace(plain, **more)  # type: ignore[arg-type]  # fields by name


async def live(workshop: Workshop, asking: Asking) -> Figures | list[GroupFigures]:
    """The same, worked out now."""
    async with workshop.read() as uow:
        if asking.group is None:
            return await figures(uow, asking.viewer, asking.days, asking.narrowing, asking.measures)
        of = (asking.days, asking.narrowing, asking.measures, asking.group)
        return await by_group(uow, asking.viewer, *of)


def answer(found: Told) -> Figures | list[GroupFigures]:
    """What was asked for."""
    return found.groups if found.figures is None else found.figures


async def rounds(workshop: Workshop) -> list[datetime]:
    """When the errand comes."""
    async with workshop.read() as uow:
        due = select(Errand.due_at).where(Errand.kind == FIGURES, Errand.due_at.is_not(None))
        return sorted(each for each in await uow.session.scalars(due) if each)


async def go_round(workshop: Workshop, clock: ManualClock) -> None:
    """The errand comes at its time, or as soon as it can."""
    clock.set(max(clock.now(), (await rounds(workshop))[0]))
    assert await errands.fire(workshop, Lane.BULK) == 1


@dataclass
class Workings:
    """Watches what is worked out to be kept: all of it in order, and how many at once at most. While `held`
    nothing is finished.
    """

    begun: list[Asking] = field(default_factory=list)
    at_once: int = 0
    now: int = 0
    held: bool = False

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on."""

        async def counted(uow: UnitOfWork, asking: Asking) -> object:
            self.begun.append(asking)
            self.now += 1
            self.at_once = max(self.at_once, self.now)
            try:
                await until(lambda: not self.held)
                return await worked_out(uow, asking)
            finally:
                self.now -= 1

        monkeypatch.setattr(kept_once, "worked_out", counted)

    def let_go(self) -> None:
        """What was held may be finished."""
        self.held = False
