"""The dialogue itself, without a network: replies cut anywhere, at moments of our choosing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import MONDAY_MORNING, ManualClock
from workers.channels.smtp_codes import Step
from workers.channels.smtp_link import SessionLost
from workers.channels.smtp_session import Answer, Mail, Session, wire_form

pytestmark = pytest.mark.anyio

GOOD = (
    b"250 2.1.0 sender ok\r\n250-2.1.5 recipient\r\n250 2.1.5 ok\r\n354 go ahead\r\n",
    b"250-2.0.0 ok\r\n250 queued as 1\r\n",
)


class Wire(asyncio.Transport):
    """A transport that only remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


def session(clock: ManualClock, *extensions: str) -> tuple[Session, Wire]:
    wire = Wire()
    made = Session(wire, clock.now, "relay.example", tls=True, extensions=dict.fromkeys(extensions, ""))
    made.take_over()
    return made, wire


async def settle() -> None:
    """Let the session digest what it got."""
    for _ in range(10):
        await asyncio.sleep(0)


async def dialogue(chunks: list[bytes]) -> tuple[Answer, bytes]:
    """Send one mail while the relay's words arrive in these chunks."""
    made, wire = session(ManualClock(MONDAY_MORNING), "pipelining")
    task = asyncio.create_task(made.transact(Mail(b"a@b", b"c@d", wire_form(b"mail")), lambda: None))
    await settle()
    for chunk in chunks:
        made.data_received(chunk)
        await settle()
    return await asyncio.wait_for(task, 120), wire.written


@given(st.lists(st.integers(0, len(GOOD[0])), max_size=6), st.lists(st.integers(0, len(GOOD[1])), max_size=3))
def test_replies_may_arrive_in_any_pieces(first: list[int], second: list[int]) -> None:
    chunks = []
    for words, cuts in zip(GOOD, (first, second), strict=True):
        edges = [0, *sorted(cuts), len(words)]
        chunks += [words[a:b] for a, b in pairwise(edges)]
    answer, written = asyncio.run(dialogue(chunks))
    assert answer.accepted
    assert answer.reply.text == "2.0.0 ok queued as 1"
    assert written == b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nmail\r\n.\r\n"


async def test_acceptance_is_timed_when_the_reply_arrives_not_when_it_is_read() -> None:
    clock = ManualClock(MONDAY_MORNING)
    made, _ = session(clock, "pipelining")
    task = asyncio.create_task(made.transact(Mail(b"a@b", b"c@d", b"mail\r\n"), lambda: None))
    await settle()
    made.data_received(GOOD[0])
    await settle()
    made.data_received(GOOD[1])  # the task has not run yet: the loop is busy for ten seconds
    clock.advance(timedelta(seconds=10))
    assert (await task).reply.at == MONDAY_MORNING


async def test_the_relays_last_words_before_hanging_up_are_heard() -> None:
    made, _ = session(ManualClock(MONDAY_MORNING), "pipelining")
    task = asyncio.create_task(made.transact(Mail(b"a@b", b"c@d", b"mail\r\n"), lambda: None))
    await settle()
    made.data_received(b"250 ok\r\n550 5.1.1 nobody\r\n")
    made.connection_lost(None)
    answer = await task
    assert (answer.step, answer.reply.code) == (Step.RCPT, 550)
    assert not made.usable


async def test_a_word_that_nobody_asked_for_ends_the_trust() -> None:
    made, wire = session(ManualClock(MONDAY_MORNING), "pipelining")
    made.data_received(b"421 4.4.2 idle too long\r\n")
    assert not made.usable
    assert wire.aborted
    with pytest.raises(SessionLost):
        await made.transact(Mail(b"a@b", b"c@d", b"mail\r\n"), lambda: None)
    assert wire.written == b""


async def test_the_point_of_no_return_comes_before_the_dot_leaves_and_not_earlier() -> None:
    made, wire = session(ManualClock(MONDAY_MORNING), "pipelining")
    seen: list[bytes] = []
    task = asyncio.create_task(
        made.transact(Mail(b"a@b", b"c@d", b"mail\r\n"), lambda: seen.append(wire.written))
    )
    await settle()
    assert seen == []
    made.data_received(GOOD[0])
    await settle()
    assert len(seen) == 1
    assert not seen[0].endswith(b".\r\n")
    assert wire.written.endswith(b"mail\r\n.\r\n")
    made.data_received(GOOD[1])
    assert (await task).accepted


async def test_the_dot_of_a_long_mail_waits_until_the_mail_has_left() -> None:
    made, wire = session(ManualClock(MONDAY_MORNING), "pipelining")
    long = b"x" * 100 + b"\r\n"
    passed: list[bool] = []
    task = asyncio.create_task(made.transact(Mail(b"a@b", b"c@d", long * 1000), lambda: passed.append(True)))
    await settle()
    made.pause_writing()  # what the transport says when the system takes no more
    made.data_received(GOOD[0])
    await settle()
    assert wire.written.endswith(long)
    assert passed == []
    made.connection_lost(ConnectionResetError())
    with pytest.raises(SessionLost):
        await task
    assert passed == [], "a loss now is a loss before the dot"


async def test_a_mail_refused_halfway_is_refused() -> None:
    made, wire = session(ManualClock(MONDAY_MORNING), "pipelining")
    task = asyncio.create_task(made.transact(Mail(b"a@b", b"c@d", b"x" * 100_000 + b"\r\n"), lambda: None))
    await settle()
    made.pause_writing()
    made.data_received(GOOD[0])
    await settle()
    made.data_received(b"552 5.3.4 too big\r\n")
    answer = await task
    assert (answer.accepted, answer.reply.code, made.usable) == (False, 552, False)
    assert not wire.written.endswith(b".\r\n")


@given(st.binary(max_size=300))
def test_the_wire_form_holds_no_early_end_and_reads_back(mail: bytes) -> None:
    wire = wire_form(mail)
    assert wire.endswith(b"\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + wire
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    lines = [line.removeprefix(b".") for line in wire.split(b"\r\n")]
    given_lines = mail.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    assert lines == [*given_lines, b""]
