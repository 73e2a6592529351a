"""A local HTTP server that behaves as Twilio's Messages API, and can be made to fail.

    async with FakeTwilio() as twilio:
        account = parse_sms_url(twilio.url)
        twilio.fail(400, 21610, "opted out", to="+15550123", times=1)
        ... assert [sms.to for sms in twilio.messages] == [...]

`ThreadedTwilio` is the same server in its own thread, for tests that start other processes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast
from urllib.parse import parse_qs

_STATUS = {
    201: "Created",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    502: "Bad Gateway",
}


@dataclass(frozen=True)
class CaughtSms:
    """A message the server took in; `answered`: the 201 was sent, too."""

    sid: str
    to: str
    sender: str
    service: str
    body: str
    status_callback: str
    answered: bool


@dataclass
class Trouble:
    """What happens instead of 201. `status` 0: no answer at all (`hang` or hang up, after taking the
    message in). `taken`: it is taken in although the answer is none of success.
    """

    status: int = 0
    code: int | None = None
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hang: bool = False
    cut_before_reading: bool = False
    taken: bool = False
    delay: float = 0.0
    to: str | None = None
    times: int | None = None

    def fits(self, to: str) -> bool:
        """Say whether it happens to this message, and count."""
        if self.to is not None and self.to != to:
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class FakeTwilio:
    """The server; `url` is what CLOSELOOP_SMS_URL wants."""

    def __init__(
        self,
        *,
        sid: str = "AC" + "0" * 31 + "1",
        token: str = "test-token/with:odd+signs",
        sender: str = "+15550100",
        port: int = 0,
    ) -> None:
        self.sid = sid
        self.token = token
        self.sender = sender
        self.port = port
        self.messages: list[CaughtSms] = []
        self.requests = 0
        self.troubles: list[Trouble] = []
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """`twilio://…?api=…` for this server."""
        token = "".join(f"%{ord(sign):02X}" for sign in self.token)
        return f"twilio://{self.sid}:{token}@/{self.sender}?api=http://127.0.0.1:{self.port}"

    def fail(
        self,
        status: int,
        code: int | None = None,
        message: str = "",
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        to: str | None = None,
        times: int | None = None,
    ) -> None:
        """Answer with this status and Twilio's error body (or `raw`)."""
        self.troubles.append(Trouble(status, code, message, headers or {}, raw, to=to, times=times))

    def hang(self, *, to: str | None = None, times: int | None = None) -> None:
        """Take the message in and never answer."""
        self.troubles.append(Trouble(hang=True, to=to, times=times))

    def cut(self, *, before_reading: bool = False, to: str | None = None, times: int | None = None) -> None:
        """Hang up: after taking the message in, or before a byte of the request was read (then for any
        `to`).
        """
        self.troubles.append(Trouble(cut_before_reading=before_reading, to=to, times=times))

    def delay(self, seconds: float, *, to: str | None = None, times: int | None = None) -> None:
        """Answer 201, later."""
        self.troubles.append(Trouble(201, delay=seconds, to=to, times=times))

    def hangs_up_at_once(self) -> bool:
        """Whether a connection ends before a byte of it was read."""
        return any(t.cut_before_reading and t.fits("") for t in self.troubles)

    def trouble_with(self, to: str) -> Trouble | None:
        """What happens to the next message to this number; None: it is taken, and 201 is said."""
        return next((t for t in self.troubles if not t.cut_before_reading and t.fits(to)), None)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def close_door(self) -> None:
        """Refuse new connections; those there are go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def stop(self) -> None:
        """Hang up on everybody and refuse connections."""
        self.close_door()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._talks.add(task)
        try:
            if not self.hangs_up_at_once():
                while await self._exchange(reader, writer):
                    pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._talks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request and answer it; says whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        form = parse_qs((await reader.readexactly(int(headers.get("content-length", "0")))).decode("utf-8"))
        self.requests += 1
        one = {name: values[0] for name, values in form.items()}
        if head[0] != f"POST /2010-04-01/Accounts/{self.sid}/Messages.json HTTP/1.1":
            await _answer(writer, 404, _error(404, 20404, "not found"))
        elif headers.get("authorization") != self._login():
            await _answer(writer, 401, _error(401, 20003, "Authenticate"))
        elif (
            not one.get("To")
            or not one.get("Body")
            or not (one.get("From") or one.get("MessagingServiceSid"))
        ):
            await _answer(writer, 400, _error(400, 21604, "A parameter is missing"))
        else:
            return await self._message(one, writer)
        return True

    def _login(self) -> str:
        return "Basic " + base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()

    async def _message(self, form: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        trouble = self.trouble_with(form["To"])
        if trouble is not None and trouble.status not in (0, 201):
            if trouble.taken:
                self._keep(form, answered=False)
            body = trouble.raw
            if body is None:
                body = _error(trouble.status, trouble.code, trouble.message)
            await _answer(writer, trouble.status, body, trouble.headers)
            return True
        sid = self._keep(form, answered=trouble is None or trouble.status == 201)
        if trouble is not None:
            await asyncio.sleep(trouble.delay)
            if trouble.hang:
                await asyncio.Event().wait()
            if trouble.status == 0:
                return False
        await _answer(writer, 201, json.dumps({"sid": sid, "status": "queued", "to": form["To"]}).encode())
        return True

    def _keep(self, form: dict[str, str], *, answered: bool) -> str:
        sid = f"SM{len(self.messages) + 1:032x}"
        self.messages.append(
            CaughtSms(
                sid=sid,
                to=form["To"],
                sender=form.get("From", ""),
                service=form.get("MessagingServiceSid", ""),
                body=form["Body"],
                status_callback=form.get("StatusCallback", ""),
                answered=answered,
            )
        )
        return sid


async def _answer(
    writer: asyncio.StreamWriter, status: int, body: bytes, headers: dict[str, str] | None = None
) -> None:
    lines = [f"HTTP/1.1 {status} {_STATUS.get(status, 'Status')}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    writer.write("\r\n".join(lines).encode("latin-1") + body)
    await writer.drain()


def _error(status: int, code: int | None, message: str) -> bytes:
    return json.dumps({"status": status, "code": code, "message": message, "more_info": ""}).encode()


class ThreadedTwilio:
    """A `FakeTwilio` in its own thread: `with ThreadedTwilio() as twilio: twilio.url, twilio.messages`."""

    def __init__(self) -> None:
        self._twilio = FakeTwilio()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FakeTwilio:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._twilio.start(), self._loop).result(60)
        return self._twilio

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._twilio.stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
