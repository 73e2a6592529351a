"""Another policy is applied while everything runs: open tickets are planned anew, judged ones stay judged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from models.base import new_id
from models.deadlines import Deadline
from models.keys import PolicyVersion
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, DeadlineState, Lane, Priority, TicketState
from tests.callers import LILEI, new_request, resolved
from tests.conftest import Backend
from tests.fakes import MONDAY_MORNING
from tests.house import API_KEY, House, link_in, open_house
from workers import in_force
from workers.alarms import firing
from workers.boot import Installation
from workers.errors import Conflict
from workers.policy import READY_MADE, Case, Policy, SlaClock, load_policy, parse_policy
from workers.tickets import Applied, apply_policy, changing_policy, piloting, try_policy
from workers.tickets.auditing import audit_batch
from workers.tickets.piloting import start_pilot, stop_pilot

pytestmark = pytest.mark.anyio

A = load_policy("support-response")
EARLIER = ('medium = "8h"', 'medium = "4h"')


@pytest.fixture(autouse=True)
def processes_that_look_often(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """They look each second, which these stories need not wait for, but for the one about running workers."""
    if "running_workers" not in request.node.name:
        monkeypatch.setattr(in_force, "LOOK_AGAIN", 0.05)
        monkeypatch.setattr(changing_policy, "SETTLED_AFTER", 0.1)


def at(hour: int, minute: int = 0) -> datetime:
    """A time of that Monday, in Shanghai."""
    return datetime(2026, 3, 2, hour - 8, minute, tzinfo=UTC)


def changed(*changes: tuple[str, str]) -> Policy:
    text = A.version_text
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_policy(text)


async def apply(house: House, policy: Policy, tick: Any = None) -> Applied:
    """As another process does it, with a workshop of its own."""
    workshop = house.installation.workshop()
    try:
        applied = await apply_policy(
            workshop, policy, made_by="carol", reason="busy days", tick=tick or (lambda done, of: None)
        )
    finally:
        await workshop.engine.dispose()
    await house.settle()
    return applied


async def open_clocks(house: House) -> dict[tuple[UUID, str], tuple[datetime | None, datetime | None]]:
    """When each open deadline of all tickets is due next, and its limit."""
    async with house.workshop.read() as uow:
        rows = await uow.session.scalars(select(Deadline).where(Deadline.state == DeadlineState.RUNNING))
        return {(row.ticket_id, row.kind.value): (row.due_at, row.limit_at) for row in rows}


async def test_an_open_ticket_comes_under_the_new_limits_and_its_log_says_why(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        before = await house.ticket()
        applied = await apply(house, changed(EARLIER))
        assert (applied.new, applied.tickets, applied.failed) == (True, 1, [])
        assert applied.shifts["moved"] >= 1
        row = (await house.deadlines())["first_response"]
        assert (row.limit_at, row.generation) == (at(14), 2)
        (entry,) = [entry for entry in await house.log() if entry.kind == "policy_changed"]
        moved = {clock["clock"]: clock for clock in entry.facts["clocks"]}["first_response"]
        assert moved["what"] == "moved"
        assert (moved["before"], moved["after"]) == (at(18).isoformat(), at(14).isoformat())
        assert entry.facts["from"]["digest"] == A.digest[:12]
        assert entry.facts["to"]["digest"] == changed(EARLIER).digest[:12]
        ticket = await house.ticket()
        assert ticket.policy_version_id != before.policy_version_id
        async with house.workshop.read() as uow:
            first = await uow.session.scalar(
                select(Deadline)
                .where(Deadline.ticket_id == ticket.id, Deadline.generation == 1)
                .where(Deadline.kind == DeadlineKind.FIRST_RESPONSE)
            )
        assert first is not None
        assert (first.state, first.ended_reason) == (DeadlineState.WITHDRAWN, "policy_changed")
        assert first.policy_version_id == before.policy_version_id
        await house.pass_time(until=at(13, 29))
        assert await house.notifications("first_response_warning") == []
        await house.pass_time(until=at(13, 30))
        await house.pass_time(until=at(13, 59))
        assert len(await house.notifications("first_response_warning")) == 1
        await house.pass_time(until=at(14))
        breached = (await house.deadlines())["first_response"]
        assert (breached.state, breached.breached_at) == (DeadlineState.BREACHED, at(14))


@pytest.mark.parametrize("how", ["applied", "tried", "being-tried"])
async def test_a_request_that_was_closed_and_is_opened_again_goes_by_the_policy_in_force_then(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(piloting, "SETTLED_AFTER", 0.1)
    sooner = changed(('medium = "24h"', 'medium = "4h"'))
    first, then = (sooner, A) if how == "tried" else (A, sooner)
    async with open_house(backend) as house:
        trial: dict[str, Any] = {"made_by": None, "reason": None, "tick": lambda _: None}
        week = house.clock.now() + timedelta(days=7)
        if how == "tried":
            await start_pilot(house.workshop, sooner, ["support"], week, **trial)
            await house.pass_time(timedelta(seconds=1))
        number, handler = await resolved(house)
        assert (await house.ticket()).policy_version_id == await _version(house, first)
        await house.api("POST", f"/tickets/{number}/confirm", {"solved": True}, by=handler)
        await house.pass_time(timedelta(hours=24))
        await house.tap(link_in(await house.mail_of("csat_invitation"), "s"), {"overall": "5"})
        assert (await house.ticket()).state is TicketState.CLOSED
        if how == "tried":
            await stop_pilot(house.workshop, "support", tick=lambda _: None)
        elif how == "applied":
            await apply(house, sooner)
        else:
            await start_pilot(house.workshop, sooner, ["support"], week, **trial)
        await house.settle()
        receipt = await house.mail_of("receipt")
        await house.mail(LILEI, "It has come back.", answers=receipt)
        ticket = await house.ticket()
        assert (ticket.number, ticket.opening) == (number, 2)
        assert ticket.policy_version_id == await _version(house, then)
        limit = (await house.deadlines())["plan"].limit_at
        case = Case(Priority.MEDIUM, ticket.category, team="support", reopened=True)
        assert limit == then.limit_at(SlaClock.PLAN, case, ticket.opened_at)
        assert (await house.api("GET", "/policy"))["judged_by_others"] == 0
        async with house.workshop.read() as uow:
            (audited,) = await audit_batch(uow)
        assert (audited.known, audited.differences) == (True, ())


async def _version(house: House, policy: Policy) -> UUID:
    async with house.workshop.read() as uow:
        found = select(PolicyVersion.id).where(PolicyVersion.digest == policy.digest)
        return (await uow.session.scalars(found)).one()


async def test_running_workers_and_pages_follow_without_a_restart(backend: Backend) -> None:
    async with open_house(backend) as house:
        shown = await house.api("GET", "/policy")
        assert (shown["origin"], shown["change"], shown["digest"]) == ("start", 1, A.digest)
        await apply(house, changed(EARLIER))
        shown = await house.api("GET", "/policy")
        assert (shown["origin"], shown["made_by"], shown["reason"]) == ("apply", "carol", "busy days")
        assert (shown["digest"], shown["judged_by_others"]) == (changed(EARLIER).digest, 0)
        await new_request(house)
        row = (await house.deadlines())["first_response"]
        assert (row.limit_at, row.generation) == (at(14), 1)
        assert "policy_changed" not in await house.log_kinds()


async def test_what_was_applied_wins_over_the_file_a_process_starts_with(backend: Backend) -> None:
    async with open_house(backend) as house:
        await apply(house, changed(EARLIER))
        again = Installation(house.installation.settings, clock=house.clock)
        await again.prepare()
        again.close()
        assert "support-response, applied on 2026-03-02" in again.other_policy
        assert (await house.api("GET", "/policy"))["digest"] == changed(EARLIER).digest
        back = await apply(house, A)
        assert back.new
        assert (await house.api("GET", "/policy"))["digest"] == A.digest


async def test_a_file_that_was_changed_counts_from_the_next_start_on(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        again = Installation(house.installation.settings, clock=house.clock, policy=changed(EARLIER))
        await again.prepare()
        again.close()
        assert again.other_policy == ""
        shown = await house.api("GET", "/policy")
        assert (shown["origin"], shown["digest"]) == ("start", changed(EARLIER).digest)
        assert shown["judged_by_others"] == 1
        assert (await house.deadlines(number))["first_response"].limit_at == at(18)


async def test_nobody_is_warned_twice_of_the_same_moment_and_anew_of_a_new_one(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        await house.pass_time(until=at(17, 30))
        assert len(await house.notifications("first_response_warning")) == 1
        await house.pass_time(until=at(17, 40))
        await apply(house, changed(('first_response = "30m"', 'first_response = "45m"')))
        assert (await house.deadlines())["first_response"].limit_at == at(18)
        assert len(await house.notifications("first_response_warning")) == 1
        await apply(house, changed(('medium = "8h"', 'medium = "1wd"')))
        limit = at(18) + timedelta(days=1)
        assert (await house.deadlines())["first_response"].limit_at == limit
        assert len(await house.notifications("first_response_warning")) == 1
        await house.pass_time(until=limit - timedelta(minutes=30))
        assert len(await house.notifications("first_response_warning")) == 2


async def test_a_limit_never_moves_to_before_the_change(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        await house.pass_time(until=at(15))
        applied = await apply(house, changed(EARLIER))
        assert applied.shifts["kept"] == 2  # the reminders to accept share that limit
        row = (await house.deadlines())["first_response"]
        assert (row.limit_at, row.generation, row.state) == (at(18), 1, DeadlineState.RUNNING)
        (entry,) = [entry for entry in await house.log() if entry.kind == "policy_changed"]
        assert {"clock": "first_response", "what": "kept"}.items() <= entry.facts["clocks"][0].items()


async def test_a_verdict_stays_and_only_the_rungs_left_are_planned_anew(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        await house.pass_time(until=at(18))
        breached = (await house.deadlines())["first_response"]
        assert breached.state is DeadlineState.BREACHED
        tuesday = timedelta(days=1)
        await house.pass_time(until=at(9, 30) + tuesday)
        told = len(await house.notifications("breach"))
        relaxed = changed(('medium = "8h"', 'medium = "2wd"'), ('after = "2h"', 'after = "3h"'))
        await apply(house, relaxed)
        same = (await house.deadlines())["first_response"]
        assert (same.id, same.state, same.limit_at) == (breached.id, DeadlineState.BREACHED, at(18))
        assert same.policy_version_id == breached.policy_version_id
        ladder = (await house.deadlines())["escalation"]
        assert (ladder.alarm_no, ladder.due_at) == (1, at(12) + tuesday)
        await house.pass_time(until=at(11, 59) + tuesday)
        assert len(await house.notifications("breach")) == told
        await house.pass_time(until=at(12) + tuesday)
        assert len(await house.notifications("breach")) > told


async def test_clocks_only_one_version_knows_go_and_come_back(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        start = await open_clocks(house)
        applied = await apply(house, load_policy("response-tracking", zone="Asia/Shanghai"))
        assert applied.shifts["withdrawn"] == 1
        assert (await house.deadlines())["plan"].ended_reason == "policy_changed"
        applied = await apply(house, A)
        assert applied.shifts["added"] == 1
        assert await open_clocks(house) == start


async def test_a_re_opened_ticket_gets_no_clock_that_the_new_version_does_not_start_again(
    backend: Backend,
) -> None:
    async with open_house(backend, settings={"policy": "response-tracking"}) as house:
        number, handler = await resolved(house)
        await house.pass_time(timedelta(minutes=5))
        await house.api("POST", f"/tickets/{number}/confirm", {"solved": False}, by=handler)
        assert "plan" not in await house.deadlines()
        await apply(house, changed(('clocks = ["plan", "resolution"]', 'clocks = ["resolution"]')))
        assert "plan" not in await house.deadlines(), "as if it had been opened again under this version"
        async with house.workshop.read() as uow:
            (audited,) = await audit_batch(uow)
        assert (audited.known, audited.differences) == (True, ())


async def test_there_and_back_again_restores_what_is_due(backend: Backend) -> None:
    async with open_house(backend) as house:
        for priority in ("urgent", "high", "medium", "low"):
            body = {
                "contact": {"email": LILEI},
                "subject": "Order",
                "description": "help",
                "priority": priority,
                "category": "complaint",
            }
            await house.api("POST", "/tickets", body)
        await resolved(house)
        await house.pass_time(timedelta(minutes=61))
        for name in READY_MADE[1:]:
            before = await open_clocks(house)
            await apply(house, load_policy(name))
            assert await open_clocks(house) != before
            await apply(house, A)
            assert await open_clocks(house) == before


async def test_an_application_that_is_broken_off_is_begun_again(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing_policy, "BATCH", 1)

    def break_off(done: int, of: int) -> None:
        assert of == 3
        raise KeyboardInterrupt

    async with open_house(backend) as house:
        for _ in range(3):
            await new_request(house)
        with pytest.raises(KeyboardInterrupt):
            await apply(house, changed(EARLIER), break_off)
        assert (await house.api("GET", "/policy"))["judged_by_others"] == 2
        tried = await try_policy(house.workshop, changed(EARLIER), tick=lambda done, of: None)
        assert (tried.new, tried.tickets) == (False, 2)
        applied = await apply(house, changed(EARLIER))
        assert (applied.new, applied.tickets) == (False, 2)
        applied = await apply(house, changed(EARLIER))
        assert (applied.new, applied.tickets) == (False, 0)
        async with house.workshop.read() as uow:
            logged = (
                await uow.session.scalars(
                    select(TicketEntry.ticket_id).where(TicketEntry.kind == "policy_changed")
                )
            ).all()
        assert len(logged) == len(set(logged)) == 3


async def test_a_ticket_that_cannot_be_planned_costs_no_other(backend: Backend) -> None:
    async with open_house(backend) as house:
        broken, good = await new_request(house), await new_request(house)
        async with house.workshop.begin() as uow:
            odd = PolicyVersion(id=new_id(), digest="odd", name="odd", text="[", applied_at=MONDAY_MORNING)
            uow.session.add(odd)
            await uow.session.flush()
            await uow.session.execute(
                update(Ticket).where(Ticket.number == broken).values(policy_version_id=odd.id)
            )
        applied = await apply(house, changed(EARLIER))
        assert (applied.failed, applied.tickets) == ([broken], 1)
        assert (await house.deadlines(good))["first_response"].limit_at == at(14)
        assert (await house.deadlines(broken))["first_response"].limit_at == at(18)


async def test_only_trying_changes_nothing(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        before, log = await open_clocks(house), await house.log_kinds()
        tried = await try_policy(house.workshop, changed(EARLIER), tick=lambda done, of: None)
        assert (tried.new, tried.tickets, tried.change.number) == (True, 1, 2)
        assert tried.shifts["moved"] >= 1
        assert (await open_clocks(house), await house.log_kinds()) == (before, log)
        assert (await house.api("GET", "/policy"))["change"] == 1


async def test_the_later_of_two_applications_wins(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing_policy, "BATCH", 1)
    async with open_house(backend) as house:
        for _ in range(2):
            await new_request(house)
        first = await apply(house, changed(EARLIER))
        await apply(house, A)
        with pytest.raises(Conflict):
            await changing_policy._batch(house.workshop, first.change, None)
        assert (await house.deadlines())["first_response"].limit_at == at(18)


async def test_answers_at_the_same_time_are_neither_lost_nor_judged_twice(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing_policy, "BATCH", 2)
    async with open_house(backend) as house:
        numbers = []
        for sender in range(8):
            await house.mail(f"customer{sender}@163.example", "help", subject="Order")
            numbers.append((await house.ticket()).number)
        assert len(set(numbers)) == 8

        async def answer(number: str) -> None:
            told = await house.web.post(
                f"/api/v1/tickets/{number}/first-response",
                json={"channel": "phone", "evidence": "call-1"},
                headers={"Authorization": f"Bearer {API_KEY}", "X-Acting-Staff": "SV001"},
            )
            assert told.is_success, told.text

        await asyncio.gather(apply(house, changed(EARLIER)), *(answer(number) for number in numbers))
        await house.pass_time(until=at(18) + timedelta(hours=1))
        async with house.workshop.read() as uow:
            rows = (
                await uow.session.scalars(
                    select(Deadline).where(Deadline.kind == DeadlineKind.FIRST_RESPONSE)
                )
            ).all()
        assert sorted(row.state.value for row in rows if row.ended_reason != "policy_changed") == ["met"] * 8
        assert await house.notifications("first_response_warning") == []


async def test_an_alarm_claimed_just_before_its_answer_is_not_heard(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        row = (await house.deadlines())["first_response"]
        house.clock.set(at(19))
        async with house.workshop.begin() as uow:
            assert [found.id for found in await firing.due_ones(uow, [row.id])] == [row.id]
        async with house.workshop.begin() as uow:
            # An answer was written after the alarm was found and before its ticket was locked.
            await uow.session.execute(
                update(Deadline)
                .where(Deadline.id == row.id)
                .values(state=DeadlineState.MET, met_at=uow.clock.now(), due_at=None)
            )
            assert await firing.due_ones(uow, [row.id]) == []
        assert row.lane is Lane.NORMAL
