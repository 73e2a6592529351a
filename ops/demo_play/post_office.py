"""The world outside: a mail server that catches what leaves, an SMS provider that behaves as Twilio."""

from __future__ import annotations

import asyncio
import base64
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import cached_property
from pathlib import Path

import httpx
from aiosmtpd.smtp import SMTP, Envelope, Session

from workers.intake.providers.sms.twilio import sign

LINK = re.compile(r"https?://[^\s<>\"]+/([tcsu])/([a-z2-7]{26})")
ACCOUNT = "AC" + "d" * 32
TOKEN = "demo-auth-token"
MAIL_LIMIT = 30_000_000


@dataclass(frozen=True)
class Caught:
    """A mail that was sent to somebody; `at` is promise time, `notification` the id in its header."""

    number: int
    at: datetime
    recipient: str
    raw: bytes
    message: EmailMessage
    notification: str

    @cached_property
    def text(self) -> str:
        """Its plain text."""
        body = self.message.get_body(("plain",))
        return str(body.get_content()) if body is not None else ""

    @cached_property
    def words(self) -> str:
        """Subject and plain text."""
        return f"{self.message['Subject']}\n{self.text}"

    @property
    def html(self) -> str:
        """Its HTML, '' if it has none."""
        body = self.message.get_body(("html",))
        return str(body.get_content()) if body is not None else ""

    @property
    def reply_to(self) -> str:
        """Where an answer goes."""
        return str(self.message["Reply-To"] or self.message["From"])

    def links(self) -> dict[str, str]:
        """Token → URL of each link in its text."""
        return {found[2]: found[0] for found in LINK.finditer(self.text)}


@dataclass(frozen=True, slots=True)
class CaughtSms:
    """An SMS that was sent to somebody."""

    at: datetime
    recipient: str
    body: str
    sid: str


class MailCatcher:
    """A mail server for everybody in the story. Keeps each mail as .eml and tells `on_mail`."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self.mails: list[Caught] = []
        self.on_mail: Callable[[Caught], None] = lambda mail: None
        self._folder = folder
        self._now = now
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port of loopback; gives it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="mx.catcher.example", data_size_limit=MAIL_LIMIT, loop=loop),
            "127.0.0.1",
            0,
        )
        return int(self._server.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Refuse further mail."""
        if self._server is not None:
            self._server.close()

    # aiosmtpd calls it by this name
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail (aiosmtpd calls this)."""
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        message = BytesParser(policy=policy.default).parsebytes(raw)
        assert isinstance(message, EmailMessage)
        for recipient in envelope.rcpt_tos:
            number = len(self.mails) + 1
            ident = str(message["X-Closeloop"] or "")
            caught = Caught(number, self._now(), recipient.lower(), raw, message, ident)
            self.mails.append(caught)
            (self._folder / f"{number:03d}.eml").write_bytes(raw)
            self.on_mail(caught)
        return "250 2.0.0 caught"


class SmsProvider:
    """Twilio's side: takes messages, reports them delivered, and calls with what customers send.

    https://www.twilio.com/docs/messaging/api/message-resource
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.messages: list[CaughtSms] = []
        self.on_sms: Callable[[CaughtSms], None] = lambda sms: None
        self._now = now
        self._calls: set[asyncio.Task[None]] = set()

    def authorised(self, header: str) -> bool:
        """Whether a request carries the account's own login."""
        return header == "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()

    def take(self, form: dict[str, str]) -> dict[str, str]:
        """A message to send; gives the answer's body. Its delivery is reported a moment later."""
        sms = CaughtSms(self._now(), form["To"], form["Body"], "SM" + uuid.uuid4().hex)
        self.messages.append(sms)
        if callback := form.get("StatusCallback"):
            params = [("MessageSid", sms.sid), ("MessageStatus", "delivered"), ("To", sms.recipient)]
            task = asyncio.create_task(self._report(callback, params))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        self.on_sms(sms)
        return {"sid": sms.sid, "status": "queued", "to": sms.recipient}

    async def _report(self, url: str, params: list[tuple[str, str]]) -> None:
        await asyncio.sleep(0.2)
        await self.call(url, params)

    async def call(self, url: str, params: list[tuple[str, str]]) -> int:
        """Call a webhook as Twilio does, signed; gives the status."""
        headers = {"X-Twilio-Signature": sign(url, params, TOKEN)}
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            for _ in range(20):
                try:
                    answer = await client.post(url, data=dict(params), headers=headers)
                except httpx.TransportError:
                    await asyncio.sleep(0.3)  # as Twilio would, some time later
                    continue
                return answer.status_code
        return 0
