"""Several SMS providers: the next one is asked only when the first certainly has not sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes_sms_providers import FakeProvider
from workers.channels.port import Outcome, Outgoing, Verdict
from workers.channels.sms.factory import sms_channels
from workers.channels.sms.payload import sms_payload
from workers.channels.sms.registry import TemplateBook, parse_templates
from workers.channels.sms.several import OF_THIS_PROVIDER, SeveralSms
from workers.clock import SystemClock
from workers.metrics import Metrics
from workers.suppressions import reason_for

pytestmark = pytest.mark.anyio

BOB = "+8613800000001"
FACTS = {"zone": "UTC", "ticket": {"number": "CS0001"}}
ENTRY = {"message": "receipt", "code": "SMS_1", "kind": "notice", "state": "approved"}
BOOK = parse_templates({"template": [{**ENTRY, "variables": {"number": "ticket.number"}}]})


@dataclass
class Town:
    """A channel over these providers, first choice first."""

    sides: Sequence[FakeProvider]
    channel: SeveralSms
    metrics: Metrics

    async def send(self, message: str = "receipt") -> Outcome:
        outcomes: list[Outcome] = []

        async def report(outcome: Outcome) -> None:
            outcomes.append(outcome)

        payload = sms_payload([side.url for side in self.sides], "您好", message, "zh_CN", FACTS)
        item = Outgoing(uuid4(), BOB, "", payload)
        await self.channel.deliver([item], report, until=time.monotonic() + 60)
        (only,) = outcomes
        return only

    @property
    def taken(self) -> list[int]:
        """How many messages each took in."""
        return [len(side.messages) for side in self.sides]


@asynccontextmanager
async def town(*names: str, book: TemplateBook = BOOK) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        sides = [await stack.enter_async_context(FakeProvider(name)) for name in names]
        metrics = Metrics()
        channel = sms_channels(
            [side.url for side in sides], SystemClock(), "https://desk.example/hooks/receipts",
            templates=book, metrics=metrics,
        )  # fmt: skip # packed, to be read at a glance
        stack.push_async_callback(channel.aclose)
        yield Town(sides, channel, metrics)


async def test_the_first_that_works_sends_and_the_attempt_names_it() -> None:
    async with town("vonage", "plivo") as here:
        outcome = await here.send()
        assert (outcome.verdict, outcome.host, here.taken) == (Verdict.SENT, "vonage", [1, 0])
    async with town("vonage", "plivo") as here:
        here.sides[0].close_door()
        outcome = await here.send()
    assert (outcome.verdict, outcome.host, here.taken) == (Verdict.SENT, "plivo", [0, 1])
    assert "vonage: connection_failed" in outcome.text
    assert "https://desk.example/hooks/receipts/plivo" in str(here.sides[1].messages[0].fields)


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, b""), (429, b"slow down"), (401, b""), (200, {"messages": [{"status": "15"}]})],
)
async def test_what_speaks_of_the_provider_goes_to_the_next_one(status: int, body: Any) -> None:
    async with town("vonage", "plivo") as here:
        here.sides[0].answer(status, body)
        outcome = await here.send()
    assert (outcome.verdict, outcome.host, here.taken) == (Verdict.SENT, "plivo", [0, 1])


@pytest.mark.parametrize("status", ["7", "33", "12"])
async def test_what_speaks_of_the_recipient_or_the_words_is_final(status: str) -> None:
    async with town("vonage", "plivo") as here:
        here.sides[0].answer(200, {"messages": [{"status": status}]})
        outcome = await here.send()
    assert (outcome.verdict, outcome.host, here.taken) == (Verdict.REJECTED, "vonage", [0, 0])


async def test_an_unknown_fate_is_never_sent_by_somebody_else() -> None:
    async with town("vonage", "plivo") as here:
        here.sides[0].cut(BOB)
        cut = await here.send()
        here.sides[0].answer(504, b"")
        late = await here.send()
        here.sides[0].answer(200, b"<html>")
        odd = await here.send()
        here.sides[0].answer(502, b"")
        lost = await here.send()
    assert [each.verdict for each in (cut, late, odd, lost)] == [Verdict.UNKNOWN] * 4
    assert here.taken[1] == 0


async def test_a_provider_of_templates_is_asked_only_with_a_template_for_this_message() -> None:
    async with town("plivo", "aliyun") as here:
        here.sides[0].close_door()
        good, lacking = await here.send(), await here.send("csat_invitation")
    assert (good.verdict, good.host) == (Verdict.SENT, "aliyun")
    assert (lacking.verdict, lacking.reason, lacking.host) == (Verdict.RETRY, "connection_failed", "plivo")
    assert "aliyun: template_missing" in lacking.text
    assert here.taken == [0, 1]


async def test_without_a_template_anywhere_it_is_refused_with_that_reason() -> None:
    async with town("aliyun", "tencent", book=parse_templates({"template": []})) as here:
        outcome = await here.send()
    assert (outcome.verdict, outcome.reason) == (Verdict.REJECTED, "template_missing")
    assert "tencent: template_missing" in outcome.text


async def test_who_fails_three_times_is_left_alone_and_asked_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    async with town("vonage", "plivo") as here:
        monkeypatch.setattr("workers.channels.breaker.time.monotonic", lambda: now[0])
        for _ in range(4):
            here.sides[0].answer(503, b"")
        for _ in range(3):
            now[0] += 0.01
            await here.send()
        assert here.taken == [0, 3]
        assert here.metrics.relays_down() == ["sms:1:vonage"]
        outcome = await here.send()
        assert "left alone" not in outcome.text
        assert here.taken == [0, 4]
        now[0] += 2
        await here.send()  # asked again, and still 503
        now[0] += 4
        outcome = await here.send()
    assert (outcome.verdict, outcome.host) == (Verdict.SENT, "vonage")
    assert here.taken == [1, 5]
    assert here.metrics.relays_down() == []


async def test_when_all_are_left_alone_nobody_is_asked_and_there_is_no_host() -> None:
    async with town("vonage") as here:
        here.sides[0].answer(200, {"messages": [{"status": "9", "error-text": "no money"}]})
        first, second = await here.send(), await here.send()
    assert (first.verdict, first.reason, first.host) == (Verdict.RETRY, "out_of_credit", "vonage")
    assert (second.verdict, second.reason, second.host) == (Verdict.RETRY, "out_of_credit", "")
    assert here.taken == [0]


async def test_the_soonest_pause_that_was_asked_for_counts() -> None:
    async with town("vonage", "plivo") as here:
        here.sides[0].answer(429, b"", headers={"Retry-After": "90"})
        here.sides[1].answer(429, b"", headers={"Retry-After": "30"})
        outcome = await here.send()
    assert (outcome.verdict, outcome.host, outcome.retry_after) == (Verdict.RETRY, "vonage", 30)


def test_nothing_that_goes_on_speaks_of_the_address() -> None:
    assert {reason_for(reason) for reason in OF_THIS_PROVIDER} == {None}


async def test_all_that_have_an_attempt_on_record_leave_at_once() -> None:
    """What is killed with an attempt on record waits for a person: it must not be what never had its turn."""
    async with town("vonage") as here:
        for _ in range(here.channel.batch_size):
            here.sides[0].hang(BOB)
        payload = sms_payload([here.sides[0].url], "您好", "receipt", "zh_CN", FACTS)
        batch = [Outgoing(uuid4(), BOB, "", payload) for _ in range(here.channel.batch_size)]
        assert len(batch) > 1
        outcomes: list[Outcome] = []

        async def report(outcome: Outcome) -> None:
            outcomes.append(outcome)

        sending = asyncio.create_task(here.channel.deliver(batch, report, until=time.monotonic() + 60))
        async with asyncio.timeout(30):
            while here.taken != [len(batch)]:  # noqa: ASYNC110 - the fake has no event
                await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.wait([sending])
        assert {outcome.verdict for outcome in outcomes} == {Verdict.UNKNOWN}
