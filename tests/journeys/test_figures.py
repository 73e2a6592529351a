"""Figures of a period by API and by command, for those who may see them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.house import API_KEY, House, open_house
from workers.measures import CATALOGUE

KEY = {"Authorization": f"Bearer {API_KEY}"}


async def _ask(house: House) -> str:
    body = {
        "contact": {"email": "lilei@shop.example", "name": "Li Lei"},
        "subject": "Order",
        "description": "It has not arrived.",
        "priority": "high",
        "category": "complaint",
    }
    return str((await house.api("POST", "/tickets", body))["number"])


@pytest.mark.anyio
async def test_figures_tell_what_happened_to_each_who_may_know(backend: Backend) -> None:
    async with open_house(backend) as house:
        answered, missed, junk = [await _ask(house) for _ in range(3)]
        holder = str((await house.api("GET", f"/tickets/{answered}"))["handler"])
        await house.pass_time(timedelta(minutes=20))
        call = {"channel": "phone", "evidence": "CALL-1"}
        await house.api("POST", f"/tickets/{answered}/first-response", call, by=holder)
        await house.api("POST", f"/tickets/{junk}/not-a-ticket", {"reason": "test"}, by="SV001")
        limit = (await house.deadlines(missed))["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit + timedelta(minutes=5))

        told = await house.api("GET", "/reports/figures?period=week&by=category&compare=true", by="SV001")
        figures = {each["key"]: each for each in told["items"]}
        assert list(figures) == list(CATALOGUE)
        assert (figures["requests"]["value"], figures["unanswered"]["value"]) == (2, 1)
        assert (figures["first_response_mean"]["value"], figures["first_response_mean"]["cases"]) == (1200, 1)
        late = figures["overdue_first_response"]
        assert (late["value"], late["cases"]) == (0.5, 2)
        assert figures["csat_overall"]["silence"] == "no_cases"
        assert [group["key"] for group in told["groups"]] == ["complaint"]
        assert {each["key"]: each["value"] for each in told["before"]}["requests"] == 0
        (worst,) = [
            row
            for row in (await house.api("GET", "/reports/worst-overdue?period=week", by="SV001"))["items"]
            if row["clock"] == "first_response"
        ]
        assert (worst["ticket"], worst["met_at"]) == (missed, None)
        assert 0 < worst["late"] <= 600

        asked = "/reports/figures?measure=requests&measure=csat_overall&period=week"
        own = {each["key"]: each for each in (await house.api("GET", asked, by=holder))["items"]}
        mine = [each for each in (answered, missed) if await _is_with(house, each, holder)]
        assert own["requests"]["value"] == len(mine)
        assert own["csat_overall"]["silence"] == "not_for_agents"


async def _is_with(house: House, number: str, holder: str) -> bool:
    return bool((await house.api("GET", f"/tickets/{number}"))["handler"] == holder)


@pytest.mark.anyio
async def test_the_catalogue_explains_itself_and_mistakes_are_said(backend: Backend) -> None:
    async with open_house(backend) as house:
        chinese = await house.api("GET", "/reports/catalogue?lang=zh_CN", by="CS001")
        assert [each["key"] for each in chinese] == list(CATALOGUE)
        assert next(each for each in chinese if each["key"] == "one_contact")["name"] == "一次性解决率"
        for wrong in (
            "zone=Nowhere/Land",
            "zone=../../etc/passwd",
            "measure=nothing",
            "period=week&from=2026-01-01",
            "from=2026-02-01&to=2026-01-01",
            "from=1900-01-01",
            "from=2010-01-01&to=2020-01-01&by=day",
            "category=nothing",
            "policy_version=%25",
        ):
            answer = await house.web.get(f"/api/v1/reports/figures?{wrong}", headers=KEY)
            assert answer.status_code in (400, 422), (wrong, answer.status_code)
        for unknown in ("team=nobody", "staff=XX999", "policy_version=abcdef"):
            await house.api("GET", f"/reports/figures?{unknown}", expect=404)


def test_figures_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    closeloop("migrate")
    said = closeloop(
        "report", "figures", "--from", "2026-01-01", "--to", "2026-03-31", "--by", "month", "--csv"
    )
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert {row["group"] for row in rows} == {"", "2026-01", "2026-02", "2026-03"}
    assert len(rows) == 4 * len(CATALOGUE)
    assert "requests" in closeloop("report", "figures", "--measure", "requests", "--json").out
    assert closeloop("report", "figures", "--period", "yesterday").code == 2
    assert closeloop("report", "figures", "--from", "yesterday").code == 2
    assert closeloop("report", "figures", "--by", "moon").code == 2
    assert closeloop("report", "worst-overdue", "--period", "month").code == 0
