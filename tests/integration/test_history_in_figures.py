"""What came in from a team's own tables counts as volume and result, and in no figure of how we deliver."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models.notifications import Notification
from tests.conftest import Backend
from tests.factories import Desk, all_of, make_desk, make_ticket
from workers.measures import ALL, EVERYTHING, Figure, days_between, figures
from workers.weak_links import weak_links

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

TRACKED = """接收时间,问题编号,客户信息,问题描述,问题类型,首次响应时间,处理人,解决时间
2026/1/5 9:00,CS202601050001,尾号8000,打不开,技术故障,2026/1/5 9:10,Alice,2026/1/5 11:00
2026/1/6 9:00,CS202601060001,*女士,退货,售后请求,,,2026/1/6 10:00
"""
RATED = """服务时间,客户信息,服务类型,客服工号,整体满意度
2026/1/7 15:00,138****5678,投诉类,CS001,5
"""
SHARES = ("overdue_requests", "urged", "handed_on", "reopened", "one_contact", "response_rate")


async def _figures(desk: Desk, first: date, last: date) -> Any:
    keys = ["requests", "unanswered", "results", "answers", "surveys", "followups", "messages", "top_types"]
    keys += ["first_response_mean", "resolution_mean", "resolution_working_mean", "unaccepted", *SHARES]
    async with desk.workshop.read() as uow:
        period = days_between(first, last, ZoneInfo("Asia/Shanghai"))
        return (await figures(uow, EVERYTHING, period, ALL, keys)).items


def _plain(figure: Figure) -> tuple[float | None, int]:
    return figure.value, figure.cases


async def test_history_counts_in_volume_and_results_and_not_in_how_we_deliver(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        for name, table in (("response-tracking", TRACKED), ("satisfaction", RATED)):
            answer = await desk.api(
                "POST",
                f"/tables/{name}/import",
                by="AM001",
                content=table.encode(),
                headers={"Content-Type": "text/csv"},
            )
            assert answer.json()["wrong"] == 0, answer.text
        assert await all_of(desk.workshop, Notification) == [], "nobody is told of history"
        found = await _figures(desk, date(2026, 1, 1), date(2026, 1, 31))
        counts = {key: found[key].value for key in ("requests", "results", "answers")}
        assert counts == {"requests": 3, "results": 3, "answers": 1}
        assert found["top_types"].cases == 3
        assert _plain(found["first_response_mean"]) == (600, 1), "as the table tells it"
        assert _plain(found["resolution_mean"]) == (5400, 2), "of the rating alone nobody knows how long"
        assert found["resolution_working_mean"].cases == 2
        for key in ("unanswered", "unaccepted", "surveys", "followups", "messages"):
            assert found[key].value == 0, key
        for key in SHARES:
            assert _plain(found[key]) == (None, 0), key

        # Beside one of ours, shares are of ours alone.
        ours = await make_ticket(desk.workshop)
        today = desk.clock.now().date()
        found = await _figures(desk, date(2026, 1, 1), today + timedelta(days=1))
        assert found["requests"].value == 4
        assert _plain(found["overdue_requests"]) == (0, 1)
        assert found["unanswered"].value == 1
        async with desk.workshop.read() as uow:
            links = await weak_links(
                uow, desk.clock.now() - timedelta(days=300), desk.clock.now() + timedelta(days=1)
            )
        assert links.requests == 1, "a table tells of no wait"
        assert ours.number
