"""Text messages through Twilio's API, on its good and its bad days."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes_sms import FakeTwilio
from workers.channels.port import Outcome, Outgoing, Verdict
from workers.channels.sms.twilio import TwilioSms
from workers.channels.sms.url import TwilioAccount, parse_sms_url
from workers.clock import SystemClock
from workers.errors import SettingsError

pytestmark = pytest.mark.anyio

BOB = "+15550123"


def sms(text: str = "您好 + & = %", to: str = BOB, sender: str = "") -> Outgoing:
    return Outgoing(uuid4(), to, sender, text.encode())


@asynccontextmanager
async def channel_to(twilio: FakeTwilio, **changes: Any) -> AsyncIterator[TwilioSms]:
    account = parse_sms_url(twilio.url)
    assert isinstance(account, TwilioAccount)
    channel = TwilioSms(replace(account, **changes), SystemClock(), timeout=20)
    try:
        yield channel
    finally:
        await channel.aclose()


async def send(channel: TwilioSms, item: Outgoing) -> Outcome:
    outcomes: list[Outcome] = []

    async def report(outcome: Outcome) -> None:
        outcomes.append(outcome)

    await channel.deliver([item], report, until=time.monotonic() + 120)
    (only,) = outcomes
    return only


async def test_a_text_arrives_with_the_accounts_sender() -> None:
    async with FakeTwilio() as twilio, channel_to(twilio) as channel:
        outcome = await send(channel, sms())
    (caught,) = twilio.messages
    assert (caught.to, caught.body, caught.sender, caught.service) == (BOB, "您好 + & = %", "+15550100", "")
    assert (outcome.verdict, outcome.code, outcome.provider_id) == (Verdict.SENT, 201, caught.sid)
    assert (outcome.text, outcome.host, outcome.tls) == ("queued", "twilio", False)


async def test_a_message_may_have_its_own_sender_and_ask_for_a_receipt() -> None:
    callback = "https://closeloop.example/hooks/receipts/twilio?n=1"
    async with FakeTwilio() as twilio, channel_to(twilio, status_callback=callback) as channel:
        await send(channel, sms(sender="+15550177"))
    assert (twilio.messages[0].sender, twilio.messages[0].status_callback) == ("+15550177", callback)


async def test_a_messaging_service_chooses_the_sender_itself() -> None:
    service = "MG" + "a" * 32
    async with FakeTwilio(sender=service) as twilio, channel_to(twilio) as channel:
        await send(channel, sms(sender="+15550177"))
    assert (twilio.messages[0].service, twilio.messages[0].sender) == (service, "")


ANSWERS = [
    (400, 21211, "rejected", "invalid_recipient"),
    (400, 21614, "rejected", "invalid_recipient"),
    (400, 21610, "rejected", "opted_out"),
    (400, 21408, "rejected", "region_not_permitted"),
    (400, 21606, "rejected", "sender_rejected"),
    (400, 21617, "rejected", "too_large"),
    (400, 29999, "rejected", "twilio_29999"),
    (400, None, "rejected", "server_error"),
    (401, 20003, "retry", "authentication_failed"),
    (403, 20005, "retry", "authentication_failed"),
    (404, 20404, "retry", "authentication_failed"),
    (400, 21611, "retry", "throttled"),
    (429, 20429, "retry", "throttled"),
    (429, None, "retry", "throttled"),
    (500, 20500, "retry", "server_error"),
    (503, None, "retry", "server_error"),
    (302, None, "retry", "server_error"),
]


@pytest.mark.parametrize(("status", "code", "verdict", "reason"), ANSWERS)
async def test_an_error_is_understood(status: int, code: int | None, verdict: str, reason: str) -> None:
    async with FakeTwilio() as twilio, channel_to(twilio) as channel:
        twilio.fail(status, code, f"trouble with {BOB}")
        outcome = await send(channel, sms())
    assert (outcome.verdict, outcome.reason, outcome.code) == (verdict, reason, status)
    assert "5550123" not in outcome.text
    if code is not None:
        assert str(code) in outcome.text


async def test_a_wrong_token_is_for_later_and_said() -> None:
    async with FakeTwilio() as twilio, channel_to(twilio, token="wrong") as channel:
        outcome = await send(channel, sms())
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "authentication_failed")
    assert twilio.messages == []


@pytest.mark.parametrize("raw", [b"<html>bad gateway", b"[]", b"\xff\xfe", b'{"code": "x"}', b""])
@pytest.mark.parametrize(
    ("status", "verdict"),
    [(201, Verdict.SENT), (502, Verdict.UNKNOWN), (503, Verdict.RETRY), (400, Verdict.REJECTED)],
)
async def test_the_status_counts_even_if_the_body_is_nonsense(
    status: int, verdict: Verdict, raw: bytes
) -> None:
    async with FakeTwilio() as twilio, channel_to(twilio) as channel:
        twilio.fail(status, raw=raw)
        twilio.troubles[0].status = status
        outcome = await send(channel, sms())
    assert outcome.verdict is verdict


async def test_the_asked_for_pause_is_passed_on() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(minutes=50), usegmt=True)
    async with FakeTwilio() as twilio, channel_to(twilio) as channel:
        for value in ("7", moment, "999999", "soon"):
            twilio.fail(429, headers={"Retry-After": value}, times=1)
        waits = [(await send(channel, sms())).retry_after for _ in range(4)]
    assert waits[0] == 7
    assert waits[1] is not None
    assert 2000 < waits[1] <= 3000
    assert waits[2:] == [3600, None]


async def test_a_connection_cut_before_the_request_was_read_may_have_carried_it() -> None:
    # Nobody can know: the request was written, the answer never came.
    async with FakeTwilio() as twilio, channel_to(twilio) as channel:
        twilio.cut(before_reading=True, times=1)
        outcome = await send(channel, sms())
    assert outcome.verdict in (Verdict.UNKNOWN, Verdict.RETRY)
    assert outcome.verdict is not Verdict.RETRY or twilio.messages == []


async def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    async with FakeTwilio() as twilio, channel_to(twilio) as channel:
        await send(channel, sms())
        await twilio.stop()
        await twilio.start()
        assert (await send(channel, sms())).verdict is Verdict.SENT


async def test_text_that_is_not_utf_8_is_refused() -> None:
    async with FakeTwilio() as twilio, channel_to(twilio) as channel:
        outcome = await send(channel, Outgoing(uuid4(), BOB, "", b"\xff\xfe"))
    assert (outcome.verdict, outcome.reason) == (Verdict.REJECTED, "content_rejected")


def test_the_account_is_read_from_its_url() -> None:
    account = parse_sms_url("twilio://AC123:to%2Fk%3Aen@/+15550100")
    assert account == TwilioAccount("AC123", "to/k:en", "+15550100", "https://api.twilio.com")
    assert "to/k:en" not in repr(account)
    assert parse_sms_url("twilio://AC1:t@/+15550100?api=http://127.0.0.1:9999").api == "http://127.0.0.1:9999"
    assert parse_sms_url("twilio://AC1:t@/%2B15550100").sender == "+15550100"
    assert parse_sms_url("twilio://AC1:t@/MG" + "0" * 32).sender == "MG" + "0" * 32
    assert parse_sms_url("twilio://AC1:t@/Closeloop").sender == "Closeloop"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pigeon://AC1:topsecret@/+15550100",
        "twilio://AC1@/+15550100",
        "twilio://:topsecret@/+15550100",
        "twilio://AC1:topsecret@/",
        "twilio://AC1:topsecret@/+0",
        "twilio://AC1:topsecret@/+15550100?api=ftp://x",
        "twilio://AC1:topsecret@/+15550100?region=ie1",
        "twilio://A%2FC:topsecret@/+15550100",
    ],
)
def test_a_wrong_url_is_refused_without_repeating_its_token(url: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse_sms_url(url)
    assert "topsecret" not in str(refusal.value)
