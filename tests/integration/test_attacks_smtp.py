"""The SMTP door under attack: smuggled mails, relaying tricks, floods and lies."""

from __future__ import annotations

import asyncio

import pytest

from models.intake import IntakeEvent
from tests.conftest import Backend
from tests.factories import all_of
from tests.integration.test_smtpd import door
from tests.leaping import leap
from workers.intake.store import load
from workers.smtpd import SmtpIntake
from workers.smtpd.connection import Limits
from workers.smtpd.peers import Peers

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True),
]

HELLO = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<support@help.example>\r\nDATA\r\n"
MAIL = b"Subject: seen\r\n\r\nbody\r\n.\r\n"
HIDDEN = (
    b"MAIL FROM:<boss@help.example>\r\nRCPT TO:<support@help.example>\r\nDATA\r\n"
    b"Subject: hidden\r\n\r\nx\r\n.\r\n"
)


async def speak(intake: SmtpIntake, *pieces: bytes, pause: float = 0.05, waits: bool = False) -> bytes:
    """All that the server says to these bytes, sent piece by piece, up to its hanging up.

    `waits`: as an honest sender, which leaves the end to the server. Else the server is told at once that
    nothing more comes, and gives up whatever it has not answered yet.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        if not waits:
            writer.write_eof()
        async with asyncio.timeout(60):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n\n.\n\n", b"\r\n\0.\r\n"]
)
async def test_no_other_end_of_data_lets_a_second_mail_slip_in(backend: Backend, end: bytes) -> None:
    """SMTP smuggling: only CRLF . CRLF ends a mail (RFC 5321 §4.1.1.4)."""
    async with door(backend) as (intake, workshop):
        await speak(intake, HELLO, b"Subject: seen\r\n\r\nbody" + end + HIDDEN, b"QUIT\r\n")
        events = await all_of(workshop, IntakeEvent)
        async with workshop.read() as uow:
            for event in events:
                assert (await load(uow, event)).envelope["from"] == "a@b.example"
        assert len(events) <= 1


async def test_commands_sent_ahead_are_taken_one_after_the_other(backend: Backend) -> None:
    async with door(backend) as (intake, workshop):
        first = b"Subject: one\r\n\r\n1\r\n.\r\n"
        said = await speak(intake, HELLO + first + HELLO.removeprefix(b"EHLO x\r\n") + first + b"QUIT\r\n")
        assert said.count(b"250 2.0.0 OK") <= 2
        assert len(await all_of(workshop, IntakeEvent)) <= 1  # the very same mail is one event


@pytest.mark.parametrize(
    "recipient",
    [
        b"boss%elsewhere.example@help.example",
        b"elsewhere.example!boss@help.example",
        b"@help.example:boss@elsewhere.example",
        b"@help.example,@b.example:boss@elsewhere.example",
        b'"support@help.example"@elsewhere.example',
        b'"boss@elsewhere.example"@help.example',
        b"support@help.example@elsewhere.example",
        b"support@help.example.",
        b"support@[127.0.0.1]",
        b"support",
        b"postmaster@elsewhere.example",
        b"support@HELP.example\0@elsewhere.example",
    ],
)
async def test_no_spelling_of_a_recipient_makes_us_a_relay(backend: Backend, recipient: bytes) -> None:
    async with door(backend) as (intake, workshop):
        said = await speak(
            intake,
            b"EHLO x\r\n",
            b"MAIL FROM:<a@b.example>\r\n",
            b"RCPT TO:<" + recipient + b">\r\n",
            b"QUIT\r\n",
        )
        assert b"250 2.1.5" not in said
        assert await all_of(workshop, IntakeEvent) == []


async def test_nobody_is_told_who_there_is_and_nobody_may_log_in(backend: Backend) -> None:
    async with door(backend) as (intake, _):
        said = await speak(
            intake,
            b"EHLO x\r\n",
            b"VRFY support@help.example\r\n",
            b"EXPN staff\r\n",
            b"AUTH PLAIN AGEAYg==\r\n",
            b"AUTH LOGIN\r\n",
            b"TURN\r\n",
            b"ETRN help.example\r\n",
            b"BDAT 10\r\n",
            b"HELP\r\n",
            b"QUIT\r\n",
        )
        assert b"235" not in said
        assert b"AUTH" not in said.partition(b"250 ")[0]
        assert b"Alice" not in said
        assert b"aiosmtpd" not in said.lower()


async def test_a_silent_crowd_leaves_room_for_a_mail_once_it_is_hung_up_on(backend: Backend) -> None:
    async with door(backend, peers=Peers(connections=5), limits=Limits(idle=120)) as (intake, workshop):
        crowd = [await asyncio.open_connection("127.0.0.1", intake.port) for _ in range(12)]
        for reader, _ in crowd:
            await reader.readline()  # each is greeted, or told that there are too many
        leap(120)
        async with asyncio.timeout(60):
            for reader, _ in crowd:
                await reader.read()
        said = await speak(intake, HELLO, MAIL, b"QUIT\r\n", waits=True)
        assert b"250 2.0.0 OK" in said
        assert len(await all_of(workshop, IntakeEvent)) == 1
        for _, writer in crowd:
            writer.close()


async def test_somebody_who_drips_commands_does_not_hold_a_place_for_ever(backend: Backend) -> None:
    """Slow loris: each drop starts the clock of idleness anew, so the dialogue as a whole has an end too."""
    async with door(backend, peers=Peers(connections=1), limits=Limits(idle=0.4, mail=1)) as (intake, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        try:
            async with asyncio.timeout(60):
                await reader.readline()
                while not reader.at_eof():
                    writer.write(b"NOOP\r\n")
                    await writer.drain()
                    await reader.readline()
                    await asyncio.sleep(0.1)
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.mark.parametrize(
    "flood",
    [
        b"A" * 3_000_000,
        b"NOOP\r\n" * 50_000,
        b"MAIL FROM:<" + b"a" * 500_000 + b"@b>\r\n",
        b"\0" * 500_000,
        b"\r" * 500_000,
    ],
)
async def test_a_flood_of_nonsense_ends_and_the_door_stays_open(backend: Backend, flood: bytes) -> None:
    async with door(backend) as (intake, workshop):
        async with asyncio.timeout(60):
            await speak(intake, b"EHLO x\r\n", flood, b"\r\nQUIT\r\n")
        said = await speak(intake, HELLO, MAIL, b"QUIT\r\n", waits=True)
        assert b"250 2.0.0 OK" in said
        assert len(await all_of(workshop, IntakeEvent)) == 1
