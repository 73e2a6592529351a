"""The SMTP door: whose mail it takes, when it says 250, and what it withstands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiosmtplib
import pytest
from sqlalchemy import text

from models.intake import IntakeEvent
from tests.conftest import Backend
from tests.factories import all_of, make_workshop
from tests.fakes import ManualClock
from workers.intake.store import Event, load, store
from workers.smtpd import SmtpIntake
from workers.smtpd.connection import Limits
from workers.smtpd.peers import Peers
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio

SUPPORT = "support@help.example"
SENDER = "li.na@customer.example"
MAIL = b"From: li.na@customer.example\r\nSubject: help\r\n\r\n..dots\r\nbye\r\n"


@asynccontextmanager
async def door(
    backend: Backend, settings: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[SmtpIntake, Workshop]]:
    async with make_workshop(backend, ManualClock(), **(settings or {})) as workshop:
        intake = SmtpIntake(workshop, workshop.settings, "127.0.0.1", 0, **options)
        await intake.start()
        try:
            yield intake, workshop
        finally:
            await intake.stop(grace=1)


class CountedPeers(Peers):
    """Tells when everybody has gone: a server hears of it a moment after its client."""

    inside = 0

    def __init__(self, connections: int) -> None:
        super().__init__(connections=connections)
        self._left = asyncio.Event()

    def admit(self, peer: str) -> bool:
        admitted = super().admit(peer)
        self.inside += admitted
        return admitted

    def leave(self, peer: str) -> None:
        super().leave(peer)
        self.inside -= 1
        self._left.set()

    async def all_gone(self) -> None:
        async with asyncio.timeout(30):
            while self.inside:
                self._left.clear()
                await self._left.wait()


def client(intake: SmtpIntake) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(hostname="127.0.0.1", port=intake.port, start_tls=False, timeout=60)


async def say(intake: SmtpIntake, *lines: bytes) -> list[bytes]:
    """The server's last answer to each line (the greeting first), spoken by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
    answers = [await reader.readline()]
    try:
        for line in lines:
            writer.write(line + b"\r\n")
            answer = await reader.readline()
            while answer[3:4] == b"-":
                answer = await reader.readline()
            answers.append(answer)
    finally:
        writer.close()
    return answers


async def test_a_mail_is_stored_as_it_came_for_each_recipient_before_the_250(backend: Backend) -> None:
    async with door(backend) as (intake, workshop):
        async with client(intake) as smtp:
            to = [SUPPORT, "Support+abc234@HELP.example", SUPPORT]
            _, words = await smtp.sendmail(SENDER, to, MAIL)
            assert words.startswith("2.0.0 OK")
        rows = await all_of(workshop, IntakeEvent)
        async with workshop.read() as uow:
            events = [await load(uow, row) for row in rows]
    assert {(event.source, event.kind, event.raw) for event in events} == {("smtp", "mail", MAIL)}
    assert sorted(event.envelope["to"] for event in events) == ["Support+abc234@HELP.example", SUPPORT]
    assert {event.envelope["from"] for event in events} == {SENDER}


async def test_the_same_mail_again_is_taken_and_stored_once(backend: Backend) -> None:
    async with door(backend) as (intake, workshop):
        for _ in range(3):
            async with client(intake) as smtp:
                await smtp.sendmail(SENDER, [SUPPORT], MAIL)
        assert len(await all_of(workshop, IntakeEvent)) == 1


async def test_nothing_is_relayed(backend: Backend) -> None:
    async with door(backend) as (intake, workshop):
        async with client(intake) as smtp:
            for stranger in ("boss@elsewhere.example", "sales@help.example", "support@elsewhere.example"):
                with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
                    await smtp.sendmail(SENDER, [stranger], MAIL)
                assert refused.value.recipients[0].code == 550
        relay = await say(
            intake, b"EHLO x", b"MAIL FROM:<a@b.example>", b"RCPT TO:<@help.example:boss@elsewhere.example>"
        )
        assert relay[-1].startswith(b"55")
        percent = await say(
            intake,
            b"EHLO x",
            b"MAIL FROM:<a@b.example>",
            b'RCPT TO:<"support@help.example"@elsewhere.example>',
        )
        assert percent[-1].startswith(b"550")
        assert await all_of(workshop, IntakeEvent) == []


