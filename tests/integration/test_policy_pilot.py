"""A team tries another version of the policy for a week: its tickets alone, a daily summary, and its end."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.keys import PolicyPilot
from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category, DeadlineKind, Lane
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.factories import (
    KEY,
    Desk,
    all_of,
    make_desk,
    make_team,
    make_ticket,
    make_workshop,
    resolve_ticket,
)
from tests.fakes import ManualClock
from workers import deadlines, errands, tickets
from workers.errors import Conflict, InvalidInput, NotFound
from workers.in_force import judged_by_others, latest_change, take_up
from workers.people import Person, add_person, add_team
from workers.policy import load_policy, parse_policy
from workers.rosters import ABSENCE_BEGINS
from workers.tickets import apply_policy, changing_policy, piloting, replanning
from workers.tickets.piloting import Moved, promote_pilot, start_pilot, stop_pilot
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio

SUPPORT = load_policy("support-response")
STRICT = parse_policy(
    SUPPORT.version_text.replace('medium = "8h"', 'medium = "1h"', 1).replace("support-response", "strict", 1)
)
OTHER = parse_policy(SUPPORT.version_text.replace('medium = "8h"', 'medium = "3h"', 1))
WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def processes_that_look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.in_force.LOOK_AGAIN", 0.0)
    monkeypatch.setattr(changing_policy, "SETTLED_AFTER", 0.05)
    monkeypatch.setattr(piloting, "SETTLED_AFTER", 0.05)


def nothing(*_: object) -> None:
    """Nobody watches."""


async def prepare(workshop: Workshop) -> None:
    """Two teams: support, which has a head, and product, which gets the pre-sales questions."""
    await make_team(workshop)
    async with workshop.begin() as uow:
        await take_up(uow.session, SUPPORT, uow.clock)
        await add_team(uow, "product", {})
        person = {"number": "PR001", "name": "Pia", "email": "pia@help.example", "team": "product"}
        await add_person(uow, Person(**person))  # type: ignore[arg-type]  # fields of the table


async def hours(workshop: Workshop, ticket: Ticket) -> float:
    """How long its customer may wait for the first response by the deadline that runs."""
    async with workshop.read() as uow:
        held = await uow.session.get_one(Ticket, ticket.id)
        (row,) = await deadlines.open_ones(uow, held, [DeadlineKind.FIRST_RESPONSE])
        assert row.limit_at is not None
        return (row.limit_at - row.started_at) / timedelta(hours=1)


async def tried(workshop: Workshop, until: datetime, *teams: str) -> Moved:
    """STRICT on trial."""
    _, moved = await start_pilot(
        workshop, STRICT, teams, until, made_by="sue", reason="busy week", tick=nothing
    )
    return moved


async def errands_done(workshop: Workshop) -> None:
    while await errands.fire(workshop, Lane.NORMAL):
        pass


async def test_only_the_teams_own_tickets_are_judged_by_it_and_at_the_end_all_is_as_before(
    backend: Backend,
) -> None:
    clock = ManualClock()
    async with make_workshop(backend, clock) as workshop:
        await prepare(workshop)
        first = await make_ticket(workshop, email="a@customer.example")
        moved = await tried(workshop, clock.now() + WEEK, "support")
        assert (moved.tickets, moved.failed) == (1, [])
        second = await make_ticket(workshop, email="b@customer.example")
        elsewhere = await make_ticket(workshop, email="c@customer.example", category=Category.PRE_SALES)
        assert [await hours(workshop, each) for each in (first, second, elsewhere)] == [1, 1, 8]
        # Given again nothing happens; another policy for all leaves the team's tickets alone.
        assert (await tried(workshop, clock.now() + WEEK, "support")).tickets == 0
        with pytest.raises(Conflict, match="tries another version"):
            await start_pilot(
                workshop, OTHER, ["support"], clock.now() + WEEK, made_by=None, reason=None, tick=nothing
            )
        await apply_policy(workshop, OTHER, made_by=None, reason=None, tick=nothing)
        assert [await hours(workshop, each) for each in (first, second, elsewhere)] == [1, 1, 3]
        clock.advance(timedelta(hours=2))
        await resolve_ticket(workshop, second)
        # The manager hears at closing time, and again on the next day.
        clock.set(datetime(2026, 3, 2, 10, 0, tzinfo=UTC))
        await errands_done(workshop)
        (summary,) = await all_of(workshop, Notification, Notification.kind == "pilot_summary")
        async with workshop.read() as uow:
            sealer = await uow.vault.sealer(uow.session, summary.data_key_id)
            facts = json.loads(sealer.text(summary.facts_sealed, "notifications.facts"))
        assert (facts["tickets"], facts["final"], facts["teams"]) == (2, False, "support")
        (row,) = [each for each in facts["rows"] if each["clock"] == "first_response"]
        assert (row["breached"], row["warned"]) == ([1, 2], [1, 2])
        late = await make_ticket(workshop, email="d@customer.example")
        clock.advance(WEEK)
        await errands_done(workshop)
        (pilot,) = await all_of(workshop, PolicyPilot)
        assert (pilot.end, pilot.settled_at is not None) == ("over", True)
        after = await make_ticket(workshop, email="e@customer.example")
        async with workshop.read() as uow:
            versions = {
                ticket.policy_version_id
                for ticket in await all_of(workshop, Ticket, Ticket.id.in_([late.id, after.id]))
            }
            assert versions == {uow.policy_version_id}
        told = await all_of(workshop, Notification, Notification.kind == "pilot_summary")
        assert len(told) >= 2


async def test_a_pilot_is_promoted_or_stopped(backend: Backend) -> None:
    clock = ManualClock()
    async with make_workshop(backend, clock) as workshop:
        await prepare(workshop)
        mine = await make_ticket(workshop, email="a@customer.example")
        elsewhere = await make_ticket(workshop, email="b@customer.example", category=Category.PRE_SALES)
        with pytest.raises(InvalidInput):
            await tried(workshop, clock.now(), "support")
        with pytest.raises(NotFound):
            await tried(workshop, clock.now() + WEEK, "moon")
        with pytest.raises(NotFound, match="tries no policy"):
            await stop_pilot(workshop, "support", tick=nothing)
        await tried(workshop, clock.now() + WEEK, "support", "product")
        assert [await hours(workshop, each) for each in (mine, elsewhere)] == [1, 1]
        assert (await stop_pilot(workshop, "product", tick=nothing)).tickets == 2
        assert [await hours(workshop, each) for each in (mine, elsewhere)] == [8, 8]
        await tried(workshop, clock.now() + WEEK, "support")
        await promote_pilot(workshop, "support", made_by="sue", reason=None, tick=nothing)
        await errands_done(workshop)
        assert [await hours(workshop, each) for each in (mine, elsewhere)] == [1, 1]
        async with workshop.read() as uow:
            assert uow.policy.name == "strict"
        ends = [pilot.end for pilot in await all_of(workshop, PolicyPilot)]
        assert sorted(str(end) for end in ends) == ["promoted", "stopped"]
        with pytest.raises(Conflict, match="in force for all"):
            await tried(workshop, clock.now() + WEEK, "support")


def test_the_commands_start_list_and_stop_a_pilot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    draft = tmp_path / "draft.toml"
    draft.write_text(STRICT.version_text, encoding="utf-8")
    closeloop.set(SECRET_KEYS="k:" + "A" * 43 + "=", DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/a.db")
    assert closeloop("migrate").code == 0
    assert closeloop("team", "add", "support").code == 0
    day = f"{datetime.now(UTC) + WEEK:%Y-%m-%d}"
    trial = ("policy", "apply", str(draft), "--pilot-team", "support")
    assert closeloop(*trial).code == 2
    assert closeloop(*trial, "--until", "soon").code == 2
    begun = closeloop(*trial, "--until", day, "--by", "sue", "--json")
    assert (begun.code, begun.json["teams"], begun.json["tickets"]) == (0, ["support"], 0)
    (row,) = closeloop("policy", "pilots", "--json").json
    assert (row["policy"], row["teams"], row["end"], row["made_by"]) == ("strict", ["support"], None, "sue")
    assert "strict" in closeloop("policy", "pilots").out
    assert closeloop("policy", "stop", "support").code == 0
    assert closeloop("policy", "pilots", "--json").json[0]["end"] == "stopped"
    assert closeloop("policy", "promote", "support").code == 1


async def _under(workshop: Workshop, ids: Collection[UUID]) -> list[str]:
    """By which policies these tickets are judged, in the order in which they came."""
    found = {each.id: each.policy_version_id for each in await all_of(workshop, Ticket, Ticket.id.in_(ids))}
    async with workshop.read() as uow:
        return [(await uow.policy_of(found[ident])).name for ident in ids]


class Broken:
    """Tickets that cannot be planned anew: their facts are against some rule."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ids: set[UUID] = set()
        self.tries = 0
        plan = replanning.replan

        async def replan(uow: UnitOfWork, ticket: Ticket, *facts: Any) -> Any:
            if ticket.id in self.ids:
                self.tries += 1
                raise RuntimeError("this ticket cannot be planned")
            return await plan(uow, ticket, *facts)

        monkeypatch.setattr(replanning, "replan", replan)


