"""Causes of low scores (process, people, tool) are summed alike wherever figures are told (row D6)."""

from __future__ import annotations

import asyncio
import csv
import io
from base64 import b64encode
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select

from models.crypto import KeyRing, new_key
from models.people import Team
from models.surveys import Followup, Survey
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.factories import make_desk, make_workshop
from tests.fakes import ManualClock
from tests.journeys.test_console_dashboard import cells
from tests.journeys.test_console_live import browser
from tests.measured import BEGIN, make_past
from workers.measures import Period, days_between
from workers.reports import wish
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio
DAY = date(2026, 4, 15)
NAMES = {"process": "流程", "people": "人员", "tool": "工具", "unknown": "尚未指明"}
Row = tuple[Followup, Survey]


async def rows_of(workshop: Workshop) -> list[Row]:
    """Every follow-up with its survey."""
    async with workshop.read() as uow:
        found = await uow.session.execute(select(Followup, Survey).join(Survey))
        return [(case, survey) for case, survey in found]


def counted(rows: list[Row], period: Period, **what: Any) -> Counter[str]:
    """The causes of those opened in a period, one by one."""
    return Counter(
        case.cause or "unknown"
        for case, survey in rows
        if period.first <= case.opened_at < period.last
        and all(getattr(survey, name) == value for name, value in what.items())
    )


def expected(rows: list[Row], period: Period, **what: Any) -> list[tuple[str, int, int]]:
    """What the table has to say: cause, this period, the one before; what nobody named stands last."""
    now, before = counted(rows, period, **what), counted(rows, period.before(), **what)
    return sorted(((cause, now[cause], before[cause]) for cause in NAMES), key=_by_number)


def _by_number(row: tuple[str, int, int]) -> tuple[bool, int, int]:
    return row[0] == "unknown", -row[1], list(NAMES).index(row[0])


@pytest.mark.parametrize("kind", ["weekly", "monthly", "quarterly"])
async def test_reports_sum_causes_as_they_are_counted_by_hand(backend: Backend, kind: str) -> None:
    async with make_workshop(backend, ManualClock(BEGIN + timedelta(days=200))) as workshop:
        await make_past(workshop, seed=11, tickets=300)
        rows = await rows_of(workshop)
        async with workshop.read() as uow:
            team = (await uow.session.scalars(select(Team).where(Team.name == "product"))).one()
            for name, narrowed in (("", {}), ("product", {"team_id": team.id})):
                asked = await wish(uow, kind, team=name, day=DAY)
                table = (await asked.made(uow)).table("causes")
                assert table is not None
                right = expected(rows, asked.period, **narrowed)
                total = sum(now for _, now, _ in right)
                if kind == "quarterly" and not name:
                    assert total > 10, "there is something to sum"
                    assert all(now for _, now, _ in right), "each cause is there"
                shares: list[Any] = [(*row, pytest.approx(row[1] / total)) for row in right] if total else []
                assert [tuple(row) for row in table.rows] == shares
                assert table.note == ("" if total else "no_followups")


async def test_dashboard_api_and_commands_tell_the_same_sums(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = f"test:{b64encode(new_key()).decode()}"
    async with make_desk(backend, secret_keys=KeyRing.parse(keys), timezone="Asia/Shanghai") as desk:
        await make_past(desk.workshop, seed=11, tickets=300, team=False)
        rows = await rows_of(desk.workshop)
        zone = ZoneInfo("Asia/Shanghai")
        quarter = days_between(date(2026, 4, 1), date(2026, 6, 30), zone)
        right = counted(rows, quarter)
        assert set(right) == set(NAMES)
        span = ("--from", "2026-04-01", "--to", "2026-06-30")
        closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
        closeloop.set(DATABASE_URL=backend.database_url, SECRET_KEYS=keys)

        async def said(*words: str) -> str:
            answer = await asyncio.to_thread(closeloop, "report", *words)
            assert answer.code == 0, answer.err
            return answer.out

        address = "/reports/figures?measure=followup_causes&from=2026-04-01&to=2026-06-30"
        (told,) = (await desk.api("GET", address, by="QA001")).json()["items"]
        assert {each["key"]: each["cases"] for each in told["parts"]} == right
        (hidden,) = (await desk.api("GET", address, by="CS001")).json()["items"]
        assert (hidden["silence"], hidden["parts"]) == ("not_for_agents", [])

        (row,) = csv.DictReader(
            io.StringIO(await said("figures", "--measure", "followup_causes", *span, "--csv"))
        )
        assert dict(each.split("=") for each in row["parts"].split()) == {k: str(n) for k, n in right.items()}
        sheet = list(
            csv.reader(
                io.StringIO(await said("quarterly", "--date", "2026-05-20", "--csv", "--locale", "zh_CN"))
            )
        )
        begins = sheet.index(["低分原因"]) + 2
        of_each = {row[0]: int(row[1]) for row in sheet[begins : begins + len(NAMES)]}
        assert of_each == {NAMES[cause]: number for cause, number in right.items()}

        async with await browser(desk, "QA001") as quality, await browser(desk, "CS001") as agent:
            assert await drawn(quality) == {NAMES[cause]: number for cause, number in right.items()}
            one = next(survey.category for case, survey in rows if case.cause == "tool")
            some = counted(rows, quarter, category=one)
            narrowed = await drawn(quality, f"&category={one.value}")
            assert narrowed == {NAMES[cause]: some[cause] for cause in NAMES}
            assert "低分原因" not in (await agent.get("/console/dashboard?lang=zh_CN")).text


async def drawn(web: httpx.AsyncClient, more: str = "") -> dict[str, int]:
    """What the table behind the dashboard's chart of causes says."""
    address = f"/console/dashboard?view=ratings&since=2026-04-01&until=2026-06-30&team=*&lang=zh_CN{more}"
    return {name: int(number) for name, number, _ in cells((await web.get(address)).text, "低分原因")}