async def test_a_bounce_comes_from_the_null_sender(backend: Backend) -> None:
    async with door(backend) as (intake, workshop):
        async with client(intake) as smtp:
            await smtp.sendmail("", [SUPPORT], MAIL)
        (row,) = await all_of(workshop, IntakeEvent)
        async with workshop.read() as uow:
            assert (await load(uow, row)).envelope["from"] == ""


async def test_reply_addresses_may_have_a_domain_of_their_own(backend: Backend) -> None:
    settings = {"mail_domain": "reply.help.example"}
    async with door(backend, settings) as (intake, workshop):
        async with client(intake) as smtp:
            await smtp.sendmail(SENDER, ["support+tok@reply.help.example", SUPPORT], MAIL)
        assert len(await all_of(workshop, IntakeEvent)) == 2


async def test_long_lines_and_raw_eight_bit_text_of_real_mail_are_taken(backend: Backend) -> None:
    raw = "Subject: 付款\r\n\r\n".encode("gb18030") + b"<p>" + "页".encode("gb18030") * 400_000 + b"\r\n"
    async with door(backend) as (intake, workshop):
        async with client(intake) as smtp:
            await smtp.sendmail(SENDER, [SUPPORT], raw)
        (row,) = await all_of(workshop, IntakeEvent)
        async with workshop.read() as uow:
            assert (await load(uow, row)).raw == raw


async def test_addresses_in_unicode_are_taken(backend: Backend) -> None:
    async with door(backend, {"mail_from": "客服@help.example"}) as (intake, workshop):
        talk = (
            b"EHLO x",
            "MAIL FROM:<李娜@customer.example> SMTPUTF8".encode(),
            "RCPT TO:<客服+abc@help.example>".encode(),
            b"DATA",
            b"Subject: x\r\n\r\nhello\r\n.",
        )
        assert (await say(intake, *talk))[-1].startswith(b"250")
        (row,) = await all_of(workshop, IntakeEvent)
        async with workshop.read() as uow:
            event = await load(uow, row)
        assert (event.envelope["from"], event.envelope["to"]) == (
            "李娜@customer.example",
            "客服+abc@help.example",
        )


async def test_too_large_a_mail_is_refused_announced_or_not(backend: Backend) -> None:
    async with door(backend, limits=Limits(size=20_000)) as (intake, workshop):
        announced = await say(intake, b"EHLO x", b"MAIL FROM:<a@b.example> SIZE=20001")
        assert announced[-1].startswith(b"552")
        start = (b"EHLO x", b"MAIL FROM:<a@b.example>", f"RCPT TO:<{SUPPORT}>".encode(), b"DATA")
        body = b"\r\n".join([b"x" * 900] * 30) + b"\r\n."
        assert (await say(intake, *start, body))[-1].startswith(b"552")
        assert await all_of(workshop, IntakeEvent) == []


async def test_a_line_that_never_ends_is_cut_off_before_it_fills_the_memory(backend: Backend) -> None:
    async with door(backend, limits=Limits(size=20_000)) as (intake, workshop):
        start = (b"EHLO x", b"MAIL FROM:<a@b.example>", f"RCPT TO:<{SUPPORT}>".encode(), b"DATA")
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        await reader.readline()
        for line in start:
            writer.write(line + b"\r\n")
            while (await reader.readline())[3:4] == b"-":
                pass
        sent = 0
        with suppress(ConnectionError):  # it is cut off, which is looked at below
            while sent < 50_000_000:
                writer.write(b"x" * 100_000)
                sent += 100_000
                await writer.drain()
                await asyncio.sleep(0)
        assert sent < 20_000_000
        writer.close()
        assert await all_of(workshop, IntakeEvent) == []


