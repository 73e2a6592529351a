"""The next mail's envelope leaves with the end of a mail (RFC 2920 §3.1); each mail's fate stays its own."""

from __future__ import annotations

import asyncio
import time
from zoneinfo import ZoneInfo

import pytest

from tests.fakes import MONDAY_MORNING, ManualClock
from tests.fakes_smtp import Script, ScriptedSmtp, close_with, cut, delay, hang, held, refuse, say
from tests.unit.test_smtp_channel import channel_to, deliver, mail_to, verdicts
from tests.unit.test_smtp_session import GOOD, session, settle
from workers.channels.limits import LocalLimiter
from workers.channels.port import Outcome, Outgoing
from workers.channels.quota import Quotas
from workers.channels.smtp_ahead import ONE_BY_ONE, Losers
from workers.channels.smtp_link import SessionLost
from workers.channels.smtp_pace import Pace
from workers.channels.smtp_session import Mail
from workers.channels.smtp_url import parse_smtp_urls

pytestmark = pytest.mark.anyio

FIRST, NEXT = Mail(b"a@b", b"first@d", b"one\r\n"), Mail(b"a@b", b"next@d", b"two\r\n")
SENT = ("sent", "accepted")


def nothing() -> None: ...


def mails(*names: str) -> list[Outgoing]:
    """These mails and two more: while no more wait than there are connections, nothing leaves ahead."""
    return [mail_to(name) for name in (*names, "yan", "zoe")]


async def test_the_next_envelope_leaves_in_one_write_with_the_end_of_a_mail() -> None:
    made, wire = session(ManualClock(MONDAY_MORNING), "pipelining")
    first = asyncio.create_task(made.transact(FIRST, nothing, lambda: NEXT))
    await settle()
    wire.written = b""
    made.data_received(GOOD[0])
    await settle()
    assert wire.written == b"one\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<next@d>\r\nDATA\r\n"
    wire.written = b""
    made.data_received(GOOD[1] + GOOD[0])
    assert (await first).accepted
    assert wire.written == b"", "no content of the next mail before its turn"
    second = asyncio.create_task(made.transact(NEXT, nothing))
    await settle()
    assert wire.written == b"two\r\n.\r\n"
    made.data_received(GOOD[1])
    assert (await second).accepted
    assert made.uses == 2


async def test_without_pipelining_nothing_leaves_before_its_turn() -> None:
    made, wire = session(ManualClock(MONDAY_MORNING))
    first = asyncio.create_task(made.transact(FIRST, nothing, lambda: NEXT))
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 ok\r\n"):
        await settle()
        made.data_received(reply)
    assert (await first).accepted
    assert wire.written.endswith(b"one\r\n.\r\n")


async def test_a_verdict_that_nobody_heard_is_never_taken_for_the_next_envelopes_answer() -> None:
    made, _ = session(ManualClock(MONDAY_MORNING), "pipelining")
    first = asyncio.create_task(made.transact(FIRST, nothing, lambda: NEXT))
    await settle()
    made.data_received(GOOD[0])
    await settle()
    made.data_received(GOOD[1] + GOOD[0])
    first.cancel()
    await asyncio.wait([first])
    made.abort()
    with pytest.raises(SessionLost):
        await made.transact(NEXT, nothing)


async def test_a_connection_cut_after_the_dot_leaves_one_mail_unknown_and_sends_the_next_elsewhere() -> None:
    script = Script().on("dot", cut(), recipient="bob@")
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, *mails("ann", "bob", "eve"))
    assert verdicts(outcomes) == [SENT, ("unknown", "lost_after_data"), SENT, SENT, SENT]
    assert [mail.recipient[:3] for mail in server.mails] == ["ann", "bob", "eve", "yan", "zoe"]
    assert server.connections == 2


async def test_a_connection_cut_at_the_next_envelope_costs_no_try() -> None:
    script = Script().on("mail", cut(), skip=1, times=1)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, *mails("ann", "bob"))
    assert verdicts(outcomes) == [SENT] * 4
    assert [mail.recipient[:3] for mail in server.mails] == ["ann", "bob", "yan", "zoe"]


async def test_a_relay_that_drops_what_follows_a_mail_is_found_out_once_and_costs_no_try() -> None:
    async with ScriptedSmtp(Script(forgetful=True)) as server, channel_to(server, timeout=9) as channel:
        outcomes = await deliver(channel, *mails("ann", "bob", "eve", "dan", "kim"))
        assert verdicts(outcomes) == [SENT] * 7
        assert server.connections == 2, "one that fell silent, one for all the rest"
        server.script.forgetful = False
        assert verdicts(await deliver(channel, *mails("ron"))) == [SENT] * 3
    assert [mail.recipient[:3] for mail in server.mails] == [
        "ann", "bob", "eve", "dan", "kim", "yan", "zoe", "ron", "yan", "zoe",
    ]  # fmt: skip # packed, to be read at a glance


