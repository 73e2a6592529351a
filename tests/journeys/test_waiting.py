"""Waiting for the customer 挂起: clocks stand still, the customer is reminded, an answer lets them run on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.vocabulary import DeadlineState
from tests.callers import LILEI, RESULT, handler_of, new_request
from tests.conftest import Backend
from tests.house import House, open_house, text_of
from workers.policy import load_policy
from workers.tickets.auditing import audit_batch

pytestmark = pytest.mark.anyio


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of March 2026 in Shanghai; the 2nd is the Monday on which stories begin, at 10:00."""
    return datetime(2026, 3, day, hour - 8, minute, tzinfo=UTC)


async def differences(house: House) -> list[object]:
    async with house.workshop.read() as uow:
        return [each for one in await audit_batch(uow) for each in one.differences]


async def test_what_was_left_is_left_when_the_customer_has_answered(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        await house.api("POST", f"/tickets/{number}/first-response", {}, by=handler)
        await house.api("POST", f"/tickets/{number}/accept", by=handler)
        await house.pass_time(until=at(2, 12))
        shown = await house.api("POST", f"/tickets/{number}/wait", {"question": "蓝色还是红色？"}, by=handler)
        clocks = {each["kind"]: each for each in shown["deadlines"] if each["ended_reason"] is None}
        assert shown["waiting_since"] is not None
        assert clocks["resolution"]["state"] == "paused"
        assert clocks["plan"]["state"] == "running"
        assert (await house.ticket()).expected_resolution_at == at(5, 18)
        left = clocks["resolution"]["left"]["seconds"]
        await house.api("POST", f"/tickets/{number}/wait", by=handler, expect=409)
        # Nobody is warned of a clock that stands still, and the customer is reminded with the question.
        await house.pass_time(until=at(3, 10))
        reminder = await house.mail_of("waiting_reminder", to=LILEI)
        assert "蓝色还是红色？" in text_of(reminder)
        shown = await house.api("GET", f"/tickets/{number}")
        assert {e["kind"]: e for e in shown["deadlines"]}["resolution"]["left"]["seconds"] == left
        await house.pass_time(until=at(3, 12))
        await house.mail(LILEI, "蓝色", answers=reminder)
        resolution = (await house.deadlines())["resolution"]
        assert (resolution.state, resolution.limit_at) == (DeadlineState.RUNNING, at(6, 18))
        assert (await house.ticket()).expected_resolution_at == at(6, 18)
        assert (await house.ticket()).waiting_since is None
        assert (await house.deadlines())["waiting"].state is DeadlineState.WITHDRAWN
        (entry,) = [each for each in await house.log() if each.kind == "resumed"]
        assert entry.facts["reason"] == "customer_wrote"
        assert entry.facts["limits"] == {"resolution": at(6, 18).isoformat()}
        assert entry.facts["case"]["team"] == "support"
        await house.pass_time(until=at(6, 17))
        assert len(await house.notifications("resolution_warning")) == 1
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
        assert (await house.deadlines())["resolution"].state is DeadlineState.MET
        assert await differences(house) == []


async def test_by_mail_it_is_begun_and_ends_at_its_longest_however_late_the_check_is(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        await house.api("POST", f"/tickets/{number}/accept", by=handler)
        assignment = await house.mail_of("assignment")
        await house.mail(handler, "#等待客户 请发截图\n\n您好，请把截图发给我们。", answers=assignment)
        ticket = await house.ticket()
        assert ticket.waiting_since == at(2, 10)
        waiting = (await house.deadlines())["waiting"]
        assert waiting.limit_at == at(9, 18)
        # Another priority while it waits: the promise stays, and stands still as before.
        await house.api("PATCH", f"/tickets/{number}", {"priority": "high"}, by=handler)
        assert (await house.deadlines())["resolution"].state is DeadlineState.PAUSED
        # The check of the longest wait comes two hours late: the clocks ran all the same.
        await house.pass_time(until=at(9, 20))
        resolution = (await house.deadlines())["resolution"]
        assert (resolution.state, resolution.limit_at) == (DeadlineState.RUNNING, at(13, 17))
        (entry,) = [each for each in await house.log() if each.kind == "resumed"]
        assert (entry.at, entry.facts["reason"]) == (at(9, 18), "longest")
        assert "请发截图" in text_of(await house.mail_of("waiting_over", to=handler))
        assert len(await house.notifications("waiting_reminder")) == 2
        await house.mail(handler, "#恢复", answers=assignment)
        refused = [each.facts["refused"] for each in await house.log() if each.kind == "commands_refused"]
        assert refused == [[{"command": "resume", "why": "does_not_wait"}]]
        assert await differences(house) == []


async def test_a_plan_after_a_wait_whose_end_nobody_has_seen_is_judged_as_its_log_tells_it(
    backend: Backend, tmp_path: Path
) -> None:
    text = load_policy("support-response").version_text
    both = text.replace('pauses = ["resolution"]', 'pauses = ["plan", "resolution"]')
    assert both != text
    draft = tmp_path / "both.toml"
    draft.write_text(both, encoding="utf-8")
    async with open_house(backend, settings={"policy": str(draft)}) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        await house.api("POST", f"/tickets/{number}/accept", by=handler)
        await house.api("POST", f"/tickets/{number}/wait", by=handler)
        over = (await house.deadlines())["waiting"].limit_at
        assert over is not None
        house.clock.set(over + timedelta(days=3))  # the check of the longest wait has not come round
        given = {"text": "We shall exchange it.", "plan": True}
        await house.api("POST", f"/tickets/{number}/progress", given, by=handler)
        plan = (await house.deadlines())["plan"]
        assert plan.limit_at is not None
        assert (plan.state, plan.limit_at < house.clock.now()) == (DeadlineState.BREACHED, True)
        kinds = await house.log_kinds()
        assert kinds.index("resumed") < kinds.index("plan_given")
        assert await differences(house) == []
