"""`policy simulate`: past tickets against a draft, on both databases, and a made-up month."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from models.deadlines import Deadline
from models.vocabulary import Category, DeadlineKind, Medium, Priority
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.factories import count_rows, make_team, make_ticket, make_workshop, resolve_ticket
from tests.fakes import MONDAY_MORNING, ManualClock
from workers import tickets
from workers.policy import Case, Story, Tally, load_policy, parse_policy, replay
from workers.tickets.past import Which
from workers.tickets.simulating import Compared, simulate_month, simulate_past

pytestmark = pytest.mark.anyio

SUPPORT = load_policy("support-response")
STRICT = parse_policy(SUPPORT.version_text.replace('medium = "8h"', 'medium = "1h"', 1))
MONTH = datetime(2026, 3, 1, tzinfo=UTC)


def nothing(done: int, total: int) -> None:
    """Nobody watches."""


async def test_past_tickets_are_replayed_and_nothing_is_written(backend: Backend) -> None:
    clock = ManualClock()
    async with make_workshop(backend, clock) as workshop:
        await make_team(workshop)
        quick = await make_ticket(workshop, email="a@customer.example")
        slow = await make_ticket(workshop, email="b@customer.example")
        clock.advance(timedelta(minutes=20))
        await resolve_ticket(workshop, quick)
        clock.advance(timedelta(minutes=70))
        await resolve_ticket(workshop, slow)
        async with workshop.begin() as uow:
            held = await tickets.ticket_by_id(uow, slow.id)
            await tickets.reopen(uow, held, "not_resolved")
        clock.advance(timedelta(hours=2))
        before = await count_rows(workshop)
        which = Which(since=clock.now() - timedelta(days=1), until=clock.now())
        seen: list[tuple[int, int]] = []
        found = await simulate_past(
            workshop, STRICT, which, as_it_was=True, tick=lambda done, total: seen.append((done, total))
        )
        none = await simulate_past(
            workshop, STRICT, Which(clock.now(), clock.now()), as_it_was=False, tick=nothing
        )
        assert await count_rows(workshop) == before
    assert (seen, none.after.tickets) == ([(2, 2)], 0)
    assert (found.before.tickets, found.after.tickets) == (2, 2)
    first = [("first_response", "medium", what) for what in ("met", "breached")]
    assert [found.before.clocks[key] for key in first] == [2, 0]
    assert [found.after.clocks[key] for key in first] == [1, 1]
    # The opening that goes on: its plan and resolution run.
    assert found.after.clocks["plan", "medium", "running"] == 1
    assert found.after.clocks["plan", "medium", "met"] == 2
    assert (found.before.levels[0], found.after.levels[0]) == (0, 1)
    assert found.after.messages["email", "supervisor"] == found.before.messages["email", "supervisor"] + 2
    assert found.after.messages["email", "customer"] == 4


async def test_the_verdicts_are_those_that_the_tickets_got(backend: Backend) -> None:
    """Replayed by their own version, tickets come out as their deadlines were judged and planned."""
    clock = ManualClock()
    async with make_workshop(backend, clock) as workshop:
        await make_team(workshop)
        made = [
            await make_ticket(workshop, email=f"{number}@customer.example", priority=priority)
            for number, priority in enumerate(Priority)
        ]
        clock.advance(timedelta(hours=3))
        for ticket in made:
            await resolve_ticket(workshop, ticket)
        async with workshop.read() as uow:
            judged: dict[tuple[str, str], tuple[datetime | None, str]] = {}
            for ticket in made:
                held = await tickets.ticket_by_id(uow, ticket.id, hold=False)
                rows = await uow.session.scalars(select(Deadline).where(Deadline.ticket_id == held.id))
                judged |= {
                    (held.priority.value, row.kind.value): (row.limit_at, row.state.value)
                    for row in rows
                    if row.kind in (DeadlineKind.FIRST_RESPONSE, DeadlineKind.PLAN)
                }
        outcomes = {}
        for ticket in made:
            story = Story(
                Case(ticket.priority, ticket.category, None, "support", ticket.channel),
                MONDAY_MORNING,
                clock.now(),
                first_response_at=clock.now(),
                resolved_at=clock.now(),
            )
            for outcome in replay(SUPPORT, story):
                outcomes[ticket.priority.value, outcome.clock.value] = (outcome.limit, outcome.verdict)
    assert judged == {key: outcomes[key] for key in judged}
    assert judged["urgent", "first_response"][1] == "breached"


def test_a_ladder_is_climbed_until_somebody_acknowledges_or_it_is_met() -> None:
    start = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
    never = Story(Case(Priority.URGENT), start, start + timedelta(days=3, hours=4))
    (first, plan) = [
        each for each in replay(SUPPORT, never) if each.clock.value in ("first_response", "plan")
    ]
    assert [alarm.level for alarm in first.told] == [0, 0, 1, 2, 3, 4, 4, 4]
    assert (first.verdict, plan.verdict) == ("breached", "breached")
    seen = Story(
        Case(Priority.URGENT),
        start,
        never.known_until,
        acknowledged=(start + timedelta(hours=2, minutes=20),),
    )
    assert [alarm.level for alarm in next(replay(SUPPORT, seen)).told] == [0, 0, 1]
    late = Story(
        Case(Priority.URGENT),
        start,
        never.known_until,
        first_response_at=start + timedelta(hours=2, minutes=40),
    )
    assert [alarm.level for alarm in next(replay(SUPPORT, late)).told] == [0, 0, 1, 2]
    tally = Tally()
    tally.add(SUPPORT, Story(Case(Priority.LOW, Category.OTHER, channel=Medium.SMS), start, start))
    assert tally.messages == {("sms", "customer"): 1}


def test_a_made_up_month_is_the_same_for_the_same_seed_and_takes_no_room() -> None:
    def month(count: int, seed: int) -> Compared:
        return simulate_month(SUPPORT, STRICT, count, MONTH, seed=seed, tick=nothing)

    one, same, other = month(80, 1), month(80, 1), month(80, 2)
    assert one.after.clocks == same.after.clocks
    assert one.after.clocks != other.after.clocks
    assert (
        one.after.clocks["first_response", "medium", "breached"]
        > (one.before.clocks["first_response", "medium", "breached"])
    )
    tracemalloc.start()
    month(30, 3)
    few = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    month(150, 3)
    many = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert many < few * 1.5 + 200_000


def test_the_command_tells_both_sides_in_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    draft = tmp_path / "draft.toml"
    draft.write_text(STRICT.version_text, encoding="utf-8")
    closeloop.set(SECRET_KEYS="k:" + "A" * 43 + "=", DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/a.db")
    assert closeloop("migrate").code == 0
    told = closeloop("policy", "simulate", str(draft), "--month", "60", "--json")
    assert told.code == 0, told.err
    assert told.json["tickets"] == 60
    (row,) = [
        each
        for each in told.json["clocks"]
        if (each["clock"], each["priority"]) == ("first_response", "medium")
    ]
    assert sum(row["before"][what] for what in ("met", "breached")) == sum(
        row["after"][what] for what in ("met", "breached")
    )
    assert row["after"]["breached"] > row["before"]["breached"]
    assert "首次响应" in closeloop("policy", "simulate", str(draft), "--month", "30", "--locale", "zh_CN").out
    assert (
        "first response" in closeloop("policy", "simulate", str(draft), "--month", "30", "--locale", "en").out
    )
    assert closeloop("policy", "simulate", str(draft), "--past", "90d", "--json").json["tickets"] == 0
    for wrong in (["--past", "soon"], [], ["--month", "5", "--past", "5d"], ["--month", "5", "--as-it-was"]):
        assert closeloop("policy", "simulate", str(draft), *wrong).code == 2
