"""A whole installation for stories: doors, workers and clockwork on a real broker, with a relay and an SMS
provider that catch what leaves. Time is moved by hand; everything else is as in production.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import cache
from itertools import count
from typing import Any

import httpx
from sqlalchemy import Select, bindparam, func, or_, select

from models.base import UtcDateTime
from models.crypto import new_key
from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.notifications import Notification
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Lane
from tests.conftest import Backend
from tests.fakes import MONDAY_MORNING
from tests.fakes_sms import FakeTwilio
from tests.fakes_smtp import CaughtMail, ScriptedSmtp
from workers.actors import DESKS
from workers.boot import Installation
from workers.scheduler import Scheduler
from workers.settings import load_settings
from workers.unit_of_work import Workshop
from workers.web.app import WebParts, make_app

SUPPORT = "support@help.example"
PUBLIC = "https://help.example"
HOOK_TOKEN = "hook-token-of-the-tests-0123456789"
API_KEY = "api-key-of-the-tests-0123456789"
ADMIN = "root@help.example"
LOOKS_PER_ROUND = 8


class StoryClock:
    """Promise time stands still until the story moves it; machine time is real (leases, retries)."""

    def __init__(self, start: datetime = MONDAY_MORNING) -> None:
        self._now = start

    def now(self) -> datetime:
        """Promise time, UTC."""
        return self._now

    def machine(self) -> datetime:
        """The machine's real time, UTC."""
        return datetime.now(UTC)

    def real_delay(self, due: datetime) -> float:
        """Seconds until `due`, as if time ran; 0 when it has come."""
        return max(0.0, (due - self._now).total_seconds())

    def advance(self, by: timedelta) -> None:
        """Moves promise time on."""
        self._now += by

    def set(self, moment: datetime) -> None:
        """Moves promise time to a moment."""
        self._now = moment


