"""Mail that a provider only announces: it keeps no other mail waiting, and does not wait for ever."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from models.intake import IntakeEvent
from models.vocabulary import EventState, Lane
from tests.conftest import Backend
from tests.factories import all_of, make_team, make_workshop
from tests.fakes import ManualClock
from tests.mail_hooks_json import SUPPORT, URLS
from tests.mail_hooks_reading import RAW
from workers.errors import Unavailable
from workers.intake.desk import LONGEST_HELD, work_off
from workers.intake.outside import Outside
from workers.intake.store import Event, store
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio


class Away:
    """A provider's API that does not answer; counts who asks."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(
        self, url: str, *, hosts: Collection[str], cap: int, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """See `Fetch`."""
        self.asked += 1
        raise Unavailable("api.resend.com does not answer in time")


async def _store(workshop: Workshop, event: Event) -> None:
    async with workshop.begin() as uow:
        assert await store(uow, event)


def _announced(number: int) -> Event:
    details = {"details": {"email_id": f"56761188-7520-42d8-8898-{number:012d}"}, "to": SUPPORT}
    return Event("resend", f"received:{number}", "mail", b"{}", details)


async def _states(workshop: Workshop) -> dict[str, tuple[EventState, str | None, bool]]:
    rows = await all_of(workshop, IntakeEvent)
    return {row.external_id: (row.state, row.reason, row.free_at is not None) for row in rows}


async def test_who_waits_for_a_providers_api_keeps_nobody_else_waiting(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.intake.desk.SHARE_SECONDS", -1.0)  # as if the first one had used it up
    api, clock = Away(), ManualClock()
    async with make_workshop(backend, clock, email_hooks=(URLS["resend"],)) as workshop:
        await make_team(workshop)
        for number in range(3):
            await _store(workshop, _announced(number))
        await _store(workshop, Event("raw", "r1", "mail", RAW, {"to": SUPPORT}))
        assert await work_off(workshop, Lane.NORMAL, Outside(api)) == 4
        states = await _states(workshop)
        assert states.pop("r1")[0] is EventState.DONE
        assert api.asked == 1
        why = "api.resend.com does not answer in time"
        held = [name for name, state in states.items() if state == (EventState.RECEIVED, why, True)]
        untouched = [name for name, state in states.items() if state == (EventState.RECEIVED, None, False)]
        assert (len(held), len(untouched)) == (1, 2)


async def test_a_mail_that_never_can_be_fetched_is_laid_aside_after_three_days(backend: Backend) -> None:
    api, clock = Away(), ManualClock()
    async with make_workshop(backend, clock, email_hooks=(URLS["resend"],)) as workshop:
        await make_team(workshop)
        await _store(workshop, _announced(1))
        for later in (
            timedelta(0),
            timedelta(hours=1),
            LONGEST_HELD - timedelta(hours=2),
            timedelta(hours=2),
        ):
            clock.advance(later)
            async with workshop.begin() as uow:
                await uow.session.execute(
                    update(IntakeEvent).values(free_at=datetime(2020, 1, 1, tzinfo=UTC))
                )
            before = (await all_of(workshop, IntakeEvent))[0]
            assert before.state is EventState.RECEIVED
            await work_off(workshop, Lane.NORMAL, Outside(api))
        (row,) = await all_of(workshop, IntakeEvent)
        assert (row.state, row.due_at) == (EventState.POISON, None)
        assert "does not answer" in (row.reason or "")
        assert api.asked == 4
