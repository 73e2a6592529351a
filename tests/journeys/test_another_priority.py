"""Another priority plans clocks anew from the same start; what stays as it was is told to nobody again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from models.vocabulary import DeadlineState, Priority
from tests.callers import CAROL, LILEI, RESULT, handler_of, new_request
from tests.conftest import Backend
from tests.house import House, open_house
from workers.policy import load_policy
from workers.tickets.auditing import audit_batch

pytestmark = pytest.mark.anyio

TRACKING = {"policy": "response-tracking"}  # thirty minutes, whether medium or high
AFTER_SALES = {"policy": "after-sales"}


async def recounted(house: House) -> None:
    """What the clocks say comes out once more from the logs alone."""
    async with house.workshop.read() as uow:
        assert [each for one in await audit_batch(uow) for each in one.differences] == []


async def urged(house: House) -> None:
    receipt = await house.mail_of("receipt")
    await house.mail(LILEI, "请尽快！", answers=receipt)
    assert (await house.ticket()).priority is Priority.HIGH


async def test_who_was_warned_of_a_limit_that_stays_is_not_warned_again(backend: Backend) -> None:
    async with open_house(backend, settings=TRACKING) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        limit = (await house.deadlines())["first_response"].limit_at
        await house.pass_time(timedelta(minutes=16))
        subject = f"[{number}]"
        before = len(house.mails_to(handler, subject))
        await urged(house)
        row = (await house.deadlines())["first_response"]
        assert (row.generation, row.limit_at) == (1, limit)
        assert len(await house.notifications("acceptance_reminder")) == 1
        # The handler got what the customer wrote; only the supervisor had not been warned yet.
        assert len(house.mails_to(handler, subject)) == before + 1
        assert len(await house.notifications("first_response_warning")) == 2
        assert house.mails_to(CAROL, subject)
        await recounted(house)


async def test_who_has_acknowledged_a_breach_is_not_told_of_it_again(backend: Backend) -> None:
    async with open_house(backend, settings=TRACKING) as house:
        number = await new_request(house)
        limit = (await house.deadlines())["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit)
        await house.api("POST", f"/tickets/{number}/acknowledge", by=CAROL)
        heard = len(await house.notifications("breach"))
        await urged(house)
        await house.pass_time(timedelta(hours=6))
        assert len(await house.notifications("breach")) == heard, "the ladder stays where it was stopped"
        row = (await house.deadlines())["first_response"]
        assert (row.generation, row.state, row.limit_at) == (1, DeadlineState.BREACHED, limit)
        assert (await house.ticket()).overdue_count == 1
        await recounted(house)


@pytest.mark.parametrize("promised", [False, True], ids=["expected", "promised"])
async def test_a_re_opened_request_that_is_urgent_has_its_limit_unless_a_person_promised_another(
    backend: Backend, promised: bool
) -> None:
    async with open_house(backend, settings=AFTER_SALES) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        await house.api("POST", f"/tickets/{number}/first-response", {}, by=handler)
        await house.api("POST", f"/tickets/{number}/accept", by=handler)
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
        await house.pass_time(timedelta(minutes=5))
        await house.api("POST", f"/tickets/{number}/confirm", {"solved": False}, by=handler)
        before = (await house.deadlines())["resolution"].limit_at
        if promised:
            await house.api("POST", f"/tickets/{number}/accept", by=handler)
        await house.api("PATCH", f"/tickets/{number}", {"priority": "urgent"}, by=CAROL)
        ticket, row = await house.ticket(), (await house.deadlines())["resolution"]
        assert row.limit_at == (before if promised else ticket.opened_at + timedelta(hours=2))
        assert ticket.expected_resolution_at == row.limit_at
        await recounted(house)


async def test_a_limit_of_acceptance_counts_from_the_transfer_whatever_the_priority(
    backend: Backend, tmp_path: Path
) -> None:
    text = load_policy("support-response").version_text
    table = '[limits.acceptance]\nurgent = "15m"\nhigh = "1h"\nmedium = "2h"\nlow = "2h"\n\n[warnings]'
    draft = tmp_path / "accepting.toml"
    draft.write_text(text.replace("\n[warnings]", f"\n{table}", 1), encoding="utf-8")
    async with open_house(backend, settings={"policy": str(draft)}) as house:
        number = await new_request(house)
        other = {"alice@help.example": "CS002", "bob@help.example": "CS001"}[await handler_of(house)]
        await house.pass_time(timedelta(hours=1, minutes=30))
        body = {"to": other, "reason": "knows more"}
        await house.api("POST", f"/tickets/{number}/transfer", body, by=CAROL)
        handed_on = house.clock.now()
        await house.api("PATCH", f"/tickets/{number}", {"priority": "high"}, by=CAROL)
        row = (await house.deadlines())["acceptance"]
        assert (row.state, row.limit_at) == (DeadlineState.RUNNING, handed_on + timedelta(hours=1))
        assert (await house.ticket()).overdue_count == 0, "whoever has just got it is not late"
        await recounted(house)
