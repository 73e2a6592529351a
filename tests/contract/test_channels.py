"""The contract of the channel port: what every way of sending promises, whatever is behind it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from uuid import UUID, uuid4

import pytest

from tests.fakes_chat import CUT, HANG, FakeChat
from tests.fakes_sms import FakeTwilio
from tests.fakes_sms_providers import PROVIDERS, FakeProvider
from tests.fakes_smtp import Script, ScriptedSmtp, certificates, cut, hang, refuse
from tests.fakes_webhooks import CUT as WEBHOOK_CUT
from tests.fakes_webhooks import HANG as WEBHOOK_HANG
from tests.fakes_webhooks import webhook_server
from tests.undisturbed import undisturbed
from workers.channels.chat.channel import ChatChannel
from workers.channels.chat.plugin import open_plugin
from workers.channels.console import ConsoleChannel
from workers.channels.port import Channel, Outcome, Outgoing, Verdict
from workers.channels.push import PushChannel
from workers.channels.sms.factory import sms_channel, sms_channels
from workers.channels.sms.payload import sms_payload
from workers.channels.sms.registry import parse_templates
from workers.channels.sms.twilio import TwilioSms
from workers.channels.sms.url import TwilioAccount, parse_sms_url
from workers.channels.smtp import SmtpChannel
from workers.channels.smtp_url import parse_smtp_urls
from workers.clock import FastClock
from workers.outbound import Caller
from workers.settings.chat import parse_chat_urls
from workers.webhooks import Target

pytestmark = pytest.mark.anyio

LONG_AGO = datetime(2024, 5, 20, 6, 30, tzinfo=UTC)
ALL = [
    "smtp",
    "smtp-step-by-step",
    "smtp-starttls",
    "smtp-implicit-tls",
    "twilio",
    *PROVIDERS,
    "several-sms",
    "chat",
    "push",
    "console",
]
REMOTE = [name for name in ALL if name != "console"]


@dataclass
class Bench:
    """A channel with the other side in our hands."""

    channel: Channel
    arrived: Callable[[], list[str]]
    """Recipients whose message the other side has."""
    play: Callable[[Verdict, str], None]
    """Make the other side give this verdict for a recipient."""
    stall: Callable[[str], None]
    """Make the other side take the message in and never answer."""
    leave: Callable[[], None]
    """Nothing listens any more."""
    payload: bytes
    address: Callable[[int], str]
    bad_address: str

    def item(self, number: int, lane: str = "normal") -> Outgoing:
        """The nth message."""
        sender = "support@example.com" if "@" in self.address(0) else "+15550100"
        return Outgoing(uuid4(), self.address(number), sender, self.payload, lane)


class Ledger:
    """Collects reports and insists on one for each item."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    async def report(self, outcome: Outcome) -> None:
        """Keep it, after a moment as a database would take."""
        await asyncio.sleep(0)
        self.outcomes.append(outcome)

    def of(self, item: Outgoing) -> Outcome:
        """The only outcome of the item."""
        (only,) = [outcome for outcome in self.outcomes if outcome.id == item.id]
        return only

    def counts(self) -> Counter[UUID]:
        """How often each item was reported."""
        return Counter(outcome.id for outcome in self.outcomes)


def soon(seconds: float = 60) -> float:
    """A moment for `until`."""
    return time.monotonic() + seconds


