"""Mail by SMTP under a relay that refuses, hangs, drips and hangs up at every step of the dialogue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from tests.fakes_smtp import (
    Action,
    Script,
    ScriptedSmtp,
    certificates,
    close_with,
    cut,
    delay,
    drip,
    hang,
    held,
    refuse,
    say,
)
from workers.channels import batch, breaker
from workers.channels.port import Outcome, Outgoing, Verdict
from workers.channels.smtp import SmtpChannel
from workers.channels.smtp_session import wire_form
from workers.channels.smtp_url import Relay, Tls, parse_smtp_urls
from workers.clock import SystemClock

pytestmark = pytest.mark.anyio

MAIL = b"Subject: hello\r\n\r\nhello\r\n"
BIG = b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 4 * 250_000
pipelined = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "step-by-step"])


def mail_to(
    who: str = "bob", payload: bytes = MAIL, *, lane: str = "normal", sender: str = "a@b.example"
) -> Outgoing:
    return Outgoing(uuid4(), f"{who}@example.org" if "@" not in who else who, sender, payload, lane)


@asynccontextmanager
async def channel_to(*servers: ScriptedSmtp, **options: Any) -> AsyncIterator[SmtpChannel]:
    relays = parse_smtp_urls(" ".join(server.url for server in servers))
    settings: dict[str, Any] = {"timeout": 60, "connections": {"urgent": 1, "normal": 1}} | options
    channel = SmtpChannel(relays, SystemClock(), ehlo="closeloop.example", **settings)
    try:
        yield channel
    finally:
        await channel.aclose()


async def deliver(channel: SmtpChannel, *items: Outgoing, until: float | None = None) -> list[Outcome]:
    """The outcomes in the order of the items."""
    outcomes: dict[Any, Outcome] = {}

    async def report(outcome: Outcome) -> None:
        assert outcome.id not in outcomes
        outcomes[outcome.id] = outcome

    await channel.deliver(items, report, until=until or time.monotonic() + 120)
    return [outcomes[item.id] for item in items]


def be_patient(channel: SmtpChannel) -> None:
    """From now on nothing takes too long, however busy the machine is."""
    channel.timeout = 60
    channel._dialer._step_timeout = 20


async def out_of_time(channel: SmtpChannel, item: Outgoing) -> Outcome:
    """What is told of a mail that a relay is silent about after its dot, on a channel without patience.

    On a busy machine its time may be over before its dot, which is for later: then it is sent again.
    """
    for _ in range(50):
        (outcome,) = await deliver(channel, item)
        if outcome.verdict is not Verdict.RETRY:
            break
    return outcome


def verdicts(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.verdict.value, outcome.reason) for outcome in outcomes]


# -- what arrives


@pipelined
async def test_a_mail_arrives_byte_for_byte(pipelining: bool) -> None:
    payload = b"Subject: x\r\n\r\n.\r\n..two\r\n.one\r\nlast line without an end"
    async with ScriptedSmtp(Script(pipelining=pipelining)) as server, channel_to(server) as channel:
        first = mail_to("bob", b".starts with a dot\r\n\r\n.", sender="")
        outcomes = await deliver(channel, first, mail_to("eve", payload))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.SENT] * 2
    assert [mail.data for mail in server.mails] == [first.payload + b"\r\n", payload + b"\r\n"]
    assert [(mail.sender, mail.recipient) for mail in server.mails] == [
        ("", "bob@example.org"),
        ("a@b.example", "eve@example.org"),
    ]
    assert server.violations == []


async def test_bare_line_ends_cannot_smuggle_in_a_second_mail() -> None:
    payload = b"Subject: x\n\none\n.\nMAIL FROM:<evil@example.net>\r.\rtwo\r\n"
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        await deliver(channel, mail_to("bob", payload))
    (mail,) = server.mails
    assert mail.data == b"Subject: x\r\n\r\none\r\n.\r\nMAIL FROM:<evil@example.net>\r\n.\r\ntwo\r\n"


@pipelined
async def test_a_big_mail_arrives_whole(pipelining: bool) -> None:
    async with (
        ScriptedSmtp(Script(pipelining=pipelining)) as server,
        channel_to(server) as channel,
    ):
        (outcome,) = await deliver(channel, mail_to("bob", BIG))
    assert outcome.verdict is Verdict.SENT
    assert server.mails[0].data == BIG + b"\r\n"


async def test_the_three_commands_go_in_one_write_where_that_is_offered() -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        await deliver(channel, mail_to())
    behind = dict(server.behind)["MAIL"]
    assert behind.startswith(b"RCPT TO:<bob@example.org>")
    assert behind.endswith(b"\r\nDATA\r\n"), "nobody waited for an answer to MAIL"


async def test_a_relay_that_only_knows_helo_will_do() -> None:
    async with ScriptedSmtp(Script(esmtp=False, pipelining=False)) as server, channel_to(server) as channel:
        (outcome,) = await deliver(channel, mail_to())
    assert outcome.verdict is Verdict.SENT
    assert server.violations == []


async def test_the_time_of_acceptance_is_when_the_reply_arrived_not_when_it_was_looked_at() -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        item, got = mail_to(), []

        async def report(outcome: Outcome) -> None:
            got.append(outcome)

        before = datetime.now(UTC)
        task = asyncio.create_task(channel.deliver([item], report, until=time.monotonic() + 120))
        await server.until(lambda: bool(server.mails))
        await task
    accepted = got[0].accepted_at
    assert accepted is not None
    assert before < accepted < datetime.now(UTC)


async def test_the_outcome_names_the_relay_the_code_the_words_and_the_queue_id() -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        (outcome,) = await deliver(channel, mail_to())
    assert (outcome.code, outcome.text) == (250, "2.0.0 ok: queued as 00000001")
    assert (outcome.host, outcome.provider_id, outcome.tls) == ("127.0.0.1", "00000001", False)


# -- refusals


REFUSALS = [
    ("mail", "451 4.3.0 later", "retry", "server_error"),
    ("mail", "553 5.7.1 not your address", "rejected", "policy_rejected"),
    ("mail", "501 mail from address must be same as authorization user", "rejected", "sender_rejected"),
    ("rcpt", "450 4.2.0 greylisted, come back in 300 seconds", "retry", "greylisted"),
    ("rcpt", "452 4.2.2 mailbox full", "retry", "mailbox_full"),
    ("rcpt", "550 5.1.1 no such user", "rejected", "unknown_recipient"),
    ("rcpt", "550-5.1.1 The email account\n550 5.1.1 does not exist", "rejected", "unknown_recipient"),
    ("rcpt", "552 5.2.2 over quota", "rejected", "mailbox_full"),
    ("data", "451 4.7.1 later", "retry", "policy_rejected"),
    ("data", "554 5.6.0 no", "rejected", "content_rejected"),
    ("dot", "452 4.3.1 disk full", "retry", "server_error"),
    ("dot", "550 5.7.1 looks like spam", "rejected", "policy_rejected"),
    ("dot", "552 5.3.4 too big", "rejected", "too_large"),
]


@pipelined
@pytest.mark.parametrize(("step", "reply", "verdict", "reason"), REFUSALS)
async def test_a_refusal_is_understood_and_harms_no_other_mail(
    step: str, reply: str, verdict: str, reason: str, pipelining: bool
) -> None:
    script = Script(pipelining=pipelining).on(step, refuse(reply), times=1)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        refused, *others = await deliver(channel, *(mail_to(who) for who in ("bob", "eve", "joe")))
    assert verdicts([refused]) == [(verdict, reason)]
    assert refused.code == int(reply[:3])
    assert [outcome.verdict for outcome in others] == [Verdict.SENT] * 2
    assert [mail.recipient for mail in server.mails] == ["eve@example.org", "joe@example.org"]
    assert server.connections == 1, "a refusal is no reason to hang up"
    assert server.violations == []


async def test_data_accepted_without_a_recipient_is_ended_with_a_lone_dot() -> None:
    # RFC 2920 §3.1
    script = Script(data_without_recipient=True).on("rcpt", refuse("550 5.1.1 no"), recipient="bob")
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, mail_to("bob"), mail_to("eve"))
    assert verdicts(outcomes) == [("rejected", "unknown_recipient"), ("sent", "accepted")]
    assert [mail.recipient for mail in server.mails] == ["eve@example.org"]
    assert server.connections == 1


@pytest.mark.parametrize(
    "words", [b"250 2.0.0 ok \xff\xfe\x00\x80 queued\r\n", b"250-caf\xe9\r\n250 \xc3\xa9\r\n"]
)
async def test_words_in_no_known_charset_can_still_be_kept(words: bytes) -> None:
    async with ScriptedSmtp(Script().on("dot", say(words))) as server, channel_to(server) as channel:
        (outcome,) = await deliver(channel, mail_to())
    assert outcome.verdict is Verdict.SENT
    assert outcome.text.encode("utf-8").isascii() or "é" in outcome.text
    assert "\x00" not in outcome.text


async def test_words_are_kept_short_and_without_addresses_and_numbers() -> None:
    reply = "550 5.1.1 <bob@example.org> (bob, +86 138 0013 8000) unknown; see eve@x.example " + "x" * 600
    async with ScriptedSmtp(Script().on("rcpt", refuse(reply))) as server, channel_to(server) as channel:
        (outcome,) = await deliver(channel, mail_to("bob"))
    assert len(outcome.text) == 500
    for secret in ("bob", "@example", "0013", "eve", "x.example"):
        assert secret not in outcome.text


# -- losses


@pipelined
@pytest.mark.parametrize("step", ["ehlo", "mail", "rcpt", "data"])
async def test_a_loss_before_the_final_dot_is_for_later(step: str, pipelining: bool) -> None:
    script = Script(pipelining=pipelining).on(step, cut(), times=1)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        lost, sent = await deliver(channel, mail_to("bob"), mail_to("eve"))
        assert lost.verdict is Verdict.RETRY
        assert sent.verdict is (Verdict.SENT if step != "ehlo" else Verdict.RETRY)
    assert {mail.recipient for mail in server.mails} <= {"eve@example.org"}


async def test_a_loss_in_the_middle_of_a_big_mail_is_for_later() -> None:
    script = Script().on("body", cut(), times=1, after=100_000)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        lost, sent = await deliver(channel, mail_to("bob", BIG), mail_to("eve"))
    assert verdicts([lost, sent]) == [("retry", "lost_before_data"), ("sent", "accepted")]
    assert [mail.recipient for mail in server.mails] == ["eve@example.org"]


async def test_a_big_mail_refused_halfway_is_refused_not_lost() -> None:
    script = Script().on("body", close_with("552 5.3.4 too big for me"), times=1, after=100_000)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        refused, sent = await deliver(channel, mail_to("bob", BIG), mail_to("eve"))
    # The reset of the connection may overtake the words; then it is for later. It is never unknown.
    assert verdicts([refused])[0] in [("rejected", "too_large"), ("retry", "lost_before_data")]
    assert sent.verdict is Verdict.SENT


@pipelined
async def test_a_loss_after_the_final_dot_is_unknown(pipelining: bool) -> None:
    script = Script(pipelining=pipelining).on("dot", cut(), times=1)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, mail_to("bob"), mail_to("eve"))
    assert verdicts(outcomes) == [("unknown", "lost_after_data"), ("sent", "accepted")]
    assert [mail.answered for mail in server.mails] == [False, True]


@pytest.mark.parametrize("reply", [b"hello\r\n", b"2x0 ok\r\n", b"250" + b"-" * 40_000, b"354 once more\r\n"])
async def test_nonsense_after_the_final_dot_is_unknown(reply: bytes) -> None:
    script = Script().on("dot", say(reply), times=1)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        (outcome,) = await deliver(channel, mail_to())
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.accepted_at is None


# -- time


@pipelined
@pytest.mark.parametrize("step", ["connect", "ehlo", "mail", "rcpt", "data"])
@pytest.mark.parametrize("how", [hang(), drip(1)], ids=["hangs", "drips"])
async def test_a_relay_that_stops_talking_costs_one_time_out(
    step: str, how: Action, pipelining: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.0)
    script = Script(pipelining=pipelining).on(step, how)
    async with ScriptedSmtp(script) as server, channel_to(server, timeout=0.6) as channel:
        (outcome,) = await deliver(channel, mail_to("bob"))
        assert outcome.verdict is Verdict.RETRY, "what drips would arrive in the end"
        assert outcome.reason in ("timeout_before_data", "connection_failed")
        script.clear()
        be_patient(channel)
        assert verdicts(await deliver(channel, mail_to("eve"))) == [("sent", "accepted")]
    assert server.connections == 2, "after a time-out the connection is thrown away"
    assert [mail.recipient for mail in server.mails] == ["eve@example.org"]


async def test_a_late_reply_is_never_taken_for_the_next_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.0)
    late = asyncio.Event()
    script = Script().on("dot", Action(reply=b"550 5.7.1 bob's refusal\r\n", held=late), recipient="bob")
    async with ScriptedSmtp(script) as server, channel_to(server, timeout=0.6) as channel:
        outcome = await out_of_time(channel, mail_to("bob"))
        assert verdicts([outcome]) == [("unknown", "timeout_after_data")]
        be_patient(channel)
        late.set()
        assert verdicts(await deliver(channel, mail_to("eve"), mail_to("joe"))) == [("sent", "accepted")] * 2
        await server.until(lambda: server.open_connections == 1)


async def test_what_waits_too_long_for_its_turn_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    now, answered = [1000.0], asyncio.Event()
    monkeypatch.setattr(batch, "time", SimpleNamespace(monotonic=lambda: now[0]))
    async with (
        ScriptedSmtp(Script().on("dot", held(answered))) as server,
        channel_to(server, timeout=60) as channel,
    ):
        items = [mail_to(f"p{number}") for number in range(6)]
        task = asyncio.create_task(deliver(channel, *items, until=1100))
        await server.until(lambda: bool(server.mails))
        now[0] = 1041  # the next one would not have its sixty seconds until then
        answered.set()
        outcomes = await task
    assert [outcome.verdict for outcome in outcomes] == [Verdict.SENT] + [Verdict.NOT_STARTED] * 5
    assert len(server.mails) == 1


async def test_a_cancelled_mail_before_its_dot_is_for_later_and_after_it_gets_a_moment() -> None:
    answered = asyncio.Event()
    script = Script().on("rcpt", hang(), recipient="bob").on("dot", held(answered), recipient="eve")
    async with (
        ScriptedSmtp(script) as server,
        channel_to(server, connections={"normal": 2}) as channel,
    ):
        outcomes: list[Outcome] = []

        async def report(outcome: Outcome) -> None:
            await asyncio.sleep(0.01)
            outcomes.append(outcome)

        bob, eve, joe = mail_to("bob"), mail_to("eve"), mail_to("joe")
        task = asyncio.create_task(channel.deliver([bob, eve, joe], report, until=time.monotonic() + 120))
        await server.until(lambda: bool(server.mails) and server.count("RCPT") == 2)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # an impatient caller
        answered.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    by_id = {outcome.id: outcome for outcome in outcomes}
    assert len(outcomes) == 3
    assert (by_id[bob.id].verdict, by_id[bob.id].reason) == (Verdict.RETRY, "interrupted")
    assert by_id[eve.id].verdict is Verdict.SENT, "its answer was on the way"
    assert by_id[joe.id].verdict is Verdict.NOT_STARTED


# -- connections


async def test_a_kept_connection_that_died_unseen_costs_no_try() -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        await deliver(channel, mail_to("bob"))
        server.script.on("mail", cut(), times=1)
        assert verdicts(await deliver(channel, mail_to("eve"))) == [("sent", "accepted")]
        await server.hang_up()
        await asyncio.sleep(0.05)
        assert verdicts(await deliver(channel, mail_to("joe"))) == [("sent", "accepted")]
    assert server.connections == 3


async def test_a_relay_that_wants_a_new_connection_gets_one() -> None:
    script = Script().on("mail", close_with("421 4.7.0 too many mails on this connection"), skip=2, times=1)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, *(mail_to(f"p{number}") for number in range(5)))
    assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
    assert server.connections == 2


async def test_a_relay_that_always_says_421_is_left_for_later() -> None:
    script = Script().on("mail", close_with("421 4.7.0 too many connections"))
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, mail_to("bob"), mail_to("eve"))
    assert verdicts(outcomes) == [("retry", "throttled")] * 2
    assert outcomes[0].code == 421


async def test_a_connection_is_retired_after_its_share_of_mails() -> None:
    async with ScriptedSmtp() as server, channel_to(server, max_uses=3) as channel:
        outcomes = await deliver(channel, *(mail_to(f"p{number}") for number in range(7)))
        await server.until(lambda: server.count("QUIT") == 2)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
    assert server.connections == 3


async def test_a_rested_connection_must_answer_before_it_is_trusted() -> None:
    async with ScriptedSmtp() as server, channel_to(server, idle=0.05) as channel:
        await deliver(channel, mail_to("bob"))
        await asyncio.sleep(0.1)
        await deliver(channel, mail_to("eve"))
        assert (server.count("NOOP"), server.connections) == (1, 1)
        server.script.on("noop", refuse("421 4.4.2 idle too long"))
        await asyncio.sleep(0.1)
        assert verdicts(await deliver(channel, mail_to("joe"))) == [("sent", "accepted")]
        assert server.connections == 2


async def test_when_one_rested_connection_is_dead_the_others_are_not_asked() -> None:
    all_are_open = asyncio.Event()
    script = Script().on("dot", held(all_are_open))
    async with (
        ScriptedSmtp(script) as server,
        channel_to(server, idle=0.1, connections={"normal": 3}) as channel,
    ):
        first = asyncio.create_task(deliver(channel, *(mail_to(f"p{number}") for number in range(3))))
        await server.until(lambda: server.count("DATA") == 3)
        all_are_open.set()
        await first
        assert server.connections == 3
        script.on("noop", refuse("421 4.4.2 idle too long"))
        await asyncio.sleep(0.15)
        assert verdicts(await deliver(channel, mail_to("eve"))) == [("sent", "accepted")]
        assert (server.count("NOOP"), server.connections) == (1, 4)


async def test_no_check_is_made_while_mails_follow_each_other() -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        await deliver(channel, *(mail_to(f"p{number}") for number in range(10)))
    assert (server.count("NOOP"), server.count("RSET"), server.connections) == (0, 0, 1)


async def test_an_urgent_mail_does_not_wait_behind_a_slow_blast() -> None:
    answered = asyncio.Event()
    script = Script().on("dot", held(answered), recipient="survey")
    lanes = {"urgent": 1, "normal": 1, "bulk": 2}
    async with ScriptedSmtp(script) as server, channel_to(server, connections=lanes) as channel:
        blast = asyncio.create_task(
            deliver(channel, *(mail_to(f"survey{number}", lane="bulk") for number in range(10)))
        )
        await server.until(lambda: server.open_connections == 2)
        assert verdicts(await deliver(channel, mail_to("boss", lane="urgent"))) == [("sent", "accepted")]
        assert (blast.done(), server.most_connections) == (False, 3)
        answered.set()
        await blast
    assert server.mails[-1].recipient.startswith("survey")


async def test_no_more_connections_than_the_lane_has_even_for_several_batches() -> None:
    script = Script().on("dot", delay(0.02))
    async with ScriptedSmtp(script) as server, channel_to(server, connections={"normal": 2}) as channel:
        await asyncio.gather(*(deliver(channel, *(mail_to() for _ in range(5))) for _ in range(4)))
    assert (server.most_connections, len(server.mails)) == (2, 20)


async def test_closing_says_goodbye() -> None:
    async with ScriptedSmtp() as server:
        async with channel_to(server) as channel:
            await deliver(channel, mail_to())
        await server.until(lambda: server.count("QUIT") == 1 and server.open_connections == 0)


async def test_a_kept_connection_lost_after_the_dot_is_unknown_and_not_tried_again() -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        await deliver(channel, mail_to("bob"))
        server.script.on("dot", cut())
        assert verdicts(await deliver(channel, mail_to("eve"))) == [("unknown", "lost_after_data")]
    assert [mail.recipient for mail in server.mails] == ["bob@example.org", "eve@example.org"]


@pytest.mark.parametrize("step", ["rcpt", "data", "dot"])
async def test_after_421_nothing_more_is_said_on_that_connection(step: str) -> None:
    # RFC 5321 §3.8: the relay will close it; what we said there would be lost.
    script = Script().on(step, refuse("421 4.3.2 shutting down"), times=1)
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, mail_to("bob"), mail_to("eve"))
    assert verdicts(outcomes) == [("retry", "throttled"), ("sent", "accepted")]
    assert server.connections == 2


# -- relays


async def test_the_second_relay_is_used_while_the_first_is_down() -> None:
    async with ScriptedSmtp() as first, ScriptedSmtp() as second, channel_to(first, second) as channel:
        await first.stop()
        outcomes = await deliver(channel, mail_to("bob"), mail_to("eve"))
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
    assert len(second.mails) == 2


async def test_a_relay_that_is_down_is_not_knocked_at_for_each_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 60.0)
    script = Script().on("connect", close_with("554 5.3.2 closed"))
    async with ScriptedSmtp(script) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, *(mail_to(f"p{number}") for number in range(50)))
    assert {o.verdict for o in outcomes} == {Verdict.RETRY}
    assert {(o.reason, o.code) for o in outcomes} == {("connection_failed", 554)}
    assert server.connections <= 2


async def test_mails_go_out_when_the_relay_is_back() -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        await server.stop()
        assert verdicts(await deliver(channel, mail_to())) == [("retry", "connection_failed")]
        await server.start()
        await asyncio.sleep(1.05)
        assert verdicts(await deliver(channel, mail_to())) == [("sent", "accepted")]


# -- security


async def test_mail_and_password_go_only_over_tls_when_asked_for() -> None:
    trust = certificates()
    script = Script(starttls=trust.server, users={"me": "secret"})
    async with (
        ScriptedSmtp(script) as server,
        channel_to(server, tls_context=trust.client) as channel,
    ):
        (outcome,) = await deliver(channel, mail_to())
    assert (outcome.verdict, outcome.tls) == (Verdict.SENT, True)
    assert [(mail.tls, mail.user) for mail in server.mails] == [(True, "me")]
    verbs = [line.split()[0] for _, line in server.commands]
    assert verbs[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


async def test_a_relay_without_starttls_gets_neither_password_nor_mail() -> None:
    async with ScriptedSmtp(Script(users={"me": "secret"})) as server:
        relay = Relay("127.0.0.1", server.port, Tls.START, "me", "secret")
        channel = SmtpChannel((relay,), SystemClock(), timeout=60, ehlo="closeloop.example")
        (outcome,) = await deliver(channel, mail_to())
    assert verdicts([outcome]) == [("retry", "tls_failed")]
    assert server.count("AUTH") == server.count("MAIL") == 0


@pytest.mark.parametrize("mode", ["starttls", "implicit_tls"])
@pytest.mark.parametrize("wrong", ["stranger", "name"])
async def test_a_certificate_that_does_not_prove_itself_is_refused(mode: str, wrong: str) -> None:
    trust = certificates("elsewhere.example") if wrong == "name" else certificates()
    offered: Mapping[str, Any] = {mode: trust.server}
    context = trust.client if wrong == "name" else trust.stranger
    async with (
        ScriptedSmtp(Script(**offered)) as server,
        channel_to(server, tls_context=context) as channel,
    ):
        (outcome,) = await deliver(channel, mail_to())
    assert verdicts([outcome]) == [("retry", "tls_failed")]
    assert server.mails == []


async def test_a_wrong_password_is_for_later_and_said() -> None:
    script = Script(users={"me": "right"})
    async with ScriptedSmtp(script) as server:
        relay = Relay("127.0.0.1", server.port, Tls.NONE, "me", "wrong")
        channel = SmtpChannel((relay,), SystemClock(), timeout=60, ehlo="closeloop.example")
        (outcome,) = await deliver(channel, mail_to())
    assert (outcome.verdict, outcome.reason, outcome.code) == (Verdict.RETRY, "authentication_failed", 535)


BAD = [
    "a@b.example>\r\nRCPT TO:<c@d.example",
    "a@b.example\n",
    "a\x00@b.example",
    "<a@b.example>",
    "a>b@c.example",
    "a b@c.example",
    '"a\rb"@c.example',
    "a@b.example SIZE=1",
    "a@b@c.example",
    "nobody",
    "@b.example",
    "a@",
    "",
    "名 名@b.example",
    "a@b..example",
    "a@" + "b" * 250 + ".example",
]


@pytest.mark.parametrize("address", BAD)
async def test_no_address_can_break_out_of_its_command(address: str) -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        outgoing = [Outgoing(uuid4(), address, "a@b.example", MAIL)]
        outgoing += [Outgoing(uuid4(), "bob@example.org", address, MAIL)] if address else []
        outcomes = await deliver(channel, *outgoing)
    assert (
        verdicts(outcomes)
        == [("rejected", "invalid_recipient"), ("rejected", "invalid_sender")][: len(outgoing)]
    )
    assert server.mails == []
    assert server.connections == 0


async def test_a_domain_in_another_script_goes_as_a_labels() -> None:
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        await deliver(channel, mail_to("kunde@bücher.example"))
    assert server.mails[0].recipient == "kunde@xn--bcher-kva.example"


async def test_a_mail_above_the_announced_limit_is_not_even_tried() -> None:
    async with ScriptedSmtp(Script(size=1000)) as server, channel_to(server) as channel:
        outcomes = await deliver(channel, mail_to("bob", b"x" * 2000), mail_to("eve"))
    assert verdicts(outcomes) == [("rejected", "too_large"), ("sent", "accepted")]
    assert "SIZE=" in next(line for _, line in server.commands if line.startswith("MAIL"))


async def test_an_unforeseen_error_spoils_one_mail_only_and_tells_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(mail: bytes) -> bytes:
        if b"poison" in mail:
            raise ZeroDivisionError("bob@example.org")
        return wire_form(mail)

    monkeypatch.setattr("workers.channels.smtp_item.wire_form", broken)
    async with ScriptedSmtp() as server, channel_to(server) as channel:
        outcomes = await deliver(channel, mail_to("bob", b"poison"), mail_to("eve"))
    assert verdicts(outcomes) == [("retry", "internal_error"), ("sent", "accepted")]
    assert outcomes[0].text == "ZeroDivisionError in broken"
