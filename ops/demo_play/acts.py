"""By what means people act: a mail program, a browser; and the doors by which customers' words come."""

from __future__ import annotations

import json
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

import httpx
from aiosmtplib import send

from ops.demo_play.forms import filled_form
from ops.demo_play.ledger import Ledger
from ops.demo_play.parts import SUPPORT, ZONE, Part
from ops.demo_play.post_office import Caught, SmsProvider
from ops.demo_play.stage import Stage
from workers.intake.mail import parse_mail
from workers.intake.store import content_id

PATIENCE = 20


class CannotAct(RuntimeError):
    """Somebody could not do what they wanted: no such link, or a page said no."""


class Acts:
    """What anybody can do from outside."""

    def __init__(self, stage: Stage, ledger: Ledger, sms: SmsProvider) -> None:
        self.stage = stage
        self.ledger = ledger
        self.sms = sms
        self._posted: dict[str, Part] = {}
        self._parts: dict[str, Part] = {}

    async def post(self, part: Part) -> None:
        """A customer's mail or SMS arrives by the door that its part names. Raises CannotAct."""
        raw = part.path.read_bytes()
        if part.door == "twilio":
            form = {str(name): str(value) for name, value in json.loads(raw).items()}
            self._posted[form["MessageSid"]] = part
            await self.twilio_calls(sorted(form.items()))
        elif part.door == "webhook":
            self._posted[content_id(raw, SUPPORT)] = part
            await self._webhook(raw)
        else:
            wire = b"\r\n".join(raw.splitlines()) + b"\r\n"  # line ends as SMTP wants them (RFC 5321 §2.3.8)
            self._posted[content_id(wire, SUPPORT)] = part
            await self._smtp(wire, parse_mail(raw).from_email, SUPPORT)

    def part_of(self, ticket: str) -> Part | None:
        """Which part of the script a ticket came from."""
        if ticket not in self._parts:
            for event in self.ledger.events():
                known = self._posted.get(event["external_id"])
                if known is not None and event["ticket"] and known.plot != "none":
                    self._parts[event["ticket"]] = known
        return self._parts.get(ticket)

    async def twilio_calls(self, params: list[tuple[str, str]]) -> None:
        """An SMS comes in through the provider's signed webhook. Raises CannotAct."""
        status = await self.sms.call(f"{self.stage.url}/hooks/sms/twilio", params)
        if status != 204:
            raise CannotAct(f"the SMS webhook answered {status}")

    async def press(self, mail: Caught, purpose: str, **values: str) -> None:
        """Open the mail's link of this purpose, fill in the form of its page, press the button.

        Raises CannotAct.
        """
        links = mail.links().items()
        url = next((url for token, url in links if self.ledger.purpose_of(token) == purpose), None)
        if url is None:
            raise CannotAct(f"mail {mail.number} has no link to {purpose}")
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            page = await client.get(url)
            if not page.is_success:
                raise CannotAct(f"the page to {purpose} answered {page.status_code}")
            action, form = filled_form(page.text, values)
            answer = await client.post(httpx.URL(url).join(action), data=form)
        if not answer.is_success:
            raise CannotAct(f"pressing {purpose} was answered {answer.status_code}")

    async def reply(self, mail: Caught, words: str, *, name: str = "", chinese: bool = True) -> None:
        """The recipient answers a mail from their mail program, with the usual quotation below."""
        day = self.stage.clock.now().astimezone(ZONE)
        above = f"On {day:%d %b %Y at %H:%M}, {SUPPORT} wrote:"
        if chinese:
            above = f"在 {day:%Y-%m-%d %H:%M}，{SUPPORT} 写道："
        quoted = "\n".join(f"> {line}" for line in mail.text.splitlines())
        answer = EmailMessage()
        answer["From"] = f"{name} <{mail.recipient}>" if name else mail.recipient
        answer["To"] = mail.reply_to
        answer["Subject"] = f"Re: {mail.message['Subject']}"
        answer["Date"] = format_datetime(self.stage.clock.now())
        answer["Message-ID"] = make_msgid(domain=mail.recipient.partition("@")[2])
        answer["In-Reply-To"] = answer["References"] = str(mail.message["Message-ID"])
        answer.set_content(f"{words}\n\n{above}\n{quoted}\n")
        to = mail.reply_to.rpartition("<")[2].rstrip(">").strip()
        await self._smtp(answer.as_bytes(), mail.recipient, to)

    async def _smtp(self, raw: bytes, sender: str, to: str) -> None:
        port = self.stage.smtp_port
        await send(raw, sender=sender, recipients=[to], hostname="127.0.0.1", port=port, start_tls=False)

    async def _webhook(self, raw: bytes) -> None:
        headers = {
            "Authorization": f"Bearer {self.stage.hook_token}",
            "X-Envelope-From": parse_mail(raw).from_email,
            "X-Envelope-To": SUPPORT,
        }
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            answer = await client.post(f"{self.stage.url}/hooks/email/raw", content=raw, headers=headers)
        if not answer.is_success:
            raise CannotAct(f"the webhook answered {answer.status_code}")
