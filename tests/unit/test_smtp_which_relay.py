"""Which relay a mail goes to: who has room today (quota) and offers what its address needs (SMTPUTF8)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from tests.fakes_smtp import Script, ScriptedSmtp
from workers.channels.address import wire_address
from workers.channels.limits import LocalLimiter
from workers.channels.port import Outcome, Outgoing, Verdict
from workers.channels.quota import Quotas
from workers.channels.smtp import SmtpChannel
from workers.channels.smtp_url import parse_smtp_urls
from workers.clock import SystemClock
from workers.delivery.compose import MailParts, compose
from workers.errors import InvalidInput

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
MAIL = b"Subject: hello\r\n\r\nhello\r\n"
YUAN = "用户@例子.广告"


async def send(
    channel: SmtpChannel,
    count: int,
    *,
    lane: str = "normal",
    to: str = "bob@shop.example",
    mail: bytes = MAIL,
) -> list[Outcome]:
    outcomes: list[Outcome] = []

    async def report(outcome: Outcome) -> None:
        outcomes.append(outcome)

    batch = [Outgoing(uuid4(), to, "", mail, lane) for _ in range(count)]
    await channel.deliver(batch, report, until=time.monotonic() + 60)
    return outcomes


def verdicts(outcomes: Sequence[Outcome]) -> list[tuple[Verdict, str]]:
    return sorted({(outcome.verdict, outcome.reason) for outcome in outcomes})


async def test_a_used_up_quota_overflows_to_the_next_relay_and_the_reserve_stays() -> None:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(ScriptedSmtp()) for _ in range(2)]
        relays = parse_smtp_urls(f"{first.url}&quota=10 {second.url}&quota=5")
        quotas = Quotas(LocalLimiter(), ZoneInfo("Asia/Shanghai"), lambda: NOON, relays=relays)
        channel = SmtpChannel(relays, SystemClock(), quotas=quotas)
        stack.push_async_callback(channel.aclose)
        with capture_logs() as logs:
            sent = await send(channel, 12)
            assert verdicts(sent) == [(Verdict.SENT, "accepted")]
            assert (len(first.mails), len(second.mails)) == (8, 4)
            late = await send(channel, 3)
        assert verdicts(late) == [(Verdict.NOT_STARTED, "quota")]
        assert all(outcome.retry_after for outcome in late)
        urgent = await send(channel, 4, lane="urgent")
        assert verdicts(urgent) == [(Verdict.NOT_STARTED, "quota"), (Verdict.SENT, "accepted")]
        assert (len(first.mails), len(second.mails)) == (10, 5)
        told = {(line["relay"], line["then"]) for line in logs if line["event"] == "relay_quota_used_up"}
        assert told == {(relays[0].name, relays[1].name), (relays[1].name, "tomorrow")}
        foreseen = [line for line in logs if line["event"] == "relay_quota_ends_early"]
        assert foreseen[0]["then"] == relays[1].name


async def test_a_survey_that_waits_for_its_share_of_the_day_does_not_overflow() -> None:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(ScriptedSmtp()) for _ in range(2)]
        relays = parse_smtp_urls(f"{first.url}&quota=10 {second.url}")
        quotas = Quotas(LocalLimiter(), ZoneInfo("Asia/Shanghai"), lambda: NOON, relays=relays)
        channel = SmtpChannel(relays, SystemClock(), quotas=quotas)
        stack.push_async_callback(channel.aclose)
        assert verdicts(await send(channel, 6, lane="bulk")) == [
            (Verdict.NOT_STARTED, "quota"),
            (Verdict.SENT, "accepted"),
        ]
        assert second.mails == []


def mail_to(address: str) -> bytes:
    return compose(
        MailParts(
            from_name="Support", from_address="support@help.example", to_address=address, to_name="用户",
            subject="你好", text="您好", message_id="<1@help.example>", date=NOON,
        )
    )  # fmt: skip # packed, to be read at a glance


@pytest.mark.parametrize("pipelining", [True, False])
async def test_an_address_beyond_ascii_goes_to_a_relay_that_offers_it(pipelining: bool) -> None:
    plain, modern = Script(pipelining=pipelining), Script(pipelining=pipelining, utf8=True)
    async with ScriptedSmtp(plain) as first, ScriptedSmtp(modern) as second:
        channel = SmtpChannel(parse_smtp_urls(f"{first.url} {second.url}"), SystemClock())
        sent = await send(channel, 3, to=YUAN, mail=mail_to(YUAN))
        usual = await send(channel, 1)
        await channel.aclose()
    assert verdicts([*sent, *usual]) == [(Verdict.SENT, "accepted")]
    assert (len(first.mails), len(second.mails)) == (1, 3)
    assert second.mails[0].recipient == "用户@xn--fsqu00a.xn--4rr70v"
    assert "<用户@xn--fsqu00a.xn--4rr70v>".encode() in second.mails[0].data
    assert second.violations == []


async def test_without_such_a_relay_it_is_refused_with_that_reason() -> None:
    async with ScriptedSmtp() as first, ScriptedSmtp() as second:
        channel = SmtpChannel(parse_smtp_urls(f"{first.url} {second.url}"), SystemClock())
        outcomes = await send(channel, 1, to=YUAN, mail=mail_to(YUAN))
        await channel.aclose()
    assert verdicts(outcomes) == [(Verdict.REJECTED, "smtputf8_not_offered")]
    assert first.mails == second.mails == []


async def test_while_the_relay_that_could_is_down_it_waits() -> None:
    async with ScriptedSmtp() as first, ScriptedSmtp(Script(utf8=True)) as second:
        channel = SmtpChannel(parse_smtp_urls(f"{first.url} {second.url}"), SystemClock())
        second.close_door()
        outcomes = await send(channel, 1, to=YUAN, mail=mail_to(YUAN))
        await channel.aclose()
    assert verdicts(outcomes) == [(Verdict.RETRY, "connection_failed")]


@pytest.mark.parametrize("local", ["a b", "用\u202e户", "用户>", "用\u00a0户", "用户\r\n", "用\ud800"])
def test_what_could_break_out_is_no_address_even_beyond_ascii(local: str) -> None:
    with pytest.raises(InvalidInput):
        wire_address(f"{local}@shop.example", utf8=True)


async def test_where_nobody_was_asked_there_is_no_host() -> None:
    async with ScriptedSmtp() as relay:
        channel = SmtpChannel(parse_smtp_urls(relay.url), SystemClock())
        relay.close_door()
        (first,) = await send(channel, 1)
        (second,) = await send(channel, 1)
        await channel.aclose()
    assert (first.verdict, first.reason, first.host) == (Verdict.RETRY, "connection_failed", "127.0.0.1")
    assert (second.verdict, second.reason, second.host) == (Verdict.RETRY, "connection_failed", "")
