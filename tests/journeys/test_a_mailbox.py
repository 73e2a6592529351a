"""A team that fetches its mailbox: requests, replies and bounces come in there, each once."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage

import pytest

from models.crypto import new_key
from models.vocabulary import EventState, NotificationState
from tests.command_line import environment
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.fetching import count, fetching, looked, until, workshop_for
from tests.house import SUPPORT, House, open_house, quotation
from tests.imap_server import ImapServer, Mailbox
from workers.settings import load_settings

pytestmark = pytest.mark.anyio
LI_NA = "li.na@customer.example"


@asynccontextmanager
async def team_with(backend: Backend, mailbox: Mailbox, **options: str) -> AsyncIterator[House]:
    async with open_house(backend) as house, fetching(house.workshop, mailbox.url(**options)):
        await until(lambda: looked(house.workshop))
        yield house


async def comes_in(house: House, mailbox: Mailbox, raw: bytes, folder: str = "INBOX") -> None:
    """A mail lands in the mailbox, and what follows from it has happened."""
    before = len(await house.events())
    mailbox.put(raw, folder)

    async def is_there() -> bool:
        return len(await house.events()) > before

    await until(is_there)
    await house.settle()


def letter(subject: str, text: str, *, to: str = SUPPORT, answers: CaughtMail | None = None) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"Li Na <{LI_NA}>", to, subject
    message["Message-ID"] = f"<{new_key().hex()}@customer.example>"
    if answers is not None:
        message["In-Reply-To"] = message["References"] = answers.message_id
        text = f"{text}\n\n{quotation(answers)}"
    message.set_content(text)
    return message.as_bytes().replace(b"\n", b"\r\n")


def report(mail: CaughtMail) -> bytes:
    """What a mail server says of a mail that it could not deliver (RFC 3464)."""
    lines = f"""From: MAILER-DAEMON@mx.customer.example
To: {mail.sender}
Subject: Undelivered Mail Returned to Sender
Message-ID: <{new_key().hex()}@mx.customer.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I am sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.customer.example

Final-Recipient: rfc822; {mail.recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: text/rfc822-headers

Message-ID: {mail.message_id}
--b--
"""
    return lines.replace("\n", "\r\n").encode()


async def test_a_fetched_mail_becomes_a_ticket_and_its_reply_finds_it(
    backend: Backend, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    async with team_with(backend, mailbox) as house:
        await comes_in(house, mailbox, letter("无法付款", "点击付款后报错 502"))
        ticket = await house.ticket()
        (receipt,) = house.mails_to(LI_NA)
        assert ticket.number in str(receipt.message["Subject"])
        reply = letter("Re: 无法付款", "还是不行", to=str(receipt.message["Reply-To"]), answers=receipt)
        await comes_in(house, mailbox, reply)
        assert (await house.ticket()).number == ticket.number
        assert "customer_wrote" in await house.log_kinds()
    assert (mailbox.count(), mailbox.seen()) == (2, 0)


async def test_a_bounce_in_the_mailbox_settles_the_mail_it_tells_of(
    backend: Backend, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    async with team_with(backend, mailbox) as house:
        await comes_in(house, mailbox, letter("Help", "It is broken"))
        (receipt,) = house.mails_to(LI_NA)
        await comes_in(house, mailbox, report(receipt))
        (row,) = await house.notifications("receipt")
        assert row.state is NotificationState.BOUNCED


async def test_what_the_mailbox_took_for_junk_is_no_request_unless_it_answers_us(
    backend: Backend, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    mailbox.put(letter("Long ago", "before we looked"), "Junk")
    async with team_with(backend, mailbox, folder="Junk") as house:
        await comes_in(house, mailbox, letter("Cheap watches", "Buy now"), "Junk")
        (event,) = await house.events()
        assert (event.state, event.kind, event.ticket_id) == (EventState.REJECTED, "junk", None)
        assert "junk_folder" in str(event.reason)
        assert not house.mails_to(LI_NA)
        await comes_in(house, mailbox, letter("Help", "It is broken"))
        (receipt,) = house.mails_to(LI_NA)
        reply = letter("Re: Help", "Still broken", to=str(receipt.message["Reply-To"]), answers=receipt)
        await comes_in(house, mailbox, reply, "Junk")
        assert "customer_wrote" in await house.log_kinds()
        await comes_in(house, mailbox, report(receipt), "Junk")
        (row,) = await house.notifications("receipt")
        assert row.state is NotificationState.BOUNCED


async def test_our_own_mail_lying_in_the_mailbox_is_no_request(
    backend: Backend, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    async with team_with(backend, mailbox) as house:
        await comes_in(house, mailbox, letter("Help", "It is broken"))
        number = (await house.ticket()).number
        (receipt,) = house.mails_to(LI_NA)
        await comes_in(house, mailbox, receipt.data)
        assert (await house.ticket()).number == number
        assert "own_mail" in str((await house.events())[-1].reason)
        assert len(house.mails_to(LI_NA)) == 1


async def test_a_fetcher_killed_in_the_middle_loses_and_doubles_nothing(
    backend: Backend, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    for number in range(60):
        mailbox.put(letter(f"Request {number}", "x" * 5_000))
    settings = {
        "SECRET_KEYS": f"test:{base64.b64encode(new_key()).decode()}",
        "DATABASE_URL": backend.database_url,
        "BROKER_URL": backend.broker_url,
        "MAIL_FROM": SUPPORT,
        "IMAP_URL": mailbox.url(since="all", mode="move", to="Done"),
    }
    loaded = load_settings({f"CLOSELOOP_{name}": value for name, value in settings.items()})
    async with workshop_for(backend, loaded) as workshop:
        async with fetcher_process(settings, "2") as process:
            assert await asyncio.wait_for(process.wait(), 240) == -signal.SIGKILL
        assert 0 < await count(workshop) < 60, "it was killed in the middle"
        assert mailbox.count("Done") < await count(workshop), "between storing and moving"
        async with fetcher_process(settings):
            await until(lambda: mailbox.count("Done") == 60)
        assert await count(workshop) == 60
    assert mailbox.count() == 0


@asynccontextmanager
async def fetcher_process(settings: dict[str, str], *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """It is killed at the end, if it has not died before."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fetching", "3", *more, env=environment(settings)
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            process.kill()
        await process.wait()