@asynccontextmanager
async def smtp_bench(
    kind: str, clock: FastClock, limit: float, connections: dict[str, int]
) -> AsyncIterator[Bench]:
    trust = certificates()
    script = Script(pipelining=kind != "smtp-step-by-step")
    script.starttls = trust.server if kind == "smtp-starttls" else None
    script.implicit_tls = trust.server if kind == "smtp-implicit-tls" else None

    def play(verdict: Verdict, recipient: str) -> None:
        if verdict is Verdict.RETRY:
            script.on("rcpt", refuse("451 4.3.0 try later"), recipient=recipient)
        elif verdict is Verdict.REJECTED:
            script.on("rcpt", refuse(f"550 5.1.1 <{recipient}> unknown, call +15550199"), recipient=recipient)
        else:
            script.on("dot", cut(), recipient=recipient)

    def stall(recipient: str) -> None:
        script.on("dot", hang(), recipient=recipient)

    async with ScriptedSmtp(script) as server, AsyncExitStack() as stack:
        channel = SmtpChannel(
            parse_smtp_urls(server.url),
            clock,
            connections=connections,
            timeout=limit,
            ehlo="closeloop.example",
            tls_context=trust.client if kind in ("smtp-starttls", "smtp-implicit-tls") else None,
        )
        stack.push_async_callback(channel.aclose)
        yield Bench(
            channel,
            arrived=lambda: [mail.recipient for mail in server.mails],
            play=play,
            stall=stall,
            leave=server.close_door,
            payload=b"Subject: hello\r\n\r\nhello\r\n",
            address=lambda number: f"person{number}@example.org",
            bad_address="a@b.example>\r\nRCPT TO:<c@d.example",
        )
        assert server.violations == []


@asynccontextmanager
async def twilio_bench(clock: FastClock, limit: float, width: int) -> AsyncIterator[Bench]:
    def play(verdict: Verdict, recipient: str) -> None:
        if verdict is Verdict.RETRY:
            twilio.fail(503, to=recipient)
        elif verdict is Verdict.REJECTED:
            twilio.fail(400, 21211, f"The 'To' number {recipient} is not valid", to=recipient)
        else:
            twilio.cut(to=recipient)

    async with FakeTwilio() as twilio, AsyncExitStack() as stack:
        account = parse_sms_url(twilio.url)
        assert isinstance(account, TwilioAccount)
        channel = TwilioSms(account, clock, timeout=limit, connections=width)
        stack.push_async_callback(channel.aclose)
        yield Bench(
            channel,
            arrived=lambda: [sms.to for sms in twilio.messages],
            play=play,
            stall=lambda who: twilio.hang(to=who),
            leave=twilio.close_door,
            payload="您好, 您的请求已收到".encode(),
            address=lambda number: f"+1555010{number:04d}",
            bad_address="+1555\r\n0100",
        )


@asynccontextmanager
async def provider_bench(kind: str, clock: FastClock, limit: float, width: int) -> AsyncIterator[Bench]:
    entry = {"message": "receipt", "code": "SMS_1", "kind": "notice", "state": "approved"}
    book = parse_templates({"template": [{**entry, "variables": {"number": "ticket.number"}}]})

    def play(verdict: Verdict, recipient: str) -> None:
        if verdict is Verdict.RETRY:
            side.answer(503, b"<html>", to=recipient)
        elif verdict is Verdict.REJECTED:
            side.refuse(recipient)
        else:
            side.cut(recipient)

    async with FakeProvider(kind) as side, AsyncExitStack() as stack:
        channel = sms_channel(side.url, clock, templates=book, timeout=limit, connections=width)
        stack.push_async_callback(channel.aclose)
        yield Bench(
            channel,
            arrived=lambda: [sms.to for sms in side.messages],
            play=play,
            stall=side.hang,
            leave=side.close_door,
            payload=sms_payload([side.url], "您好", "receipt", "zh_CN", {"ticket": {"number": "CS0001"}}),
            address=lambda number: f"+861380000{number:04d}",
            bad_address="+86138\r\n0000",
        )
        assert side.refused == []


@asynccontextmanager
async def several_bench(clock: FastClock, limit: float, width: int) -> AsyncIterator[Bench]:
    def play(verdict: Verdict, recipient: str) -> None:
        if verdict is Verdict.RETRY:
            for side in (first, second):
                side.answer(429, b"slow down", to=recipient)
        elif verdict is Verdict.REJECTED:
            first.refuse(recipient)
        else:
            first.cut(recipient)

    def leave() -> None:
        first.close_door()
        second.close_door()

    async with FakeProvider("plivo") as first, FakeProvider("vonage") as second, AsyncExitStack() as stack:
        urls = [first.url, second.url]
        channel = sms_channels(urls, clock, "https://desk.example", timeout=limit, connections=width)
        stack.push_async_callback(channel.aclose)
        yield Bench(
            channel,
            arrived=lambda: [sms.to for side in (first, second) for sms in side.messages],
            play=play,
            stall=first.hang,
            leave=leave,
            payload="您好".encode(),
            address=lambda number: f"+861380000{number:04d}",
            bad_address="+86138\r\n0000",
        )


