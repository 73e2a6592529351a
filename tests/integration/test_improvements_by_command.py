"""Improvements by command: opened, reported on, judged, taken up again; weak links as CSV (rows A9, A10)."""

from __future__ import annotations

import asyncio
import csv
import io
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.crypto import KeyRing, new_key
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.factories import make_desk, make_survey, make_ticket
from workers.weak_links import weak_links

pytestmark = pytest.mark.timeout(300)
PLAN = ("--kind", "script", "--cause", "process", "--department", "support", "--by", "AM001")


@pytest.fixture
def keys() -> str:
    """Master keys that commands and the desk share."""
    return f"test:{b64encode(new_key()).decode()}"


@pytest.fixture
def closeloop(
    backend: Backend,
    keys: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    command = CommandLine(tmp_path / "data", monkeypatch, capsys)
    command.set(DATABASE_URL=backend.database_url, BROKER_URL=backend.broker_url, SECRET_KEYS=keys)
    return command


def _in(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def test_a_measure_is_led_by_commands_from_its_opening_to_its_verdict(closeloop: CommandLine) -> None:
    for number, role in (("AM001", "supervisor"), ("CS001", "agent")):
        closeloop("staff", "add", number, number, f"{number.lower()}@help.example", "--role", role)
    given = (*PLAN, "--owner", "CS001", "--due", _in(20), "--theme", "Refunds", "--category", "complaint")
    figure = ("--figure", "first_response_mean", "--scope-category", "complaint")
    made = closeloop.json_of("improvements", "open", "Tell how they go", *given, *figure, "--json")
    number = made["number"]
    assert (made["state"], made["theme"], made["owner"]) == ("to_verify", "Refunds", "CS001")
    assert (made["figure"], made["scope"]) == ("first_response_mean", {"category": "complaint"})
    assert made["due_at"].startswith(f"{_in(20)}T10:00"), "six in the evening in Shanghai"

    def step(*words: str, by: str = "AM001") -> str:
        answer = closeloop("improvements", *words, "--by", by)
        assert answer.code == 0, answer.err
        return answer.out

    assert "to_verify" in step("progress", number, "a draft is there", by="CS001")
    step("carried-out", number, "--note", "all use it", by="CS001")
    own = closeloop("improvements", "evaluate", number, "met", "--by", "CS001")
    assert (own.code, "opened and judged by those who lead" in own.err) == (1, True)
    assert closeloop("improvements", "evaluate", number, "perhaps", "--by", "AM001").code == 2
    said = step("evaluate", number, "not_met", "--note", "nobody used it")
    assert "not_met (round 1, report by " in said
    (waiting,) = closeloop.json_of("improvements", "list", "--state", "not_met", "--json")
    assert waiting["number"] == number
    again = ("--measure", "Train it", "--due", _in(30), *PLAN[:-2])
    assert "to_verify (round 2)" in step("review", number, "It was too long", *again, by="CS001")
    assert "met (round 2)" in step("evaluate", number, "met")
    late = closeloop("improvements", "evaluate", number, "met", "--by", "AM001")
    assert "over" in late.err

    story = closeloop.json_of("improvements", "show", number, "--json")
    assert (story["state"], story["round"], story["owner"]) == ("met", 2, "CS001"), "the owner stayed"
    assert [each["kind"] for each in story["log"]] == [
        *("opened", "progress", "carried_out", "evaluated", "reviewed", "opened", "evaluated"),
    ]
    shown = closeloop("improvements", "show", number).out
    assert "It was too long" in shown
    assert "first_response_mean" in shown, "what is compared stayed as well"

    second = closeloop.json_of("improvements", "open", "Shorter", *given, "--json")["number"]
    assert "withdrawn" in step("withdraw", second, "not needed")
    for wrong in (
        ("open", "x", *given, "--ticket", "CS202001010001"),
        ("open", "x", *PLAN, "--owner", "CS001", "--due", "soon", "--theme", "x"),
        ("open", "x", *PLAN, "--owner", "CS001", "--due", "2020-01-01", "--theme", "x"),
        ("open", "x", *PLAN, "--owner", "CS001", "--due", _in(9), "--followup", "x"),
        ("open", "x", *PLAN, "--owner", "CS001", "--due", _in(9)),
        ("show", "IM9999"),
    ):
        assert closeloop("improvements", *wrong).code != 0, wrong
    actions = {each["action"] for each in closeloop.json_of("audit", "list", "--json")}
    assert {"closeloop improvements open", "closeloop improvements evaluate"} <= actions


@pytest.mark.anyio
async def test_a_measure_is_opened_about_a_ticket_and_a_case_and_waits_are_told_as_csv(
    backend: Backend, closeloop: CommandLine, keys: str
) -> None:
    async with make_desk(backend, secret_keys=KeyRing.parse(keys)) as desk:
        ticket = await make_ticket(desk.workshop)
        desk.clock.advance(timedelta(minutes=30))
        survey = await make_survey(desk.workshop, desk.clock, ticket)
        low = {"scores": {"overall": 1}}
        await desk.api("POST", f"/surveys/{survey.number}/answer", by="AM001", json=low)
        (case,) = (await desk.api("GET", "/followups")).json()["items"]
        for about, name in (
            (("--ticket", ticket.number), "ticket"),
            (("--followup", case["id"]), "followup_id"),
        ):
            words = ("open", "Tell it", *PLAN, "--owner", "AM001", "--due", _in(20), *about, "--json")
            answer = await asyncio.to_thread(closeloop, "improvements", *words)
            assert answer.code == 0, answer.err
            assert str(answer.json[name]).replace("-", "") == about[1].replace("-", "")

        since, until = desk.clock.now() - timedelta(days=2), desk.clock.now() + timedelta(days=2)
        days = ("--from", since.date().isoformat(), "--to", until.date().isoformat())
        answer = await asyncio.to_thread(closeloop, "report", "weak-links", *days, "--csv")
        rows = list(csv.DictReader(io.StringIO(answer.out)))
        async with desk.workshop.read() as uow:
            found = await weak_links(uow, since, until)
        told = {(row["category"], row["phase"]): float(row["share"]) for row in rows}
        assert {phase for _, phase in told} == {each.phase.value for each in found.all.links}
        assert {category for category, _ in told} == {"", ticket.category.value}
        assert sum(share for (category, _), share in told.items() if not category) == pytest.approx(1)
        assert all(row["of_tickets"] == "1" for row in rows)
        assert ticket.number in {row["longest"] for row in rows}
        nothing = await asyncio.to_thread(
            closeloop, "report", "weak-links", "--from", "2020-01-01", "--to", "2020-02-01", "--csv"
        )
        assert len(nothing.out.splitlines()) == 1
