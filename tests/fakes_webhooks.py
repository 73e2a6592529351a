"""A team's own server that hears of events: it verifies each call with the library, and answers as told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

CUT = -1
"""Instead of a status: the line is cut after the call was heard."""
HANG = -2
"""Instead of a status: silence."""
LOOPBACK: Mapping[str, Any] = {
    "webhook_http": True,
    "webhook_networks": (ip_network("127.0.0.0/8"),),
}
"""Settings of an operator who allows calls on this machine."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One call: `ident` is the webhook-id, `body` the event."""

    ident: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Any

    @property
    def type(self) -> str:
        """The type of the event."""
        return str(self.body["type"])


@dataclass
class FakeEndpoint:
    """The server. `secrets` are what it knows; a call that none of them proves is a 401 and is not kept.

    `answers` holds the statuses of the next calls, by path or account ("" for any); after them 200.
    """

    secrets: list[str] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    text: bytes = b"ok"
    port: int = 0
    server: asyncio.Server | None = None
    served: set[asyncio.Task[Any] | None] = field(default_factory=set)

    def url(self, path: str = "/hook") -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}{path}"

    def types(self) -> list[str]:
        """The types of what it heard, in order."""
        return [each.type for each in self.heard]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection with one call."""
        self.served.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):  # callers may hang up whenever they like
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            raw = await reader.readexactly(int(headers.get("content-length", "0")))
            status = self._judge(head[0].split(" ")[1], headers, raw)
            if status == HANG:
                await reader.read()  # until the other side gives up
            elif status != CUT:
                more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                said = f"HTTP/1.1 {status} As told\r\nContent-Length: {len(self.text)}\r\n{more}\r\n"
                writer.write(said.encode() + self.text)
                await writer.drain()
        writer.close()
        with suppress(OSError):  # it is gone already
            await writer.wait_closed()

    def _judge(self, path: str, headers: Mapping[str, str], raw: bytes) -> int:
        if not any(_proves(secret, headers, raw) for secret in self.secrets):
            self.refused.append(path)
            return 401
        self.heard.append(Heard(headers["webhook-id"], path, headers, raw, json.loads(raw)))
        account = self.heard[-1].body["data"].get("to", "")
        waiting = self.answers.get(account) or self.answers.get(path) or self.answers.get("") or []
        return waiting.pop(0) if waiting else 200

    def leave(self) -> None:
        """Nothing listens any more."""
        assert self.server is not None
        self.server.close()


def _proves(secret: str, headers: Mapping[str, str], raw: bytes) -> bool:
    try:
        Webhook(secret).verify(raw, dict(headers))
    except WebhookVerificationError:
        return False
    return True


@asynccontextmanager
async def webhook_server() -> AsyncIterator[FakeEndpoint]:
    """A running server."""
    fake = FakeEndpoint()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.server = server
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in fake.served if task is not None))
