"""What came up often goes to the agents each week, what keeps coming back to the product team (row C4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Backend
from tests.house import House, open_house, text_of
from workers.knowledge import review_until
from workers.policy import load_policy, parse_policy
from workers.policy.knowledge_parts import KnowledgePart
from workers.search.words import phrases

pytestmark = pytest.mark.anyio

PRODUCT = "product@help.example"
WEEKLY = f"""
[knowledge]
frequent_from = 3
repeated_weeks = 2
repeated_customers = 3
product_address = "{PRODUCT}"
"""
MONDAY = datetime(2026, 3, 9, 1, 0, tzinfo=UTC)
"""09:00 in Shanghai."""


async def _wrote(
    house: House, who: str, words: str, category: str = "after_sales_technical"
) -> dict[str, Any]:
    body = {
        "contact": {"email": f"{who}@shop.example", "name": "李雷明"},
        "subject": "",
        "description": words,
        "priority": "low",
        "category": category,
    }
    made: dict[str, Any] = await house.api("POST", "/tickets", body)
    return made


async def test_frequent_problems_are_told_to_agents_and_repeated_ones_to_the_product_team(
    backend: Backend,
) -> None:
    policy = parse_policy(load_policy("support-response").version_text + WEEKLY)
    async with open_house(backend, policy=policy) as house:
        for who in ("anna", "berta", "carla"):
            await _wrote(house, who, f"李雷明: 打印机又脱机了 Quagga, please help me ({who})")
        for _ in range(4):  # one customer's own affair is nobody else's problem
            await _wrote(house, "dora", "My Xylophone is broken")
        await _wrote(house, "emil", "发票抬头写错了", "complaint")
        await house.pass_time(timedelta(seconds=10))
        async with house.workshop.read() as uow:
            review = await review_until(uow, house.clock.now() + timedelta(seconds=1))
        assert len(review.week.problems) == 1
        problem = review.week.problems[0]
        assert {"quagga", "打印机又脱机了"} <= set(problem.words)
        assert (problem.cases, problem.customers, problem.weeks, problem.entries) == (3, 3, 1, ())
        assert review.repeated == (problem,)
        assert {each.value: now for each, now, _ in review.week.categories} == {
            "after_sales_technical": 7,
            "complaint": 1,
        }

        await house.pass_time(until=MONDAY - timedelta(hours=1))
        for address in ("alice@help.example", PRODUCT):
            assert house.mails_to(address, "问题：") == []
        await house.pass_time(until=MONDAY + timedelta(minutes=1))
        agent, lead = (house.mails_to(f"{who}@help.example", "本周高频问题") for who in ("alice", "carol"))
        told = house.mails_to(PRODUCT, "重复问题：1 类")
        assert [len(each) for each in (agent, lead, told)] == [1, 1, 1]
        for mail in (*agent, *lead, *told):
            assert "quagga" in text_of(mail)
            assert "李雷明" not in text_of(mail)
            assert "xylophone" not in text_of(mail).lower()
        # Numbers of others' tickets are not for agents.
        assert "CS2026" not in text_of(agent[0])
        assert "CS2026" in text_of(lead[0])
        assert "知识库中还没有相关条目" in text_of(lead[0])
        # A week without anything says nothing; nobody hears twice.
        await house.pass_time(until=MONDAY + timedelta(days=7, minutes=1))
        assert len(house.mails_to(PRODUCT)) == 1


def test_pairs_of_characters_become_words_again() -> None:
    wanted = {"打印", "印机", "机又", "脱机", "quagga"}
    found = phrases(["我的打印机又坏了 Quagga。脱机", "脱机"], wanted)
    assert found == [
        ("打印机又", ("打印", "印机", "机又")),
        ("quagga", ("quagga",)),
        ("脱机", ("脱机",)),
    ]
    assert phrases([], wanted) == []


def test_the_day_of_the_review_is_found_in_a_span() -> None:
    part = KnowledgePart(weekly_on="friday")
    first = datetime(2026, 3, 1, tzinfo=UTC).date()
    found = part.weekly_between(first, first + timedelta(days=14), "Asia/Shanghai")
    assert [day.isoformat() for day, _ in found] == ["2026-03-06", "2026-03-13"]
    assert found[0][1].isoformat() == "2026-03-06T09:00:00+08:00"
