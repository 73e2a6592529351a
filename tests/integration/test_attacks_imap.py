"""A mailbox's server under somebody else's control, and what honest servers say in between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Backend
from tests.fakes_imap import ScriptedImap, garble
from tests.fetching import count, events, fault, fetching, looked, until, workshop_for
from tests.integration.test_imap import mail, raw_of
from workers.imap import faults, fetcher, wire
from workers.imap.faults import Fault
from workers.imap.hands import Hands
from workers.imap.session import Session
from workers.settings.imap_url import parse_imap_urls

pytestmark = pytest.mark.anyio

HERE = "127.0.0.1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedImap]:
    """A server that is asked again soon after a fault."""
    monkeypatch.setattr(faults, "USUAL", (0.1, 0.2))
    with ScriptedImap() as server:
        yield server


async def test_what_changes_meanwhile_is_not_taken_for_a_mail_that_was_asked_for(
    backend: Backend, server: ScriptedImap
) -> None:
    """A flag is told by the mail's place in the folder: the UID of that number may be years old."""
    old = datetime.now(UTC) - timedelta(days=400)
    for number in range(3):
        server.put(mail(number), at=old)

    def told_in_between(talk: Any, _: bytes, usual: bytes) -> None:
        talk.send(b"* 2 FETCH (FLAGS (\\Seen))\r\n" + usual)

    async with workshop_for(backend) as workshop, fetching(workshop, server.url(mode="seen")):
        await until(lambda: looked(workshop))
        server.on("FETCH", told_in_between).on("BODY", told_in_between)
        server.put(mail(9))
        await until(lambda: count(workshop))
        server.put(mail(10))
        await until(lambda: _count_is(workshop, 2))
        assert await raw_of(workshop) == [mail(9), mail(10)]
        assert not any(line.startswith("FETCH 2") for line in server.commands)


async def _count_is(workshop: Any, number: int) -> bool:
    return await count(workshop) >= number


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
@pytest.mark.parametrize("piece", [b"x" * 5000, b""], ids=["literals", "lines"])
async def test_an_answer_without_an_end_is_broken_off(
    backend: Backend, server: ScriptedImap, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MOST", 100_000)
    sent = [0]

    def endless(talk: Any, _: bytes, __: bytes) -> None:
        while not server.ended.is_set():
            one = b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%s)\r\n" % (len(piece), piece)
            talk.send(one if piece else b"* 7 EXISTS\r\n" * 100)
            sent[0] += len(one)

    server.put(mail(1))
    server.on("BODY", endless)
    async with workshop_for(backend) as workshop, fetching(workshop, server.url(since="all")):
        assert await until(lambda: fault(workshop)) == "too_large"
        server.clear()
        await until(lambda: count(workshop))


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("EXAMINE", b"* 1 EXISTS\r\n* OK [UIDVALIDITY 99999999999999999999] ok\r\n* OK [UIDNEXT 2] ok\r\n"),
        ("EXAMINE", b"* 1 EXISTS\r\n* OK [UIDVALIDITY 0] ok\r\n* OK [UIDNEXT 2] ok\r\n"),
        ("SEARCH", b"* SEARCH 99999999999999999999\r\n"),
    ],
)
async def test_numbers_that_no_mailbox_has_are_a_fault(
    backend: Backend, server: ScriptedImap, step: str, said: bytes
) -> None:
    server.put(mail(1))
    server.on(step, garble(said))
    async with workshop_for(backend) as workshop, fetching(workshop, server.url(since="all")):
        assert await until(lambda: fault(workshop)) == "malformed_answer"
        server.clear()
        await until(lambda: count(workshop))


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_a_mail_from_the_end_of_all_times_is_taken(backend: Backend, server: ScriptedImap) -> None:
    server.put(mail(1))
    when = b'* 1 FETCH (UID 1 RFC822.SIZE 100 INTERNALDATE "31-Dec-9999 23:59:59 -1200")\r\n'
    server.on("FETCH", garble(when))
    async with workshop_for(backend) as workshop, fetching(workshop, server.url(since="all")):
        await until(lambda: count(workshop))
        (event,) = await events(workshop)
    assert abs(event.received_at - datetime.now(UTC)) < timedelta(minutes=10)


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_news_of_nothing_do_not_make_us_hammer(
    backend: Backend, server: ScriptedImap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "BREATH", 600.0)
    usual = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 1] ok\r\n"
    server.on("EXAMINE", garble(usual + b"* 2 EXISTS\r\n"))
    async with workshop_for(backend) as workshop, fetching(workshop, server.url()):
        await until(lambda: server.asked("EXAMINE") >= 2)
        await asyncio.sleep(0.5)
        assert server.asked("EXAMINE") == 2


async def test_a_connection_that_nobody_wants_any_more_is_closed() -> None:
    """It was opened in the very moment when the fetcher was told to end."""
    ours, theirs = socket.socketpair()
    opened, go_on = threading.Event(), threading.Event()
    worker = Hands()

    def work() -> socket.socket:
        worker.told(ours)
        opened.set()
        go_on.wait(30)
        return ours

    task = asyncio.create_task(worker.do(60, work))
    await until(opened.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    worker.end()
    go_on.set()
    await until(lambda: ours.fileno() == -1)
    theirs.close()


def _offers_tls(peer: socket.socket) -> None:
    peer.sendall(b"* OK ready\r\n")
    with peer.makefile("rb") as lines:
        for told in (b"* CAPABILITY IMAP4rev1 STARTTLS\r\n", b""):
            tag = lines.readline().split(b" ")[0]
            peer.sendall(told + tag + b" OK done\r\n")


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
async def test_a_handshake_that_is_drawn_out_is_cut(scheme: str) -> None:
    """Each byte comes in time for the socket's own time-out."""
    made: list[socket.socket] = []
    with contextlib.closing(socket.create_server((HERE, 0))) as listener:
        box = parse_imap_urls(f"{scheme}://u:p@{HERE}:{listener.getsockname()[1]}/")[0]
        worker = Hands()

        def told(each: socket.socket) -> None:
            worker.told(each)
            made.append(each)

        task = asyncio.create_task(worker.do(60, Session.open, box, told))
        peer, _ = await asyncio.to_thread(listener.accept)
        if scheme == "imap":
            await asyncio.to_thread(_offers_tls, peer)
        await until(lambda: made and isinstance(made[-1], ssl.SSLSocket))
        worker.cut()
        with pytest.raises(Fault):
            await asyncio.wait_for(task, 30)
        worker.end()
        peer.close()
    assert [each.fileno() for each in made] == [-1] * len(made)
