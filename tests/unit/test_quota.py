"""A relay's day: a share stays free for what is urgent, surveys are spread, and the end is foreseen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from tests.conftest import Backend
from tests.fakes_smtp import ScriptedSmtp
from tests.house import open_house
from tests.servers import RedisServer
from workers.channels.limits import Limiter, LocalLimiter
from workers.channels.limits_redis import RedisLimiter
from workers.channels.quota import Day, Quotas
from workers.channels.smtp_url import Relay
from workers.delivery.sent import sent_since
from workers.metrics import Metrics

pytestmark = pytest.mark.anyio

SHANGHAI = ZoneInfo("Asia/Shanghai")
RELAY = Relay("relay.example", 587, quota=100)
MIDNIGHT = datetime(2026, 3, 1, 16, tzinfo=UTC)  # the 2nd of March begins in Shanghai


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def _fill(quotas: Quotas, lane: str, most: int = 300) -> int:
    for number in range(most):
        if await quotas.take(RELAY, lane):
            return number
    return most


async def test_what_is_urgent_has_a_share_of_its_own() -> None:
    quotas = Quotas(LocalLimiter(), SHANGHAI, Clock(MIDNIGHT + timedelta(hours=20)))
    assert await _fill(quotas, "normal") == 80
    assert await quotas.take(RELAY, "normal") > 0
    assert await _fill(quotas, "urgent") == 20
    assert 0 < await quotas.take(RELAY, "urgent") <= 3600


async def test_surveys_are_spread_over_the_day_and_the_next_day_begins_in_the_teams_zone() -> None:
    clock = Clock(MIDNIGHT + timedelta(hours=5))
    quotas = Quotas(LocalLimiter(), SHANGHAI, clock)
    assert await _fill(quotas, "bulk") == 20, "a quarter of the 80 by six, with an hour's head start"
    assert 60 <= await quotas.take(RELAY, "bulk") <= 3600
    assert await quotas.take(RELAY, "normal") == 0
    clock.now = MIDNIGHT + timedelta(hours=23, minutes=59)
    assert await _fill(quotas, "bulk") == 59
    assert await quotas.take(RELAY, "normal") == pytest.approx(60)
    clock.now = MIDNIGHT + timedelta(hours=24)
    assert await quotas.take(RELAY, "normal") == 0


async def test_what_did_not_leave_is_given_back() -> None:
    quotas = Quotas(LocalLimiter(), SHANGHAI, Clock(MIDNIGHT + timedelta(hours=20)))
    assert await _fill(quotas, "normal") == 80
    await quotas.give_back(RELAY)
    assert await quotas.take(RELAY, "normal") == 0
    assert await quotas.take(RELAY, "normal") > 0


async def test_an_early_end_is_foreseen_and_said_once() -> None:
    metrics = Metrics()
    clock = Clock(MIDNIGHT + timedelta(hours=6))
    quotas = Quotas(LocalLimiter(), SHANGHAI, clock, metrics=metrics)
    with capture_logs() as logs:
        assert await _fill(quotas, "normal", 25) == 25
        assert logs == [], "a quarter used in a quarter of the day"
        assert await _fill(quotas, "normal", 15) == 15
    assert [(entry["event"], entry["used"]) for entry in logs] == [("relay_quota_ends_early", 26)]
    assert b'closeloop_relay_quota_ends_early{relay="relay.example:587"} 1.0' in metrics.text()
    assert b'closeloop_relay_quota_used{relay="relay.example:587"} 0.4' in metrics.text()


@pytest.mark.parametrize("kind", ["local", "redis"])
async def test_a_lost_count_is_taken_from_the_ledger(kind: str, request: pytest.FixtureRequest) -> None:
    asked: list[tuple[str, datetime]] = []

    async def sent(host: str, since: datetime) -> int:
        asked.append((host, since))
        return 70

    limiter: Limiter = LocalLimiter()
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis_for_all")
        server.flush()
        limiter = RedisLimiter(server.url())
    quotas = Quotas(limiter, SHANGHAI, Clock(MIDNIGHT + timedelta(hours=20)), sent_since=sent)
    assert await _fill(quotas, "normal") == 10
    assert asked == [("relay.example", MIDNIGHT)]
    await limiter.aclose()


async def test_a_relay_without_quota_is_not_counted() -> None:
    quotas = Quotas(LocalLimiter(), SHANGHAI, Clock(MIDNIGHT))
    assert [await quotas.take(Relay("r.example", 25), "bulk") for _ in range(3)] == [0, 0, 0]


def test_a_day_of_twenty_three_hours_is_one() -> None:
    day = Day.around(datetime(2026, 3, 29, 12, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert (day.end - day.start) == timedelta(hours=23)


async def test_in_the_house_the_quota_holds_back_with_its_reason(backend: Backend) -> None:
    async with ScriptedSmtp() as relay:
        url = f"{relay.url}&quota=3"
        async with open_house(backend, settings={"smtp_url": (url,)}) as house:
            house.relay = relay
            for number in range(3):
                await house.mail(f"p{number}@one.example", "Please help", subject="Order")
            rows = await house.notifications()
            assert len(relay.mails) == 2, "the third is kept for what is urgent"
            assert {row.reason for row in rows if row.state == "queued"} == {"quota"}
            assert {row.tries for row in rows if row.state == "queued"} == {0}
            start = house.clock.machine() - timedelta(minutes=10)
            assert await sent_since(house.workshop, "127.0.0.1", start) == 2
            assert await sent_since(house.workshop, "127.0.0.1", start + timedelta(hours=1)) == 0
