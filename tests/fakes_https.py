"""A web server over TLS on this machine, for what is fetched: answers as it was told, keeps the calls."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.fakes_smtp import certificates


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer: `body` comes `silence` seconds after the head; `headers` on top of the length."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    silence: float = 0.0
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A request that came in: path with query, headers with lower-case names, body."""

    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class FakeHttps:
    """The server. `answers` by path; any other path is a 404. `trust` is what a client must trust."""

    def __init__(self, *names: str) -> None:
        made = certificates(*(names or ("localhost",)))
        self.answers: dict[str, Answer] = {}
        self.calls: list[Call] = []
        self.trust, self.context = made.client, made.server
        self.port = 0

    @property
    def host(self) -> str:
        """Host and port as a list of allowed hosts names them."""
        return f"localhost:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection with one request."""
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):  # who called has gone
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            call = Call(head[0].split(" ")[1], headers, body)
            self.calls.append(call)
            await self._answer(writer, self.answers.get(call.path.partition("?")[0], Answer(404)))
        writer.close()
        with suppress(OSError, ssl.SSLError):  # as above
            await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter, answer: Answer) -> None:
        length = {} if answer.chunked else {"Content-Length": str(len(answer.body))}
        headers = {**length, "Connection": "close", **answer.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {answer.status} As told\r\n{lines}\r\n".encode("latin-1"))
        await writer.drain()
        await asyncio.sleep(answer.silence)
        writer.write(answer.body)
        await writer.drain()


@asynccontextmanager
async def https_server(*names: str) -> AsyncIterator[FakeHttps]:
    """A running server whose certificate is for `names` (localhost if none is given)."""
    fake = FakeHttps(*names)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0, ssl=fake.context)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()
