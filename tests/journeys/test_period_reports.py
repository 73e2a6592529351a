"""Each Monday supervisors get the report of the week, about their own teams, once (rows A9, D6, E1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Backend
from tests.house import House, open_house, text_of

pytestmark = pytest.mark.anyio

REPORT_TIME = datetime(2026, 3, 9, 0, 30, tzinfo=UTC)
"""Monday, 08:30 in Shanghai."""


async def _ask(
    house: House, who: str, priority: str = "high", category: str = "after_sales_technical"
) -> str:
    body = {
        "contact": {"email": f"{who}@shop.example", "name": "李雷明"},
        "subject": "",
        "description": "打印机脱机",
        "priority": priority,
        "category": category,
    }
    made: dict[str, Any] = await house.api("POST", "/tickets", body)
    return str(made["number"])


async def test_a_supervisor_gets_one_report_on_monday(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _ask(house, "anna")
        await house.pass_time(until=REPORT_TIME - timedelta(minutes=1))
        assert house.mails_to("carol@help.example", "周报") == []
        await house.pass_time(until=REPORT_TIME)
        mails = house.mails_to("carol@help.example", "周报")
        assert len(mails) == 1
        print(text_of(mails[0]))
        assert number in text_of(mails[0])