@asynccontextmanager
async def chat_bench(clock: FastClock, limit: float, width: int) -> AsyncIterator[Bench]:
    def path(group: str) -> str:
        return "/" + group.removesuffix("#1")

    def play(verdict: Verdict, group: str) -> None:
        if verdict is Verdict.RETRY:
            chat.answer(503, path=path(group))
        elif verdict is Verdict.REJECTED:
            chat.answer(400, f"no such text for {group}".encode(), path=path(group))
        else:
            chat.answer(CUT, path=path(group))

    with FakeChat() as chat:
        async with AsyncExitStack() as stack:
            groups = parse_chat_urls(
                " ".join(f"team{number}={chat.url(f'team{number}')}" for number in range(50))
            )
            open_plugin(groups[0])  # loading it is no part of the first post's time
            channel = ChatChannel(groups, clock, timeout=limit, connections=width)
            stack.push_async_callback(channel.aclose)
            yield Bench(
                channel,
                arrived=lambda: [f"{post.path[1:]}#1" for post in chat.posts],
                play=play,
                stall=lambda group: chat.answer(HANG, path=path(group)),
                leave=chat.close_door,
                payload="新工单 CS202405200001".encode(),
                address=lambda number: f"team{number}#1",
                bad_address="team1#1\r\n",
            )


@asynccontextmanager
async def push_bench(clock: FastClock, limit: float, width: int) -> AsyncIterator[Bench]:
    secret = "whsec_" + "QUJD" * 8

    def play(verdict: Verdict, account: str) -> None:
        status = {Verdict.RETRY: 503, Verdict.REJECTED: 400}.get(verdict, WEBHOOK_CUT)
        app.answers[account] = [status]

    async with webhook_server() as app:
        app.secrets = [secret]
        target = Target(f"127.0.0.1:{app.port}", False, app.url(), [secret])

        async def find(_: UUID) -> list[Target]:
            return [target]

        networks = [ip_network("127.0.0.0/8")]
        caller = Caller(seconds=limit, allowed=networks, http=True)
        channel = PushChannel(find, caller, clock, connections=width)
        yield Bench(
            channel,
            arrived=lambda: [each.body["data"]["to"] for each in app.heard],
            play=play,
            stall=lambda account: app.answers.update({account: [WEBHOOK_HANG]}),
            leave=app.leave,
            payload='{"type": "message.push", "data": {"text": "您好"}}'.encode(),
            address=lambda number: f"openid-{number}",
            bad_address="openid\r\nX-Evil: 1",
        )
        assert app.refused == []


@asynccontextmanager
async def console_bench(clock: FastClock, limit: float) -> AsyncIterator[Bench]:
    played: dict[str, Verdict] = {}

    def judge(item: Outgoing) -> tuple[Verdict, str]:
        verdict = played.get(item.recipient, Verdict.SENT)
        return verdict, "accepted" if verdict is Verdict.SENT else "played"

    channel = ConsoleChannel(clock, echo=None, judge=judge, timeout=limit)
    yield Bench(
        channel,
        arrived=lambda: [item.recipient for item in channel.sent],
        play=lambda verdict, who: played.update({who: verdict}),
        stall=lambda who: None,
        leave=lambda: None,
        payload=b"hello",
        address=lambda number: f"person{number}@example.org",
        bad_address="",
    )


@asynccontextmanager
async def bench(kind: str, *, limit: float = 20, width: int = 3) -> AsyncIterator[Bench]:
    """A channel of this kind on a clock that says 2024 and runs a thousand times too fast."""
    clock = FastClock(1000, LONG_AGO)
    if kind == "twilio":
        async with twilio_bench(clock, limit, width) as made:
            yield made
    elif kind == "several-sms":
        async with several_bench(clock, limit, width) as made:
            yield made
    elif kind in PROVIDERS:
        async with provider_bench(kind, clock, limit, width) as made:
            yield made
    elif kind == "chat":
        async with chat_bench(clock, limit, width) as made:
            yield made
    elif kind == "push":
        async with push_bench(clock, limit, width) as made:
            yield made
    elif kind == "console":
        async with console_bench(clock, limit) as made:
            yield made
    else:
        async with smtp_bench(kind, clock, limit, {"urgent": width, "normal": width}) as made:
            yield made