class House:
    """What a story does to the installation and sees of it."""

    def __init__(
        self,
        installation: Installation,
        workshop: Workshop,
        clock: StoryClock,
        relay: ScriptedSmtp,
        sms_provider: FakeTwilio,
    ) -> None:
        self.installation = installation
        self.workshop = workshop
        self.clock = clock
        self.relay = relay
        self.sms_provider = sms_provider
        self.scheduler: Scheduler = installation.scheduler(workshop)
        parts = WebParts(
            workshop,
            installation.renderer,
            installation.settings,
            installation.metrics,
            outside=installation.outside,
        )
        self.app = make_app(parts)
        transport = httpx.ASGITransport(self.app)
        self.web = httpx.AsyncClient(transport=transport, base_url=PUBLIC)

    # -- what happens outside -----------------------------------------------------------------------------

    async def post_mail(self, raw: bytes, *, sender: str = "", to: str = SUPPORT) -> httpx.Response:
        """A provider posts raw RFC 5322 bytes to the webhook."""
        headers = {"Authorization": f"Bearer {HOOK_TOKEN}", "X-Envelope-To": to}
        if sender:
            headers["X-Envelope-From"] = sender
        return await self.web.post("/hooks/email/raw", content=raw, headers=headers)

    async def mail(
        self,
        sender: str,
        text: str,
        *,
        subject: str = "",
        to: str = SUPPORT,
        answers: CaughtMail | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "",
    ) -> str:
        """Somebody writes a mail; gives its Message-ID. With `answers` it is a reply with a quotation."""
        message = EmailMessage()
        message["From"] = f"{name} <{sender}>" if name else sender
        message["Message-ID"] = (
            f"<{base64.b32encode(new_key()[:10]).decode().lower()}@{sender.partition('@')[2]}>"
        )
        if answers is not None:
            to = str(answers.message["Reply-To"] or answers.message["From"])
            subject = subject or f"Re: {answers.message['Subject']}"
            message["In-Reply-To"] = answers.message_id
            message["References"] = answers.message_id
            text = f"{text}\n\n{quotation(answers)}"
        message["To"], message["Subject"] = to, subject or "Help"
        for header, value in (headers or {}).items():
            message[header] = value
        message.set_content(text)
        answer = await self.post_mail(message.as_bytes(), sender=sender, to=to)
        assert answer.status_code == 200, answer.text
        await self.settle()
        return str(message["Message-ID"])

    async def sms(self, sender: str, text: str, *, sid: str = "") -> httpx.Response:
        """Twilio calls with an inbound SMS, signed as Twilio signs."""
        params = [
            ("Body", text),
            ("From", sender),
            ("MessageSid", sid or "SM" + new_key().hex()),
            ("NumMedia", "0"),
            ("To", self.sms_provider.sender),
        ]
        answer = await self.twilio_calls("/hooks/sms/twilio", params)
        await self.settle()
        return answer

    async def twilio_calls(self, path: str, params: Sequence[tuple[str, str]]) -> httpx.Response:
        """A signed call from Twilio (https://www.twilio.com/docs/usage/security#validating-requests)."""
        signed = f"{PUBLIC}{path}" + "".join(f"{key}{value}" for key, value in sorted(params))
        digest = hmac.new(self.sms_provider.token.encode(), signed.encode(), hashlib.sha1).digest()
        headers = {"X-Twilio-Signature": base64.b64encode(digest).decode()}
        return await self.web.post(path, data=dict(params), headers=headers)

    async def api(
        self, method: str, path: str, body: Any = None, *, by: str = "", expect: int | None = None
    ) -> Any:
        """Call the API as the team's help desk does; `by` is the acting member of staff."""
        headers = {"Authorization": f"Bearer {API_KEY}"} | ({"X-Acting-Staff": by} if by else {})
        answer = await self.web.request(method, f"/api/v1{path}", json=body, headers=headers)
        if expect is None:
            assert answer.is_success, f"{answer.status_code}: {answer.text}"
        else:
            assert answer.status_code == expect, f"{answer.status_code}: {answer.text}"
        await self.settle()
        return answer.json() if answer.content else None

    async def tap(self, link: str, form: Mapping[str, str] | None = None) -> httpx.Response:
        """Somebody opens a link of a mail and presses the button on the page."""
        path = link.removeprefix(PUBLIC)
        page = await self.web.get(path)
        assert page.status_code == 200, page.text
        answer = await self.web.post(path.partition("?")[0], data=dict(form or {}))
        await self.settle()
        return answer

    # -- time ---------------------------------------------------------------------------------------------

    async def pass_time(self, by: timedelta | None = None, *, until: datetime | None = None) -> None:
        """Let promise time pass, and everything that has become due happen."""
        self.clock.set(until if until is not None else self.clock.now() + (by or timedelta()))
        await self.settle()

    async def settle(self, seconds: float = 240) -> None:
        """Wait until nothing is due and nothing is under way. Raises TimeoutError naming what hangs.

        What is worked off rings for what follows from it; the clockwork is for what became due by moving the
        clock or ends a pause, so it need not go round at each look: its rounds cost most of a story's time.
        """
        try:
            async with asyncio.timeout(seconds):
                for look in count():
                    if not await self._busy():
                        return
                    if look % LOOKS_PER_ROUND == 0:
                        await self.scheduler.round()
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise TimeoutError(f"still busy: {await self._busy()}") from None

    async def _busy(self) -> dict[str, int]:
        """Rows by desk that are due and neither pause for a retry nor are finished."""
        moments = {"now": self.clock.now(), "soon": self.clock.machine() + timedelta(seconds=3)}
        async with self.workshop.read() as uow:
            row = (await uow.session.execute(_what_is_due(), moments)).one()
        return {desk: count for desk, count in row._mapping.items() if count}

    # -- what is seen -------------------------------------------------------------------------------------

    def mails_to(self, recipient: str, subject_part: str = "") -> list[CaughtMail]:
        """Mails that reached somebody, oldest first."""
        return [
            mail
            for mail in self.relay.mails
            if mail.recipient == recipient and subject_part in str(mail.message["Subject"])
        ]

    async def notifications(self, kind: str | None = None) -> list[Notification]:
        """The ledger, oldest first."""
        async with self.workshop.read() as uow:
            query = select(Notification).order_by(Notification.created_at, Notification.id)
            return list(await uow.session.scalars(query.where(Notification.kind == kind) if kind else query))

    async def mail_of(self, kind: str, *, to: str | None = None) -> CaughtMail:
        """The newest mail of this kind (to somebody) as the relay caught it."""
        rows = {row.message_id for row in await self.notifications(kind)}
        caught = [m for m in self.relay.mails if m.message_id in rows and to in (None, m.recipient)]
        assert caught, f"no {kind} mail to {to or 'anybody'} has left"
        return caught[-1]

    async def ticket(self, number: str | None = None) -> Ticket:
        """The ticket of this number, or the newest."""
        async with self.workshop.read() as uow:
            query = select(Ticket).order_by(Ticket.id.desc()).limit(1)
            if number:
                query = select(Ticket).where(Ticket.number == number)
            return (await uow.session.scalars(query)).one()

    async def log(self, number: str | None = None) -> list[TicketEntry]:
        """The log of a ticket, oldest first."""
        ticket = await self.ticket(number)
        async with self.workshop.read() as uow:
            query = select(TicketEntry).where(TicketEntry.ticket_id == ticket.id).order_by(TicketEntry.id)
            return list(await uow.session.scalars(query))

    async def log_kinds(self, number: str | None = None) -> list[str]:
        """The kinds of a ticket's log entries, in order."""
        return [entry.kind for entry in await self.log(number)]

    async def deadlines(self, number: str | None = None) -> dict[str, Deadline]:
        """The newest deadline of each kind of a ticket."""
        ticket = await self.ticket(number)
        async with self.workshop.read() as uow:
            query = select(Deadline).where(Deadline.ticket_id == ticket.id).order_by(Deadline.id)
            return {row.kind.value: row for row in await uow.session.scalars(query)}

    async def events(self) -> list[IntakeEvent]:
        """What came in, oldest first."""
        async with self.workshop.read() as uow:
            return list(await uow.session.scalars(select(IntakeEvent).order_by(IntakeEvent.id)))