async def test_a_relay_that_lost_an_envelope_is_trusted_again_after_a_while() -> None:
    good, bad = parse_smtp_urls("smtp://one.example?tls=none smtp://two.example?tls=none")
    now = 100.0
    losers = Losers(lambda: now)
    losers.lost_one(bad)
    assert (losers.may(good), losers.may(bad)) == (True, False)
    now += ONE_BY_ONE
    assert losers.may(bad)


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
async def test_a_refusal_between_two_mails_harms_neither(step: str) -> None:
    script = Script().on(step, refuse("550 5.7.1 no"), skip=1, times=1)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, *mails("ann", "bob", "eve"))
    assert [outcome.verdict for outcome in outcomes] == ["sent", "rejected", "sent", "sent", "sent"]
    assert server.connections == 1


@pytest.mark.parametrize("end", [close_with("421 4.3.2 shutting down"), say(b"354 what?\r\n")])
async def test_after_a_last_word_the_next_mail_goes_by_a_new_connection(end: object) -> None:
    script = Script().on("dot", end, times=1)  # type: ignore[arg-type]  # an action, as a parameter
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        first, second, *_ = await deliver(channel, *mails("ann", "bob"))
    assert first.verdict in ("retry", "unknown")
    assert second.verdict == "sent"
    assert server.connections == 2


async def test_a_mail_begun_ahead_of_its_turn_has_its_whole_time() -> None:
    script = Script().on("dot", hang(), recipient="ann@").on("dot", delay(0.2), recipient="bob@")
    async with ScriptedSmtp(script) as server, channel_to(server, timeout=6) as channel:
        outcomes = await deliver(channel, *mails("ann", "bob"))
    assert verdicts(outcomes)[:2] == [("unknown", "timeout_after_data"), SENT]


async def test_what_cannot_be_recorded_breaks_off_the_mail_begun_ahead() -> None:
    outcomes: list[Outcome] = []

    async def report(outcome: Outcome) -> None:
        outcomes.append(outcome)
        raise OSError("the database is away")

    async with ScriptedSmtp() as server, channel_to(server) as channel:
        items = mails("ann", "bob")
        with pytest.raises(OSError, match="away"):
            await channel.deliver(items, report, until=time.monotonic() + 120)
        assert verdicts(outcomes) == [SENT] + [("not_started", "not_started")] * 3
        assert [mail.recipient[:3] for mail in server.mails] == ["ann"]


@pytest.mark.parametrize("wrong", ["no address", "x" * 300 + "@example.org"])
async def test_an_address_that_is_none_harms_no_mail_before_or_after_it(wrong: str) -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        outcomes = await deliver(channel, *mails("ann", f"{wrong}@@", "eve"))
    assert verdicts(outcomes) == [SENT, ("rejected", "invalid_recipient"), SENT, SENT, SENT]
    assert server.connections == 1


@pytest.mark.parametrize("limit", ["rate=100/s", "per_domain=100/s", "quota=100"])
async def test_where_mails_are_counted_each_takes_its_turn_alone(limit: str) -> None:
    free, limited = (parse_smtp_urls(f"smtp://relay.example?tls=none{more}")[0] for more in ("", f"&{limit}"))

    quotas = Quotas(LocalLimiter(), ZoneInfo("UTC"), ManualClock(MONDAY_MORNING).machine)
    pace = Pace(quotas=quotas)
    assert pace.free(free, "example.org")
    assert not pace.free(limited, "example.org")
    await pace.complained(free, "example.org")
    assert not pace.free(free, "example.org")
    assert pace.free(free, "example.net")


async def test_a_mail_does_not_wait_behind_another_one_beside_an_idle_connection() -> None:
    answered = asyncio.Event()
    script = Script().on("dot", held(answered), recipient="bob@")
    lanes = {"urgent": 1, "normal": 2}
    async with ScriptedSmtp(script) as server, channel_to(server, connections=lanes) as channel:
        task = asyncio.create_task(deliver(channel, *mails("ann", "bob")))
        await server.until(lambda: len(server.mails) == 4)
        assert not task.done(), "the others have arrived while the relay is silent about one"
        answered.set()
        assert verdicts(await task) == [SENT] * 4
