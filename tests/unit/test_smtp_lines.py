"""A relay that allows few connections (`connections=`): the lanes share them, what is urgent goes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes_smtp import Script, ScriptedSmtp, cut, delay, held
from tests.unit.test_smtp_channel import deliver, mail_to, verdicts
from workers.channels import smtp_lines
from workers.channels.port import Outgoing
from workers.channels.smtp import CONNECTIONS, SmtpChannel
from workers.channels.smtp_lines import Busy, Lines
from workers.channels.smtp_url import parse_smtp_urls
from workers.clock import SystemClock
from workers.errors import SettingsError

pytestmark = pytest.mark.anyio

SENT = ("sent", "accepted")


@asynccontextmanager
async def channel_to(*urls: str, **options: Any) -> AsyncIterator[SmtpChannel]:
    channel = SmtpChannel(
        parse_smtp_urls(" ".join(urls)), SystemClock(), ehlo="closeloop.example", **{"timeout": 60} | options
    )
    try:
        yield channel
    finally:
        await channel.aclose()


def mails(lane: str, count: int) -> list[Outgoing]:
    return [mail_to(f"{lane}{number}", lane=lane) for number in range(count)]


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("lost", [False, True], ids=["steady", "often-cut"])
async def test_all_lanes_together_never_have_more_connections(limit: int, lost: bool) -> None:
    script = Script().on("mail", cut(), skip=9, times=1).on("data", cut(), skip=20, times=1) if lost else None
    async with ScriptedSmtp(script) as server, channel_to(f"{server.url}&connections={limit}") as channel:
        results = await asyncio.gather(*(deliver(channel, *mails(lane, 12)) for lane in CONNECTIONS))
        told = [verdict for outcomes in results for verdict in verdicts(outcomes)]
        # Both cuts may hit one mail: it is tried anew once at once, and then later.
        assert told.count(SENT) >= (35 if lost else 36)
        assert set(told) <= {SENT, ("retry", "lost_before_data")}
        assert len(server.mails) == told.count(SENT)
        assert server.most_connections <= limit
        if not lost:
            assert server.connections <= limit, "they are passed on, not opened anew"


async def test_without_a_limit_each_lane_has_its_own() -> None:
    all_are_open = asyncio.Event()
    script = Script().on("dot", held(all_are_open))
    async with ScriptedSmtp(script) as server, channel_to(server.url) as channel:
        lanes = [asyncio.create_task(deliver(channel, *mails(lane, 12))) for lane in CONNECTIONS]
        await server.until(lambda: server.open_connections >= sum(CONNECTIONS.values()))
        all_are_open.set()
        await asyncio.gather(*lanes)
        assert server.most_connections == sum(CONNECTIONS.values()) == 16


async def test_what_is_urgent_has_a_connection_while_a_survey_goes_to_thousands() -> None:
    script = Script().on("dot", delay(0.1))
    async with ScriptedSmtp(script) as server, channel_to(f"{server.url}&connections=2") as channel:
        blast = asyncio.create_task(deliver(channel, *mails("bulk", 20), *mails("normal", 20)))
        await server.until(lambda: len(server.mails) >= 2)
        assert server.most_connections == 1
        before = len(server.mails)
        await deliver(channel, *mails("urgent", 3))
        assert len(server.mails) - before < 20
        await blast
        assert server.most_connections == 2


async def test_the_only_connection_goes_to_what_is_urgent_next() -> None:
    script = Script().on("dot", delay(0.05))
    async with ScriptedSmtp(script) as server, channel_to(f"{server.url}&connections=1") as channel:
        blast = [asyncio.create_task(deliver(channel, *mails(lane, 15))) for lane in ("bulk", "normal")]
        await server.until(lambda: len(server.mails) >= 3)
        before = len(server.mails)
        await deliver(channel, *mails("urgent", 1))
        await asyncio.gather(*blast)
        place = [mail.recipient.startswith("urgent") for mail in server.mails].index(True)
        assert place - before <= 3, "after those whose envelope had left already"
        kinds = [mail.recipient[:4] for mail in server.mails[:12]]
        assert {"bulk", "norm"} <= set(kinds), "the others take turns"


async def test_who_waits_too_long_gives_the_row_back_and_it_is_no_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp_lines, "PATIENCE", 0.2)
    answered = asyncio.Event()
    script = Script().on("dot", held(answered), recipient="bulk")
    async with ScriptedSmtp(script) as server, channel_to(f"{server.url}&connections=1") as channel:
        blast = asyncio.create_task(deliver(channel, *mails("bulk", 1)))
        await server.until(lambda: server.count("DATA") == 1)
        (late,) = await deliver(channel, *mails("normal", 1))
        assert (late.verdict, late.reason, late.host) == ("not_started", "throttled", "")
        assert late.retry_after
        answered.set()
        assert verdicts(await blast) == [SENT]
        assert verdicts(await deliver(channel, *mails("normal", 1))) == [SENT]


async def test_a_full_relay_is_waited_for_and_the_next_one_is_for_troubles() -> None:
    async with ScriptedSmtp() as first, ScriptedSmtp() as second:
        urls = [f"{server.url}&connections=1" for server in (first, second)]
        async with channel_to(*urls) as channel:
            await asyncio.gather(*(deliver(channel, *mails(lane, 5)) for lane in CONNECTIONS))
            assert (len(first.mails), second.connections) == (15, 0)
            await first.stop()
            await asyncio.gather(*(deliver(channel, *mails(lane, 5)) for lane in CONNECTIONS))
            assert len(second.mails) == 15
            assert second.most_connections == 1


async def test_a_turn_that_comes_as_its_waiter_leaves_is_passed_on() -> None:
    lines = Lines(1)
    await lines.enter(urgent=False)
    waiters = [asyncio.create_task(lines.enter(urgent=False)) for _ in range(3)]
    await asyncio.sleep(0)
    lines.leave()
    waiters[0].cancel()
    await asyncio.wait(waiters[:2], timeout=120, return_when=asyncio.ALL_COMPLETED)
    assert [waiter.cancelled() for waiter in waiters[:2]] == [True, False]
    assert not waiters[2].done()
    lines.leave()
    await waiters[2]
    lines.leave()
    await lines.enter(urgent=False)


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_lines, "PATIENCE", 0.05)
    lines = Lines(2)
    await lines.enter(urgent=False)
    with pytest.raises(Busy):
        await lines.enter(urgent=False)
    await lines.enter(urgent=True)
    with pytest.raises(Busy):
        await lines.enter(urgent=True)
    assert not lines.wanted


def test_the_option_is_a_number() -> None:
    (relay,) = parse_smtp_urls("smtp://relay.example?connections=3")
    assert relay.connections == 3
    with pytest.raises(SettingsError, match="connections must be a number"):
        parse_smtp_urls("smtp://relay.example?connections=0")
