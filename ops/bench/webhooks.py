"""Requests over kept connections: as fast as they are answered, or at a rate of their own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ops.bench.ours import HOOK_TOKEN

STORED = b'"stored":true'
SEED = 20_260_501
Judge = Callable[[bytes], bool]


@dataclass(slots=True)
class Answers:
    """Milliseconds of each answer, whole and until its first byte, and the answers that were wrong."""

    milliseconds: list[float] = field(default_factory=list)
    first_byte: list[float] = field(default_factory=list)
    seconds: float = 0.0
    wrong: list[bytes] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """One kept HTTP/1.1 connection, one request at a time. Knows no more of HTTP than our answers need."""

    def __init__(self) -> None:
        self._read = b""
        self._answer: asyncio.Future[bytes] | None = None
        self.transport: asyncio.Transport | None = None
        self.first = 0.0  # when the first byte of the newest answer came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._read:
            self.first = time.perf_counter()
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        if not found or self._answer is None:
            return
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if len(body) >= length:
            self._answer.set_result(self._read)
            self._read, self._answer = b"", None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    async def ask(self, request: bytes) -> bytes:
        """The whole answer to one whole request."""
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer


def hook_request(mail: bytes) -> bytes:
    """The raw bytes of a POST of `mail` to /hooks/email/raw."""
    head = (
        "POST /hooks/email/raw HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {HOOK_TOKEN}\r\nContent-Type: message/rfc822\r\n"
        f"X-Envelope-To: support@bench.example.com\r\nContent-Length: {len(mail)}\r\n\r\n"
    )
    return head.encode() + mail


def as_fast_as_answered(port: int, mails: Sequence[bytes], connections: int) -> Answers:
    """Closed loop: each connection sends its next request when the last one is answered."""
    return asyncio.run(_flood(port, [hook_request(mail) for mail in mails], connections))


def at_rate(port: int, mails: Sequence[bytes], rate: float, connections: int) -> Answers:
    """Open loop: `rate` requests a second at random moments (Poisson, seeded), whether or not those before
    are answered. Each counts from the moment it was to be sent at, so that waiting for a connection, or for
    this very client, counts as well.
    """
    return asyncio.run(_steady(port, [hook_request(mail) for mail in mails], rate, connections, _stored))


def pages_at_rate(
    port: int, paths: Sequence[str], rate: float, connections: int, cookie: str = ""
) -> Answers:
    """The same for pages; each must say 200."""
    requests = [page_request(path, cookie) for path in paths]
    return asyncio.run(_steady(port, requests, rate, connections, _ok))


def page_request(path: str, cookie: str = "") -> bytes:
    """The raw bytes of a GET as a browser sends it."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nAccept-Language: en\r\n"
    return (head + (f"Cookie: {cookie}\r\n" if cookie else "") + "\r\n").encode()


def one_by_one(port: int, paths: Sequence[str]) -> list[tuple[float, bytes]]:
    """Each page when the one before it is answered: milliseconds to its first byte, and the whole answer."""
    return asyncio.run(_in_turn(port, [page_request(path) for path in paths]))


async def _open(port: int, count: int) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(_Connection, "127.0.0.1", port) for _ in range(count)]
    return [protocol for _, protocol in made]


def _close(connections: Sequence[_Connection]) -> None:
    for connection in connections:
        if connection.transport is not None:
            connection.transport.close()


def _ok(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/1.1 200")


def _stored(answer: bytes) -> bool:
    return _ok(answer) and STORED in answer


def _note(answers: Answers, began: float, connection: _Connection, answer: bytes, right: Judge) -> None:
    answers.milliseconds.append((time.perf_counter() - began) * 1000)
    answers.first_byte.append((connection.first - began) * 1000)
    if not right(answer):
        answers.wrong.append(answer)


async def _in_turn(port: int, requests: Sequence[bytes]) -> list[tuple[float, bytes]]:
    (connection,) = connections = await _open(port, 1)
    found = []
    for request in requests:
        began = time.perf_counter()
        answer = await connection.ask(request)
        found.append(((connection.first - began) * 1000, answer))
    _close(connections)
    return found


async def _flood(port: int, requests: Sequence[bytes], count: int) -> Answers:
    connections = await _open(port, count)
    answers, waiting = Answers(), iter(requests)

    async def keep_asking(connection: _Connection) -> None:
        for request in waiting:
            began = time.perf_counter()
            _note(answers, began, connection, await connection.ask(request), _stored)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(keep_asking(connection))
    answers.seconds = time.perf_counter() - began
    _close(connections)
    return answers


async def _steady(port: int, requests: Sequence[bytes], rate: float, count: int, right: Judge) -> Answers:
    connections = await _open(port, count)
    answers, chance = Answers(), random.Random(SEED)
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)

    async def ask(request: bytes, began: float) -> None:
        connection = await free.get()
        _note(answers, began, connection, await connection.ask(request), right)
        free.put_nowait(connection)

    started = moment = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for request in requests:
            moment += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, moment - time.perf_counter()))
            tasks.create_task(ask(request, moment))
    answers.seconds = time.perf_counter() - started
    _close(connections)
    return answers
