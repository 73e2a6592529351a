"""Relays that refuse us or are down, limits of speed, and domains that want fewer mails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from tests.fakes_smtp import Script, ScriptedSmtp, close_with, cut, refuse
from tests.servers import RedisServer
from workers.channels.breaker import Breaker
from workers.channels.limits import Limit, Limiter, LocalLimiter, limit_of
from workers.channels.limits_redis import RedisLimiter
from workers.channels.port import Outcome, Outgoing, Verdict
from workers.channels.smtp import SmtpChannel
from workers.channels.smtp_open import CannotConnect
from workers.channels.smtp_url import Tls, parse_smtp_urls
from workers.clock import SystemClock
from workers.metrics import Metrics

pytestmark = pytest.mark.anyio

MAIL = b"Subject: hello\r\n\r\nhello\r\n"


@asynccontextmanager
async def channel_to(*urls: str, **options: Any) -> AsyncIterator[SmtpChannel]:
    settings: dict[str, Any] = {"timeout": 60, "connections": {"urgent": 1, "normal": 1}} | options
    channel = SmtpChannel(
        parse_smtp_urls(" ".join(urls)), SystemClock(), ehlo="closeloop.example", **settings
    )
    try:
        yield channel
    finally:
        await channel.aclose()


async def deliver(channel: SmtpChannel, *to: str, lane: str = "normal") -> list[Outcome]:
    outcomes: dict[Any, Outcome] = {}

    async def report(outcome: Outcome) -> None:
        outcomes[outcome.id] = outcome

    items = [Outgoing(uuid4(), who, "a@b.example", MAIL, lane) for who in to]
    await channel.deliver(items, report, until=time.monotonic() + 120)
    return [outcomes[item.id] for item in items]


def reasons(outcomes: list[Outcome]) -> list[str]:
    return [outcome.reason for outcome in outcomes]


# -- the breaker


def _trouble(breaker: Breaker[CannotConnect], reason: str = "connection_failed") -> None:
    breaker.failed(CannotConnect(reason, "relay.example"), reason, breaker.begin())


def test_the_pause_grows_and_one_connection_probes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("workers.channels.breaker.time.monotonic", lambda: now[0])
    metrics = Metrics()
    breaker = Breaker[CannotConnect]("relay.example:25", metrics)
    for pause in (1, 2, 4, 8, 16, 32, 60, 60):
        _trouble(breaker)
        now[0] += pause - 0.01
        assert not breaker.may_try()
        now[0] += 0.02
        assert breaker.may_try()
    assert b'closeloop_relay_down{relay="relay.example:25"} 1.0' in metrics.text()
    breaker.begin()
    assert not breaker.may_try(), "somebody is probing already"
    breaker.let_go()
    assert breaker.may_try()
    breaker.worked()
    assert breaker.may_try()
    assert b'closeloop_relay_down{relay="relay.example:25"} 0.0' in metrics.text()


def test_connections_that_fail_together_are_one_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("workers.channels.breaker.time.monotonic", lambda: now[0])
    breaker = Breaker[CannotConnect]("relay.example:25")
    together = [breaker.begin() for _ in range(10)]
    for began in together:
        now[0] += 0.01
        breaker.failed(CannotConnect("connection_failed", ""), "connection_failed", began)
    now[0] += 1
    assert breaker.may_try()


async def test_a_wrong_password_is_tried_once_and_said_aloud() -> None:
    metrics = Metrics()
    script = Script(users={"me": "right"})
    async with ScriptedSmtp(script) as server:
        url = f"smtp://me:wrong@127.0.0.1:{server.port}?tls=none"
        async with channel_to(url, metrics=metrics) as channel:
            first = await deliver(channel, *(f"p{number}@example.org" for number in range(20)))
            await asyncio.sleep(1.1)
            second = await deliver(channel, "bob@example.org")
    assert set(reasons(first + second)) == {"authentication_failed"}
    assert server.connections == 1, "more would get the account locked"
    assert f'closeloop_relay_down{{relay="127.0.0.1:{server.port}"}} 1.0'.encode() in metrics.text()


# -- failover


async def test_what_one_relay_refuses_us_the_next_one_takes_in_the_same_try() -> None:
    script = Script().on("mail", refuse("530 5.7.0 authentication required"))
    async with (
        ScriptedSmtp(script) as first,
        ScriptedSmtp() as second,
        channel_to(first.url, second.url) as channel,
    ):
        outcomes = await deliver(channel, "bob@example.org", "eve@example.org")
    assert reasons(outcomes) == ["accepted"] * 2
    assert (first.count("MAIL"), len(second.mails)) == (1, 2)


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_a_relay_that_hangs_up_before_the_mail_does_not_cost_a_try(step: str) -> None:
    async with (
        ScriptedSmtp(Script().on(step, cut())) as first,
        ScriptedSmtp() as second,
        channel_to(first.url, second.url) as channel,
    ):
        assert reasons(await deliver(channel, "bob@example.org")) == ["accepted"]
    assert [mail.recipient for mail in second.mails] == ["bob@example.org"]


async def test_after_the_final_dot_no_other_relay_is_asked() -> None:
    async with (
        ScriptedSmtp(Script().on("dot", cut())) as first,
        ScriptedSmtp() as second,
        channel_to(first.url, second.url) as channel,
    ):
        (outcome,) = await deliver(channel, "bob@example.org")
    assert (outcome.verdict, second.mails) == (Verdict.UNKNOWN, [])


async def test_a_refusal_of_the_recipient_is_no_reason_to_ask_another_relay() -> None:
    script = Script().on("rcpt", refuse("550 5.1.1 no such user"))
    async with (
        ScriptedSmtp(script) as first,
        ScriptedSmtp() as second,
        channel_to(first.url, second.url) as channel,
    ):
        assert reasons(await deliver(channel, "bob@example.org")) == ["unknown_recipient"]
    assert second.connections == 0


# -- speed


@asynccontextmanager
async def limiter(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Limiter]:
    if kind == "local":
        yield LocalLimiter()
        return
    server: RedisServer = request.getfixturevalue("redis_for_all")
    server.flush()
    made = RedisLimiter(server.url())
    yield made
    await made.aclose()


both = pytest.mark.parametrize("kind", ["local", "redis"])


@both
async def test_a_bucket_gives_its_burst_at_once_and_then_its_rate(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with limiter(kind, request) as buckets:
        limit = Limit("relay", 600, 3)
        assert [await buckets.take([limit]) for _ in range(3)] == [0, 0, 0]
        assert 500 < await buckets.take([limit]) <= 600
        assert await buckets.take([limit], credit=3) == 0, "what is urgent may use one burst more"
        assert 1100 < await buckets.take([limit]) <= 1200
        quick = Limit("quick", 0.05, 1)
        began = time.monotonic()
        for _ in range(5):
            while wait := await buckets.take([quick]):
                assert wait <= 0.05
                await asyncio.sleep(wait)
        assert time.monotonic() - began > 0.19, "four of the five had to wait for their turn"


@both
async def test_what_one_bucket_refuses_is_not_taken_from_the_other(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with limiter(kind, request) as buckets:
        relay, domain = Limit("relay", 600, 2), limit_of("relay", 0.001, "example.org")
        assert await buckets.take([relay, domain]) == 0
        assert await buckets.take([relay, domain]) > 900
        assert await buckets.take([relay, limit_of("relay", 0.001, "other.example")]) == 0
        assert await buckets.take([relay]) > 500


@both
async def test_a_complaint_halves_the_speed_and_ten_at_once_are_one(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with limiter(kind, request) as buckets:
        limit = Limit("relay|x", 0, 1)
        assert await buckets.take([limit]) == 0
        for _ in range(10):
            await buckets.slow(limit.key)
        waits = [await buckets.take([limit]) for _ in range(50)]
        assert waits[0] == 0
        assert 0 < max(waits) <= 1, "ten times halved would be minutes"


async def test_two_processes_share_what_redis_keeps(redis_for_all: RedisServer) -> None:
    redis_for_all.flush()
    one, two = RedisLimiter(redis_for_all.url()), RedisLimiter(redis_for_all.url())
    limit = Limit("relay", 600, 2)
    assert [await one.take([limit]), await two.take([limit])] == [0, 0]
    assert 500 < await one.take([limit]) <= 600
    assert 500 < await two.take([limit]) <= 600
    await one.aclose()
    await two.aclose()


async def test_more_askers_than_connections_wait_and_still_count_together(redis_for_all: RedisServer) -> None:
    redis_for_all.flush()
    one, two = RedisLimiter(redis_for_all.url()), RedisLimiter(redis_for_all.url())
    with capture_logs() as logs:
        counts = await asyncio.gather(*(each.count("day", 1, 60) for each in (one, two) * 15))
    assert sorted(counts) == list(range(1, 31))
    assert logs == []
    await one.aclose()
    await two.aclose()


async def test_without_redis_each_process_keeps_to_the_limit_by_itself() -> None:
    alone = RedisLimiter("redis://127.0.0.1:1/0")
    limit = Limit("relay", 600, 1)
    assert await alone.take([limit]) == 0
    assert await alone.take([limit]) > 500
    await alone.slow("relay")
    await alone.aclose()


async def test_a_limited_relay_gets_no_more_than_that_and_the_rest_comes_back_in_turn() -> None:
    async with ScriptedSmtp() as server, channel_to(f"{server.url}&rate=60/m") as channel:
        outcomes = await deliver(channel, *(f"p{number}@example.org" for number in range(6)))
        assert len(server.mails) <= 6
        waiting = [outcome for outcome in outcomes if outcome.verdict is Verdict.NOT_STARTED]
        assert {outcome.reason for outcome in waiting} <= {"throttled"}
        assert len(server.mails) + len(waiting) == 6
    async with ScriptedSmtp() as server, channel_to(f"{server.url}&rate=10/h") as channel:
        outcomes = await deliver(channel, *(f"p{number}@example.org" for number in range(4)))
        assert len(server.mails) == 1
        pauses = [outcome.retry_after for outcome in outcomes[1:]]
        assert all(later is not None for later in pauses)
        turns = [round((pause or 0) / 60) for pause in pauses]
        assert turns == [6, 12, 18], "each at its own time, not all at once"
        assert reasons(await deliver(channel, "boss@example.org", lane="urgent")) == ["accepted"]


async def test_one_domain_does_not_hold_up_the_others() -> None:
    async with ScriptedSmtp() as server, channel_to(f"{server.url}&per_domain=1/h") as channel:
        outcomes = await deliver(channel, "a@one.example", "b@ONE.example", "c@two.example")
    assert reasons(outcomes) == ["accepted", "throttled", "accepted"]
    assert outcomes[1].verdict is Verdict.NOT_STARTED
    assert (outcomes[1].retry_after or 0) > 3000


async def test_421_slows_the_whole_domain_and_nobody_else() -> None:
    script = Script().on("rcpt", close_with("421 4.7.28 too many mails"), recipient="one.example", times=1)
    async with ScriptedSmtp(script) as server, channel_to(server.url) as channel:
        to = [f"p{number}@one.example" for number in range(6)] + ["c@two.example"]
        started = time.monotonic()
        outcomes = await deliver(channel, *to)
        assert outcomes[0].verdict is Verdict.RETRY
        assert time.monotonic() - started > 1, "about one a second from now on"
    assert {outcome.reason for outcome in outcomes[1:6]} <= {"accepted", "throttled"}
    assert outcomes[6].verdict is Verdict.SENT


def test_limits_are_read_from_the_url() -> None:
    (relay,) = parse_smtp_urls("smtp://r.example?tls=none&rate=300/m&per_domain=2&quota=500&profile=plain")
    assert (relay.rate, relay.per_domain, relay.quota, relay.profile) == (5.0, 2.0, 500, "plain")
    assert relay.tls is Tls.NONE