async def _stuck(desk: Desk) -> list[str]:
    """The kinds of errands that people are told of as failing again and again."""
    answer = await desk.web.get("/api/v1/attention?what=stuck_errand", headers=KEY)
    return [item["kind"] for item in answer.json()["items"]]


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "over"])
async def test_the_end_of_a_pilot_whose_tickets_cannot_be_planned_is_told_and_made_up_for(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    broken = Broken(monkeypatch)
    async with make_desk(backend) as desk:
        workshop, clock = desk.workshop, desk.clock
        async with workshop.begin() as uow:
            await take_up(uow.session, SUPPORT, uow.clock)
        bad = [(await make_ticket(workshop)).id for _ in range(replanning.BATCH + 1)]
        await tried(workshop, clock.now() + timedelta(hours=1), "support")
        last = (await make_ticket(workshop)).id
        assert set(await _under(workshop, [*bad, last])) == {"strict"}
        broken.ids |= {*bad, last}
        clock.advance(timedelta(hours=1))
        if stopped:
            assert len((await stop_pilot(workshop, "support", tick=nothing)).failed) == len(bad) + 1
        # Nothing can be done about any of them: others do not wait, and nothing goes round and round.
        away = Errand(
            id=new_id(), key="of another", kind=ABSENCE_BEGINS, lane=Lane.NORMAL, due_at=clock.now()
        )
        async with workshop.begin() as uow:
            await uow.add(away)
        for times in range(3):
            assert await _stuck(desk) == [], f"after {times} tries"
            broken.tries = 0
            while await errands.fire(workshop, Lane.NORMAL):
                pass
            assert broken.tries == len(bad) + 1, "each is tried once"
            clock.advance(timedelta(hours=2))
        (done,) = await all_of(workshop, Errand, Errand.id == away.id)
        assert done.done_at is not None
        assert await _stuck(desk) == ["pilot_ends"]
        (pilot,) = await all_of(workshop, PolicyPilot)
        assert (pilot.end, pilot.settled_at) == ("stopped" if stopped else "over", None)

        broken.ids.remove(last)  # more than a batch of others stands before it
        await errands_done(workshop)
        assert await _under(workshop, [*bad, last]) == ["strict"] * len(bad) + ["support-response"]
        broken.ids.clear()
        clock.advance(timedelta(hours=2))
        await errands_done(workshop)
        assert set(await _under(workshop, [*bad, last])) == {"support-response"}
        assert await _stuck(desk) == []
        (pilot,) = await all_of(workshop, PolicyPilot)
        assert pilot.settled_at is not None


async def test_the_end_of_one_pilot_leaves_another_one_of_the_same_policy_alone(backend: Backend) -> None:
    clock = ManualClock()
    async with make_workshop(backend, clock) as workshop:
        await prepare(workshop)
        mine = await make_ticket(workshop, email="a@customer.example")
        theirs = await make_ticket(workshop, email="b@customer.example", category=Category.PRE_SALES)
        await tried(workshop, clock.now() + timedelta(hours=1), "support")
        await tried(workshop, clock.now() + WEEK, "product")
        clock.advance(timedelta(hours=1))
        await errands_done(workshop)
        assert await _under(workshop, [mine.id, theirs.id]) == ["support-response", "strict"]
        await tried(workshop, clock.now() + WEEK, "support")
        await stop_pilot(workshop, "product", tick=nothing)
        await errands_done(workshop)
        assert await _under(workshop, [mine.id, theirs.id]) == ["strict", "support-response"]


@pytest.mark.parametrize("end", ["over", "stopped", "promoted"])
async def test_a_ticket_passed_to_a_team_that_tries_another_policy_misses_none_that_is_applied(
    backend: Backend, end: str
) -> None:
    clock = ManualClock()
    async with make_workshop(backend, clock) as workshop:
        await prepare(workshop)
        passed = await make_ticket(workshop, email="b@customer.example", category=Category.PRE_SALES)
        await tried(workshop, clock.now() + timedelta(hours=1), "support")
        async with workshop.begin() as uow:
            ticket = await tickets.ticket_by_id(uow, passed.id)
            to = (await uow.session.scalars(select(Staff).where(Staff.number == "CS001"))).one()
            lead = (await uow.session.scalars(select(Staff).where(Staff.number == "AM001"))).one()
            await tickets.transfer(uow, ticket, lead, to, "knows more")
        assert await hours(workshop, passed) == 8, "it keeps the policy that it came in under"
        await apply_policy(workshop, OTHER, made_by=None, reason=None, tick=nothing)
        if end == "promoted":
            await promote_pilot(workshop, "support", made_by=None, reason=None, tick=nothing)
        elif end == "stopped":
            await stop_pilot(workshop, "support", tick=nothing)
        else:
            clock.advance(timedelta(hours=1))
        await errands_done(workshop)
        (pilot,) = await all_of(workshop, PolicyPilot)
        assert (pilot.end, pilot.settled_at is not None) == (end, True)
        assert await hours(workshop, passed) == (1 if end == "promoted" else 3)
        async with workshop.read() as uow:
            change = await latest_change(uow.session)
            assert change is not None
            assert await judged_by_others(uow.session, change.version_id) == 0