@pytest.mark.parametrize("kind", ALL)
async def test_each_message_of_a_batch_is_sent_and_reported_once(kind: str) -> None:
    async with bench(kind) as side:
        items, ledger = [side.item(number) for number in range(20)], Ledger()
        await side.channel.deliver(items, ledger.report, until=soon())
    assert ledger.counts() == Counter(item.id for item in items)
    assert sorted(side.arrived()) == sorted(item.recipient for item in items)
    for outcome in ledger.outcomes:
        assert (outcome.verdict, outcome.reason) == (Verdict.SENT, "accepted")
        assert outcome.accepted_at is not None
        assert outcome.accepted_at.year == 2024, "acceptance is told in promise time"
        assert 0 <= outcome.seconds < side.channel.timeout
        assert outcome.provider_id
        assert outcome.host
        assert outcome.tls == ("tls" in kind)


@pytest.mark.parametrize("kind", ALL)
async def test_an_empty_batch_is_no_work(kind: str) -> None:
    async with bench(kind) as side:
        ledger = Ledger()
        await side.channel.deliver([], ledger.report, until=soon())
    assert ledger.outcomes == []


@pytest.mark.parametrize("kind", ALL)
async def test_what_might_outlast_the_lease_is_not_begun(kind: str) -> None:
    async with bench(kind) as side:
        items, ledger = [side.item(number) for number in range(5)], Ledger()
        await side.channel.deliver(items, ledger.report, until=soon(side.channel.timeout - 0.1))
    assert [outcome.verdict for outcome in ledger.outcomes] == [Verdict.NOT_STARTED] * 5
    assert ledger.counts() == Counter(item.id for item in items)
    assert side.arrived() == []


@pytest.mark.parametrize("kind", ALL)
async def test_later_never_and_nobody_knows_are_told_apart(kind: str) -> None:
    async with bench(kind) as side:
        items, ledger = [side.item(number) for number in range(8)], Ledger()
        later, never, lost = items[1], items[3], items[5]
        side.play(Verdict.RETRY, later.recipient)
        side.play(Verdict.REJECTED, never.recipient)
        side.play(Verdict.UNKNOWN, lost.recipient)
        await side.channel.deliver(items, ledger.report, until=soon())
    assert ledger.of(later).verdict is Verdict.RETRY
    assert ledger.of(never).verdict is Verdict.REJECTED
    assert ledger.of(lost).verdict is Verdict.UNKNOWN
    good = [item for item in items if item not in (later, never, lost)]
    assert {ledger.of(item).verdict for item in good} == {Verdict.SENT}
    for item in (later, never, lost):
        assert ledger.of(item).accepted_at is None
        assert item.recipient not in ledger.of(item).text


@pytest.mark.parametrize("kind", REMOTE)
async def test_after_trouble_the_same_message_goes_through(kind: str) -> None:
    async with bench(kind, width=1) as side:
        first, second = Ledger(), Ledger()
        item = side.item(0)
        side.play(Verdict.RETRY, side.item(1).recipient)
        await side.channel.deliver([side.item(1), item], first.report, until=soon())
        await side.channel.deliver([side.item(2)], second.report, until=soon())
    assert first.of(item).verdict is Verdict.SENT
    assert second.outcomes[0].verdict is Verdict.SENT


@pytest.mark.parametrize("kind", REMOTE)
async def test_when_nobody_listens_it_is_for_later(kind: str) -> None:
    async with bench(kind) as side:
        side.leave()
        items, ledger = [side.item(number) for number in range(6)], Ledger()
        await side.channel.deliver(items, ledger.report, until=soon())
    assert {(o.verdict, o.reason) for o in ledger.outcomes} == {(Verdict.RETRY, "connection_failed")}
    assert ledger.counts() == Counter(item.id for item in items)