async def test_our_own_trouble_asks_the_sender_to_keep_the_mail(backend: Backend) -> None:
    async with door(backend) as (intake, workshop):
        async with workshop.begin() as uow:
            await uow.session.execute(text("ALTER TABLE intake_bodies RENAME TO away"))
        async with client(intake) as smtp:
            with pytest.raises(aiosmtplib.SMTPDataError) as refused:
                await smtp.sendmail(SENDER, [SUPPORT], MAIL)
            assert (refused.value.code, "intake_bodies" in refused.value.message) == (451, False)
            async with workshop.begin() as uow:
                await uow.session.execute(text("ALTER TABLE away RENAME TO intake_bodies"))
            await smtp.sendmail(SENDER, [SUPPORT], MAIL)
        assert len(await all_of(workshop, IntakeEvent)) == 1


async def test_too_many_recipients_and_too_many_connections_are_put_off(backend: Backend) -> None:
    peers = CountedPeers(connections=2)
    async with door(backend, peers=peers) as (intake, _):
        rcpt = [f"RCPT TO:<support+{n}@help.example>".encode() for n in range(51)]
        answers = await say(intake, b"EHLO x", b"MAIL FROM:<a@b.example>", *rcpt)
        assert (answers[-2][:3], answers[-1][:3]) == (b"250", b"452")
        await peers.all_gone()
        async with client(intake), client(intake):
            reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
            assert (await reader.readline()).startswith(b"421")
            assert await reader.read() == b""
            writer.close()
        await peers.all_gone()
        assert (await say(intake, b"EHLO x"))[-1].startswith(b"250")


async def test_somebody_who_says_nothing_is_hung_up_on(backend: Backend) -> None:
    async with door(backend, limits=Limits(idle=0.2)) as (intake, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        async with asyncio.timeout(60):
            assert (await reader.read()).startswith(b"220 help.example")
        writer.close()


async def test_stopping_lets_a_mail_that_is_under_way_end(backend: Backend) -> None:
    async with door(backend) as (intake, workshop):
        idle_reader, idle = await asyncio.open_connection("127.0.0.1", intake.port)
        await idle_reader.readline()
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        await reader.readline()
        for line in (b"HELO x", b"MAIL FROM:<a@b.example>", f"RCPT TO:<{SUPPORT}>".encode(), b"DATA"):
            writer.write(line + b"\r\n")
            await reader.readline()
        stopping = asyncio.create_task(intake.stop(grace=60))
        assert (await idle_reader.read()).startswith(b"421")
        writer.write(b"Subject: late\r\n\r\nstill counts\r\n.\r\n")
        assert (await reader.readline()).startswith(b"250")
        await stopping
        idle.close()
        writer.close()
        assert len(await all_of(workshop, IntakeEvent)) == 1
        with pytest.raises(RuntimeError):
            _ = intake.port


async def test_a_mail_that_is_being_stored_is_stored_although_its_sender_hangs_up(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def slow(uow: UnitOfWork, event: Event) -> bool:
        begun.set()
        await asyncio.sleep(0.2)
        return await store(uow, event)

    monkeypatch.setattr("workers.smtpd.door.store", slow)
    async with door(backend) as (intake, workshop):
        reader, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        await reader.readline()
        for line in (b"HELO x", b"MAIL FROM:<a@b.example>", f"RCPT TO:<{SUPPORT}>".encode(), b"DATA"):
            writer.write(line + b"\r\n")
            await reader.readline()
        writer.write(b"Subject: gone\r\n\r\nhello\r\n.\r\n")
        await begun.wait()
        writer.transport.abort()
        await intake.stop()
        assert len(await all_of(workshop, IntakeEvent)) == 1