@cache  # asked dozens of times in each story
def _what_is_due() -> Select[Any]:
    """How many rows are due at each desk: one statement, so that work handed on is seen on one of them."""
    now, soon = (bindparam(name, type_=UtcDateTime) for name in ("now", "soon"))
    counts = []
    for desk, model in DESKS.items():
        free = or_(model.free_at.is_(None), model.free_at <= soon, model.lease_token.is_not(None))
        counts.append(select(func.count()).where(model.due_at <= now, free).scalar_subquery().label(desk))
    return select(*counts)


def quotation(mail: CaughtMail) -> str:
    """The mail's text as Gmail quotes it, reply address and all."""
    body = mail.message.get_body(("plain",))
    assert body is not None
    lines = "\n".join(f"> {line}" for line in body.get_content().splitlines())
    return f"On Mon, 2 Mar 2026 at 10:00, support <{mail.message['Reply-To']}> wrote:\n\n{lines}"


def text_of(mail: CaughtMail) -> str:
    """The plain text of a mail."""
    body = mail.message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def link_in(mail: CaughtMail, path: str, nth: int = 0) -> str:
    """A link of our own in a mail's text, by its path's first part (s, t, c, u)."""
    found: list[str] = re.findall(rf"{re.escape(PUBLIC)}/{path}/[a-z2-7]+", text_of(mail))
    distinct = list(dict.fromkeys(found))
    assert len(distinct) > nth, f"no /{path}/ link in {mail.message['Subject']}"
    return distinct[nth]


@asynccontextmanager
async def open_house(
    backend: Backend, *, mode: str = "live", start: datetime = MONDAY_MORNING, **options: Any
) -> AsyncIterator[House]:
    """Start an installation of this kind, with three people: agents Alice and Bob, their supervisor Carol.

    With `furnished` they are there already, since the database is that of another house.
    """
    furnished = options.pop("furnished", False)
    clock = StoryClock(start)
    async with ScriptedSmtp() as relay, FakeTwilio() as sms_provider:
        installation = Installation(
            _settings(backend, relay, sms_provider, mode, options.pop("settings", {})), clock=clock, **options
        )
        await installation.prepare()
        workshop = installation.workshop()
        workers = installation.workers({Lane.URGENT: 1, Lane.NORMAL: 2, Lane.BULK: 1})
        for worker in workers:
            worker.start()
        house = House(installation, workshop, clock, relay, sms_provider)
        try:
            if not furnished:
                await _people(house)
            yield house
        finally:
            await house.web.aclose()
            await asyncio.to_thread(_stop, workers)
            await workshop.engine.dispose()
            await asyncio.sleep(0.02)  # what was broken off closes its socket a turn of the loop later
            installation.close()


def _stop(workers: Sequence[Any]) -> None:
    for worker in workers:
        with suppress(Exception):  # the others are to be stopped, too
            worker.stop(timeout=5000)


def _settings(
    backend: Backend, relay: ScriptedSmtp, sms: FakeTwilio, mode: str, more: Mapping[str, Any]
) -> Any:
    settings = load_settings(
        {
            "CLOSELOOP_SECRET_KEYS": f"test:{base64.b64encode(new_key()).decode()}",
            "CLOSELOOP_DATABASE_URL": backend.database_url,
            "CLOSELOOP_BROKER_URL": backend.broker_url,
            "CLOSELOOP_SMTP_URL": relay.url,
            "CLOSELOOP_SMS_URL": sms.url,
            "CLOSELOOP_PUBLIC_URL": PUBLIC,
            "CLOSELOOP_MAIL_FROM": SUPPORT,
            "CLOSELOOP_HOOK_TOKEN": HOOK_TOKEN,
            "CLOSELOOP_API_KEY": API_KEY,
            "CLOSELOOP_ADMIN": ADMIN,
            "CLOSELOOP_MODE": mode,
        }
    )
    return replace(settings, **more)


async def _people(house: House) -> None:
    team = house.installation.policy.default_team
    people = (
        ("CS001", "Alice", "alice@help.example", "agent"),
        ("CS002", "Bob", "bob@help.example", "agent"),
        ("SV001", "Carol", "carol@help.example", "supervisor"),
        ("HD001", "Dora", "dora@help.example", "supervisor"),
    )
    for number, name, email, role in people:
        body = {"number": number, "name": name, "email": email, "role": role, "team": team}
        await house.api("POST", "/staff", body)
    body = {"supervisor": "SV001", "head": "HD001"}
    await house.api("PATCH", f"/teams/{team}", body)
