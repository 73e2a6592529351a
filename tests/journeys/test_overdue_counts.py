"""Overdue counts per person (B14) by API and command; absences and the duty roster by command."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.house import House, link_in, open_house


@pytest.fixture
def closeloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    return CommandLine(tmp_path / "data", monkeypatch, capsys)


async def _open(house: House) -> str:
    body = {
        "contact": {"email": "lilei@shop.example", "name": "Li Lei"},
        "subject": "Order",
        "description": "It has not arrived.",
        "priority": "high",
        "category": "other",
    }
    return str((await house.api("POST", "/tickets", body))["number"])


@pytest.mark.anyio
async def test_each_breach_counts_for_who_had_the_ticket(backend: Backend) -> None:
    async with open_house(backend) as house:
        begin = house.clock.now()
        number, junk = await _open(house), await _open(house)
        first = str((await house.api("GET", f"/tickets/{number}"))["handler"])
        other = {"CS001": "CS002", "CS002": "CS001"}[first]
        rows = await house.deadlines(number)
        assert rows["first_response"].limit_at
        assert rows["plan"].limit_at
        await house.pass_time(until=rows["first_response"].limit_at)
        # Planned anew it is the same breach; handed on, the next one is somebody else's.
        await house.api("PATCH", f"/tickets/{number}", {"category": "complaint"}, by="SV001")
        await house.api("POST", f"/tickets/{number}/transfer", {"to": other, "reason": "holiday"}, by="SV001")
        await house.api("POST", f"/tickets/{junk}/not-a-ticket", {"reason": "test"}, by="SV001")
        await house.pass_time(until=rows["plan"].limit_at + timedelta(minutes=1))

        counts = (await house.api("GET", "/reports/overdue"))["items"]
        shown = {each["staff"]: (each["clocks"]["first_response"], each["clocks"]["plan"]) for each in counts}
        assert shown == {first: (1, 0), other: (0, 1)}
        assert all(each["tickets"] == [number] for each in counts)
        own = (await house.api("GET", "/reports/overdue", by=other))["items"]
        assert [each["staff"] for each in own] == [other]
        assert len((await house.api("GET", "/reports/overdue", by="SV001"))["items"]) == 2
        until = rows["first_response"].limit_at.isoformat().replace("+00:00", "Z")
        earlier = await house.api("GET", f"/reports/overdue?until={until}")
        assert earlier["items"] == []
        assert begin.isoformat()[:10] > earlier["since"][:10]


@pytest.mark.anyio
@pytest.mark.parametrize("named", [True, False], ids=["named", "nobody"])
async def test_a_late_follow_up_counts_for_who_was_to_call_back_and_not_for_who_was_rated(
    backend: Backend, named: bool
) -> None:
    async with open_house(backend) as house:
        number = await _open(house)
        rated = str((await house.api("GET", f"/tickets/{number}"))["handler"])
        other = {"CS001": "CS002", "CS002": "CS001"}[rated]
        await house.api("POST", f"/tickets/{number}/first-response", {}, by=rated)
        await house.api("POST", f"/tickets/{number}/accept", by=rated)
        await house.api("POST", f"/tickets/{number}/progress", {"text": "sent anew", "plan": True}, by=rated)
        await house.api("POST", f"/tickets/{number}/resolve", {"cause": "lost", "solution": "sent"}, by=rated)
        await house.pass_time(timedelta(hours=23))
        invitation = await house.mail_of("csat_invitation", to="lilei@shop.example")
        await house.tap(link_in(invitation, "s"), {"overall": "1"})
        (case,) = (await house.api("GET", "/followups"))["items"]
        if named:
            await house.api("POST", f"/followups/{case['id']}/owner", {"staff": other}, by="SV001")
        await house.pass_time(timedelta(hours=49))
        until = (house.clock.now() + timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
        counts = (await house.api("GET", f"/reports/overdue?until={until}"))["items"]
        shown = {each["staff"]: each["clocks"]["followup_start"] for each in counts}
        assert shown == {other if named else "": 1}
        own = await house.api("GET", f"/reports/overdue?until={until}", by=rated)
        assert own["items"] == [], "whoever was rated does not hear of it here either"


def test_rosters_and_counts_by_command(closeloop: CommandLine, tmp_path: Path) -> None:
    closeloop("migrate")
    for number, role in (("SV001", "supervisor"), ("CS001", "agent"), ("CS002", "agent")):
        closeloop("staff", "add", number, number, f"{number.lower()}@help.example", "--role", role)
    said = closeloop("staff", "absent", "CS001", "--to", "2098-12-31")
    assert said.code == 2, "longer than a year is a mistake"
    said = closeloop(
        "staff",
        "absent",
        "CS001",
        "--from",
        "2098-12-24",
        "--to",
        "2098-12-26 12:00",
        "--substitute",
        "CS002",
        "--json",
    )
    assert said.code == 0, said.err
    ((absence,)) = said.json
    assert (absence["staff"], absence["substitute"]) == ("CS001", "CS002")
    assert "2098-12-24 00:00" in closeloop("staff", "absent").out
    assert closeloop("staff", "absent", "CS001", "--cancel", absence["id"]).code == 0
    assert closeloop("staff", "absent", "--json").json == []

    roster = tmp_path / "roster.csv"
    roster.write_text(
        "工号,开始,结束,组\nCS001,2098-12-24 18:00,2098-12-25 09:00,\nCS009,2098-12-25,2098-12-25,\n", "utf-8"
    )
    wrong = closeloop("duty", "import", str(roster))
    assert wrong.code == 2
    assert "CS009" in wrong.err
    assert closeloop("duty", "list", "--json").json["duties"] == []
    roster.write_text(roster.read_text("utf-8").replace("CS009", "CS002"), "utf-8")
    assert closeloop("duty", "import", str(roster), "--dry-run").code == 0
    assert closeloop("duty", "list", "--json").json["duties"] == []
    assert closeloop("duty", "import", str(roster)).code == 0
    duties = closeloop("duty", "list", "--json").json["duties"]
    assert [each["staff"] for each in duties] == ["CS001", "CS002"]
    assert closeloop("duty", "remove", duties[0]["id"]).code == 0
    assert len(closeloop("duty", "list", "--json").json["duties"]) == 1
    # A roster that is kept now has gaps now, and the check says so.
    assert "duty roster" not in closeloop("check").out
    closeloop("duty", "add", "CS001", "--from", "2020-01-01", "--to", "2020-01-02")
    today = datetime.now(UTC).date()  # a day more at either end: midnight may pass meanwhile
    first, last = today - timedelta(days=1), today + timedelta(days=2)
    closeloop("duty", "add", "CS001", "--from", str(first), "--to", str(last))
    assert "nobody for support from" in closeloop("check").out
    closeloop.set(SMTP_URL="smtp://127.0.0.1:1?tls=none", ADMIN="boss@help.example")
    (gap, *_) = closeloop("doctor", "--relay", "--json").json["duty_roster"]
    assert gap.startswith("nobody for support from")
    assert f"duty roster: {gap}" in " ".join(closeloop("doctor", "--relay").out.split())

    assert closeloop("report", "overdue", "--json").json == []
    table = list(csv.reader(io.StringIO(closeloop("report", "overdue", "--csv").out)))
    assert table == [["number", "name", "team", "overdue"]]


@pytest.mark.anyio
async def test_a_ticket_that_goes_on_in_another_one_is_no_breach_of_its_own(backend: Backend) -> None:
    async with open_house(backend) as house:
        first, second = await _open(house), await _open(house)
        limit = (await house.deadlines(second))["first_response"].limit_at
        assert limit
        await house.pass_time(until=limit + timedelta(minutes=1))
        assert await _missed(house) == {first: 1, second: 1}
        await house.api("POST", f"/tickets/{second}/merge", {"into": first}, by="SV001")
        assert await _missed(house) == {first: 1}, "the customer asked once"
        worst = (await house.api("GET", "/reports/worst-overdue?period=week", by="SV001"))["items"]
        assert {row["ticket"] for row in worst} == {first}, "as the other figures say"
        await house.api("POST", f"/tickets/{second}/merge/undo", {}, by="SV001")
        assert await _missed(house) == {first: 1, second: 1}, "what had been missed was missed"


async def _missed(house: House) -> dict[str, int]:
    """How many first responses were missed, by ticket."""
    counts = (await house.api("GET", "/reports/overdue", by="SV001"))["items"]
    found: dict[str, int] = {}
    for each in counts:
        for number in each["tickets"]:
            found[number] = found.get(number, 0) + 1
    assert sum(each["clocks"]["first_response"] for each in counts) == len(found)
    return found
