"""Local HTTP servers that behave as the SMS providers do, check signatures, and can be made to fail.

async with FakeProvider("vonage") as side:
    channel = sms_channel(side.url, clock)
    side.answer(side.refusal(), to="+8613800000001")
    ... assert [sms.to for sms in side.messages] == [...]
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit

WORKSPACE = "11111111-2222-3333-4444-555555555555"
CHANNEL = "66666666-7777-8888-9999-000000000000"
KEY, SECRET = "testkey1", "test-secret/with:odd+signs"
PROVIDERS = ("vonage", "plivo", "bird", "aliyun", "tencent", "http", "http-form")

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A request as it came: header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path alone."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The fields of the query."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Caught:
    """A message the server took in: the number in E.164 form and everything that was said with it."""

    to: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """What is answered; `status` 0 hangs up and -1 never answers, both after taking the message in."""

    status: int
    body: Json | bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Dialect:
    """How one provider is spoken to: who may send, to whom a message goes, and what a yes and a no look
    like.
    """

    url: Callable[[int], str]
    allowed: Callable[[Request], bool]
    read: Callable[[Request], tuple[str, Json]]
    accept: Callable[[str], tuple[int, Json]]
    refuse: Callable[[], tuple[int, Json]]


class FakeProvider:
    """The server; `url` is what CLOSELOOP_SMS_URL wants."""

    def __init__(self, name: str, *, extra: str = "") -> None:
        self.dialect = DIALECTS[name]
        self.messages: list[Caught] = []
        self.refused: list[Request] = []
        self.port = 0
        self._extra = extra
        self._replies: list[tuple[str | None, Reply]] = []
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The provider's URL for this server."""
        return self.dialect.url(self.port) + self._extra

    def answer(
        self, status: int, body: Json | bytes = b"", *, to: str | None = None, headers: Mapping[str, str] = {}
    ) -> None:
        """Say this instead of yes, once for each number, to `to` (all when None)."""
        self._replies.append((to, Reply(status, body, headers)))

    def refuse(self, to: str) -> None:
        """Say that the number is wrong, as the provider documents it."""
        self.answer(*self.dialect.refuse(), to=to)

    def cut(self, to: str) -> None:
        """Take the message in and hang up."""
        self.answer(0, to=to)

    def hang(self, to: str) -> None:
        """Take the message in and never answer."""
        self.answer(-1, to=to)

    def close_door(self) -> None:
        """Refuse new connections."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_door()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._talks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._talks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        if not self.dialect.allowed(request):
            self.refused.append(request)
            await _write(writer, Reply(401, {"error": "not allowed", "Code": "SignatureDoesNotMatch"}, {}))
            return True
        to, fields = self.dialect.read(request)
        reply = self._reply(to)
        if reply is None or reply.status <= 0 or (reply.status < 300 and not reply.body):
            self.messages.append(Caught(to, fields))
        if reply is None:
            status, body = self.dialect.accept(f"id-{len(self.messages)}")
            reply = Reply(status, body, {})
        if reply.status == -1:
            await asyncio.Event().wait()
        if reply.status == 0:
            return False
        await _write(writer, reply)
        return True

    def _reply(self, to: str) -> Reply | None:
        for each in self._replies:
            if each[0] in (None, to):
                self._replies.remove(each)
                return each[1]
        return None


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    method, target, _ = head[0].split(" ")
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    lines = [f"HTTP/1.1 {reply.status} Said", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    writer.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body)
    await writer.drain()


def _secret() -> str:
    return quote(SECRET, safe="")


def _basic(request: Request) -> bool:
    login = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    return request.headers.get("authorization") == f"Basic {login}"


def _vonage_allowed(request: Request) -> bool:
    form = request.form
    return request.path == "/sms/json" and (form.get("api_key"), form.get("api_secret")) == (KEY, SECRET)


def _vonage_read(request: Request) -> tuple[str, Json]:
    form = request.form
    assert form["to"].isdigit(), "numbers go without the plus"
    return f"+{form['to']}", {**form, "words": form["text"]}


def _vonage_part(status: str, **more: str) -> tuple[int, Json]:
    return 200, {"message-count": "1", "messages": [{"status": status, **more}]}


def _plivo_read(request: Request) -> tuple[str, Json]:
    whole = json.loads(request.body)
    return whole["dst"], {**whole, "words": whole["text"]}


def _bird_allowed(request: Request) -> bool:
    path = f"/workspaces/{WORKSPACE}/channels/{CHANNEL}/messages"
    return request.path == path and request.headers.get("authorization") == f"AccessKey {SECRET}"


def _bird_read(request: Request) -> tuple[str, Json]:
    whole = json.loads(request.body)
    assert whole["body"]["type"] == "text"
    (contact,) = whole["receiver"]["contacts"]
    return contact["identifierValue"], {**whole, "words": whole["body"]["text"]["text"]}


def _aliyun_allowed(request: Request) -> bool:
    """Recompute signature V3 step by step from the raw request, as the documentation describes it."""
    said = dict(
        part.strip().split("=", 1)
        for part in request.headers["authorization"].removeprefix("ACS3-HMAC-SHA256 ").split(",")
    )
    raw = urlsplit(request.target).query
    pairs = sorted(tuple(map(unquote, pair.split("=", 1))) for pair in raw.split("&"))
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
    lines = "".join(f"{name}:{request.headers[name]}\n" for name in said["SignedHeaders"].split(";"))
    body_hash = hashlib.sha256(request.body).hexdigest()
    whole = f"POST\n/\n{query}\n{lines}\n{said['SignedHeaders']}\n{body_hash}"
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(whole.encode()).hexdigest()
    wanted = hmac.new(SECRET.encode(), to_sign.encode(), "sha256").hexdigest()
    every = {"host", *(name for name in request.headers if name.startswith("x-acs-"))}
    return (
        said == {"Credential": KEY, "SignedHeaders": ";".join(sorted(every)), "Signature": wanted}
        and request.headers["x-acs-content-sha256"] == body_hash
        and request.headers["x-acs-action"] == "SendSms"
        and request.headers["x-acs-version"] == "2017-05-25"
    )


def _aliyun_read(request: Request) -> tuple[str, Json]:
    fields = request.query
    number = fields["PhoneNumbers"]
    return ("+86" if len(number) == 11 and number.startswith("1") else "+") + number, fields


def _tencent_allowed(request: Request) -> bool:
    """Recompute signature v3 from the raw request."""
    scheme, _, rest = request.headers["authorization"].partition(" ")
    said = dict(part.strip().split("=", 1) for part in rest.split(","))
    key, day, service, end = said["Credential"].split("/")
    names = said["SignedHeaders"].split(";")
    lines = "".join(f"{name}:{request.headers[name].lower()}\n" for name in names)
    body_hash = hashlib.sha256(request.body).hexdigest()
    whole = f"POST\n/\n\n{lines}\n{said['SignedHeaders']}\n{body_hash}"
    scope = f"{day}/{service}/{end}"
    stamp = request.headers["x-tc-timestamp"]
    to_sign = f"{scheme}\n{stamp}\n{scope}\n{hashlib.sha256(whole.encode()).hexdigest()}"
    mac = b"TC3" + SECRET.encode()
    for step in (day, service, "tc3_request"):
        mac = hmac.digest(mac, step.encode(), "sha256")
    good = hmac.new(mac, to_sign.encode(), "sha256").hexdigest()
    return (scheme, key, service, said["Signature"]) == ("TC3-HMAC-SHA256", KEY, "sms", good)


def _tencent_read(request: Request) -> tuple[str, Json]:
    whole = json.loads(request.body)
    assert request.headers["x-tc-action"] == "SendSms"
    assert request.headers["x-tc-version"] == "2021-01-11"
    (number,) = whole["PhoneNumberSet"]
    return number, whole


def _tencent_said(code: str, serial: str = "") -> tuple[int, Json]:
    status = {"SerialNo": serial, "Code": code, "Message": "said", "Fee": 1}
    return 200, {"Response": {"SendStatusSet": [status], "RequestId": "r"}}


def _gateway_read(request: Request) -> tuple[str, Json]:
    whole = json.loads(request.body)
    assert request.query == {"account": "7"}
    return whole["phone"], {**whole, "words": whole["message"]}


DIALECTS: Mapping[str, Dialect] = {
    "vonage": Dialect(
        lambda port: f"vonage://{KEY}:{_secret()}@/Closeloop?api=http://127.0.0.1:{port}",
        _vonage_allowed,
        _vonage_read,
        lambda ident: _vonage_part("0", **{"message-id": ident}),
        lambda: _vonage_part("6", **{"error-text": "Unroutable message"}),
    ),
    "plivo": Dialect(
        lambda port: f"plivo://{KEY}:{_secret()}@/+15550100?api=http://127.0.0.1:{port}",
        lambda request: request.path == f"/v1/Account/{KEY}/Message/" and _basic(request),
        _plivo_read,
        lambda ident: (202, {"message": "message(s) queued", "message_uuid": [ident], "api_id": "a"}),
        lambda: (400, {"error": "dst parameter is not valid"}),
    ),
    "bird": Dialect(
        lambda port: f"bird://{WORKSPACE}:{_secret()}@/{CHANNEL}?api=http://127.0.0.1:{port}",
        _bird_allowed,
        _bird_read,
        lambda ident: (202, {"id": ident, "status": "accepted"}),
        lambda: (422, {"code": "InvalidPayload", "message": "receiver is invalid"}),
    ),
    "aliyun": Dialect(
        lambda port: f"aliyun://{KEY}:{_secret()}@/闭环服务?api=http://127.0.0.1:{port}",
        _aliyun_allowed,
        _aliyun_read,
        lambda ident: (200, {"Code": "OK", "Message": "OK", "BizId": ident, "RequestId": "r"}),
        lambda: (200, {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "非法手机号"}),
    ),
    "tencent": Dialect(
        lambda port: f"tencent://{KEY}:{_secret()}@/1400006666?sign=闭环服务&api=http://127.0.0.1:{port}",
        _tencent_allowed,
        _tencent_read,
        lambda ident: _tencent_said("Ok", ident),
        lambda: _tencent_said("InvalidParameterValue.IncorrectPhoneNumber"),
    ),
    "http": Dialect(
        lambda port: (
            f"http://{KEY}:{_secret()}@127.0.0.1:{port}/send?account=7&_to=phone&_text=message&_id=data.id"
        ),
        _basic,
        _gateway_read,
        lambda ident: (200, {"data": {"id": ident}}),
        lambda: (400, {"error": "bad number"}),
    ),
    "http-form": Dialect(
        lambda port: f"http://:{_secret()}@127.0.0.1:{port}/?_format=form&_ok=code:0&_sender=Closeloop",
        lambda request: request.headers.get("authorization") == f"Bearer {SECRET}",
        lambda request: (request.form["to"], {**request.form, "words": request.form["text"]}),
        lambda ident: (200, {"code": 0, "id": ident}),
        lambda: (200, {"code": 17, "error": "bad number"}),
    ),
}