@pytest.mark.parametrize("kind", REMOTE)
async def test_silence_after_the_point_of_no_return_is_unknown(kind: str) -> None:
    async def story() -> None:
        async with bench(kind, limit=2) as side:
            items, ledger = [side.item(number) for number in range(4)], Ledger()
            side.stall(items[0].recipient)
            await side.channel.deliver(items, ledger.report, until=soon())
        assert ledger.of(items[0]).verdict is Verdict.UNKNOWN
        assert ledger.of(items[0]).reason == "timeout_after_data"
        assert 1.5 < ledger.of(items[0]).seconds < 20
        assert {ledger.of(item).verdict for item in items[1:]} == {Verdict.SENT}

    await undisturbed(story)


@pytest.mark.parametrize("kind", REMOTE)
async def test_a_recipient_that_could_smuggle_in_a_command_never_reaches_the_wire(kind: str) -> None:
    async with bench(kind) as side:
        item, ledger = Outgoing(uuid4(), side.bad_address, "", side.payload), Ledger()
        await side.channel.deliver([item], ledger.report, until=soon())
    assert (ledger.of(item).verdict, ledger.of(item).reason) == (Verdict.REJECTED, "invalid_recipient")
    assert side.arrived() == []


@pytest.mark.parametrize("kind", REMOTE)
async def test_a_cancelled_batch_still_says_what_became_of_each(kind: str) -> None:
    async with bench(kind, width=2) as side:
        items, ledger = [side.item(number) for number in range(10)], Ledger()
        for item in items[2:]:
            side.stall(item.recipient)
        task = asyncio.create_task(side.channel.deliver(items, ledger.report, until=soon()))
        async with asyncio.timeout(30):
            while len(side.arrived()) < 4:  # noqa: ASYNC110 - another side's list
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stalled = set(side.arrived()) - {item.recipient for item in items[:2]}
    assert ledger.counts() == Counter(item.id for item in items)
    verdicts = [ledger.of(item).verdict for item in items]
    assert verdicts[:2] == [Verdict.SENT] * 2
    assert {item.recipient for item in items[2:] if ledger.of(item).verdict is Verdict.UNKNOWN} == stalled
    assert Counter(verdicts[2:]) == {Verdict.UNKNOWN: 2, Verdict.NOT_STARTED: 6}
    assert len(side.arrived()) == 4


@pytest.mark.parametrize("kind", ALL)
async def test_when_results_cannot_be_recorded_nothing_more_is_begun(kind: str) -> None:
    async with bench(kind, width=1) as side:
        items, ledger = [side.item(number) for number in range(6)], Ledger()

        async def report(outcome: Outcome) -> None:
            await ledger.report(outcome)
            if len(ledger.outcomes) == 2:
                raise OSError("the database is gone")

        with pytest.raises(OSError, match="the database is gone"):
            await side.channel.deliver(items, report, until=soon())
    assert ledger.counts() == Counter(item.id for item in items)
    assert [o.verdict for o in ledger.outcomes] == [Verdict.SENT] * 2 + [Verdict.NOT_STARTED] * 4
    assert len(side.arrived()) == 2


@pytest.mark.parametrize("kind", ALL)
async def test_several_batches_go_at_once(kind: str) -> None:
    async with bench(kind) as side:
        batches = [[side.item(10 * row + number) for number in range(10)] for row in range(5)]
        ledger = Ledger()
        await asyncio.gather(*(side.channel.deliver(b, ledger.report, until=soon()) for b in batches))
    assert ledger.counts() == Counter(item.id for batch in batches for item in batch)
    assert {outcome.verdict for outcome in ledger.outcomes} == {Verdict.SENT}


@pytest.mark.parametrize("kind", ALL)
async def test_closing_twice_does_no_harm(kind: str) -> None:
    async with bench(kind) as side:
        await side.channel.deliver([side.item(0)], Ledger().report, until=soon())
        await side.channel.aclose()
        await side.channel.aclose()
