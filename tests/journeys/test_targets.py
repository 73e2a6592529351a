"""A target is set, lags, is reported on and ends; its owner hears each time (row E2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Backend
from tests.copies import copies
from tests.house import House, open_house, text_of
from workers.targets import running_standings

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BOB, CAROL, DORA = (f"{name}@help.example" for name in ("bob", "carol", "dora"))


async def _first(house: House) -> str:
    """One real ticket, of which the others are copies."""
    body = {
        "contact": {"email": "li@shop.example"},
        "subject": "登录",
        "description": "登录不了",
        "priority": "low",
        "category": "complaint",
    }
    return str((await house.api("POST", "/tickets", body))["number"])


def _days(first: datetime, count: int) -> list[datetime]:
    return [first + step * DAY for step in range(count)]


def _at(month: int, day: int, hour: int = 1, minute: int = 5) -> datetime:
    """A moment of 2026 in UTC; 01:00 is opening time in Shanghai."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


async def test_a_target_is_said_to_lag_and_in_the_end_missed(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _first(house)
        early = await copies(house.workshop, number, _days(_at(2, 16), 12), HOUR, category="other")
        assert len(early) == 12
        aim = {
            "title": "投诉更快响应",
            "measure": "first_response_mean",
            "goal": 1800,
            "months": 1,
            "owner": "CS002",
            "scope": {"team": "support", "category": "other"},
        }
        few = {**aim, "scope": {"category": "pre_sales"}}
        refused = await house.api("POST", "/targets", few, by="SV001", expect=422)
        assert "too few cases" in refused["detail"]
        worse = await house.api("POST", "/targets", {**aim, "goal": 7200}, by="SV001", expect=422)
        assert "worse" in worse["detail"]
        scores = {**aim, "measure": "csat_overall", "start": 3, "goal": 4}
        assert "scores" in (await house.api("POST", "/targets", scores, by="SV001", expect=422))["detail"]
        await house.api("POST", "/targets", aim, by="CS001", expect=403)

        made = await house.api("POST", "/targets", aim, by="SV001")
        path = f"/targets/{made['number']}"
        assert (made["start_value"], made["start_cases"], made["window_days"]) == (3600, 12, 15)
        assert (made["last_day"], made["stand"]) == ("2026-04-01", "on_track")
        assert (await house.api("GET", "/targets", by="CS001"))["items"] == []
        await house.api("GET", path, by="CS001", expect=404)
        assert [each["number"] for each in (await house.api("GET", "/targets", by="CS002"))["items"]] == [
            made["number"]
        ]

        # Nothing becomes better: after a tenth of the way it is said, to its owner and to who set it; once.
        await copies(house.workshop, number, _days(_at(3, 2), 15), HOUR, category="other")
        await house.pass_time(until=_at(3, 3))
        assert house.mails_to(BOB, f"{made['number']} 进度落后") == []
        await house.pass_time(until=_at(3, 9))
        (told,) = house.mails_to(BOB, f"{made['number']} 进度落后")
        assert "投诉更快响应" in text_of(told)
        assert "1小时" in text_of(told)
        assert len(house.mails_to(CAROL, f"{made['number']} 进度落后")) == 1

        await house.api("POST", f"{path}/progress", {"text": "换了话术"}, by="CS002")
        await house.api("POST", f"{path}/progress", {"text": "我看看"}, by="CS001", expect=404)
        await house.api("POST", f"{path}/withdraw", {"text": "算了"}, by="CS002", expect=403)
        await house.pass_time(until=_at(3, 17, 5))
        assert len(house.mails_to(BOB, f"{made['number']} 进度落后")) == 1, "it is not said each day"
        assert len(house.mails_to(BOB, "时间过半")) == 1
        await house.pass_time(until=_at(3, 25, 16, 5))
        await house.pass_time(until=_at(3, 26))
        assert len(house.mails_to(BOB, "2026-04-01 到期")) == 1

        # Two thirds of the way at its end are not the whole.
        await copies(house.workshop, number, _days(_at(3, 18), 15), 40 * HOUR / 60, category="other")
        async with house.workshop.read() as uow:
            (stand,) = await running_standings(uow)
        assert stand.way is not None
        assert 0 < stand.way < 1
        await house.pass_time(until=_at(4, 2))
        ended = await house.api("GET", path)
        assert (ended["state"], ended["stand"], ended["current"], ended["cases"]) == (
            "missed",
            "missed",
            2400,
            15,
        )
        (result,) = house.mails_to(BOB, "未达成")
        assert "40分" in text_of(result)
        assert [each["kind"] for each in ended["log"]] == ["set", "behind", "progress", "ended"]
        await house.api("POST", f"{path}/progress", {"text": "晚了"}, by="CS002", expect=409)
        before = len(house.mails_to(BOB))
        await house.pass_time(until=_at(4, 7))
        assert len(house.mails_to(BOB)) == before, "what is over says nothing any more"


async def test_an_agreement_of_departments_is_moved_reached_and_said_to_both(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _first(house)
        aim = {
            "title": "技术部按时接单",
            "measure": "first_response_mean",
            "start": 3600,
            "goal": 1800,
            "last_day": "2026-03-20",
            "window_days": 10,
            "owner": "HD001",
            "department": "技术部",
        }
        alone = await house.api("POST", "/targets", {**aim, "promised_to": "技术部"}, by="HD001", expect=422)
        assert "two departments" in alone["detail"]
        made = await house.api("POST", "/targets", {**aim, "promised_to": "support"}, by="HD001")
        quiet = await house.api("POST", "/targets", {**aim, "scope": {"category": "pre_sales"}}, by="HD001")
        (listed,) = (await house.api("GET", "/targets?agreements=true"))["items"]
        assert (listed["number"], listed["promised_to"], listed["stand"]) == (
            made["number"],
            "support",
            "too_few",
        )
        # Its end is moved: what was planned for the first one says nothing.
        path = f"/targets/{made['number']}"
        stale = await house.web.patch(
            f"/api/v1{path}",
            json={"goal": 2000},
            headers={
                "Authorization": "Bearer api-key-of-the-tests-0123456789",
                "X-Acting-Staff": "HD001",
                "If-Match": '"9"',
            },
        )
        assert stale.status_code == 412
        await house.api("PATCH", path, {"last_day": "2026-03-27", "goal": 2000}, by="HD001")
        await copies(house.workshop, number, _days(_at(3, 16), 12), HOUR / 2)
        await house.pass_time(until=_at(3, 23))
        ended = await house.api("GET", f"/targets/{quiet['number']}")
        assert (ended["state"], ended["cases"]) == ("too_few", 0)
        assert "数量太少" in text_of(house.mails_to(DORA, f"{quiet['number']} 已到期")[0])
        assert (await house.api("GET", path))["state"] == "running"
        await house.pass_time(until=_at(3, 30))
        ended = await house.api("GET", path)
        assert (ended["state"], ended["current"], ended["cases"]) == ("reached", 1800, 10)
        for who in (DORA, CAROL):
            assert len(house.mails_to(who, f"{made['number']} 已到期：已达成")) == 1
