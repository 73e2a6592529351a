"""Senders that keep connections, break off in the wrong moment, or say what cannot be stored."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from models.intake import IntakeEvent
from tests.conftest import Backend
from tests.factories import all_of
from tests.integration.test_smtpd import SENDER, SUPPORT, client, door, say
from tests.integration.test_smtpd_in_public import HERE, _shown, issue, trusting
from tests.leaping import leap
from workers.intake.store import load
from workers.smtpd import connection
from workers.smtpd.certificate import Certificate
from workers.smtpd.connection import Limits
from workers.smtpd.door import SmtpIntake
from workers.smtpd.peers import Peers

PATIENCE = 30.0


async def none_left(intake: SmtpIntake) -> None:
    """Wait until every connection has been counted out."""
    async with asyncio.timeout(PATIENCE):
        while intake._connections or intake._peers._open:  # noqa: ASYNC110 - tells of no event
            await asyncio.sleep(0.02)


@pytest.mark.anyio
async def test_a_name_that_is_no_text_does_not_keep_a_mail_out(backend: Backend) -> None:
    async with door(backend) as (intake, workshop):
        for number, hello in enumerate((b"EHLO \xff\xfe", b"HELO \xff" + b"x" * 400)):
            answers = await say(
                intake,
                hello,
                b"MAIL FROM:<li.na@customer.example>",
                b"RCPT TO:<support@help.example>",
                b"DATA",
                b"Subject: %d\r\n\r\nhelp\r\n." % number,
            )
            assert answers[-1].startswith(b"250"), answers
        rows = await all_of(workshop, IntakeEvent)
        async with workshop.read() as uow:
            names = {(await load(uow, row)).envelope["helo"] for row in rows}
    assert "\\xff\\xfe" in names
    assert max(map(len, names)) <= 255


@pytest.mark.anyio
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
@pytest.mark.parametrize("way", ["reset", "closed", "silent"])
async def test_who_breaks_off_in_a_handshake_is_counted_out(
    backend: Backend, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else twenty of them would shut out a machine, and fifty everybody, until the next start."""
    monkeypatch.setattr(connection, "PARTING_SECONDS", 0.2)
    peers = Peers(connections=1, per_peer=1)
    limits = Limits(idle=20)  # which ends before a handshake has to
    async with door(backend, issue(tmp_path, HERE), limits=limits, peers=peers) as (intake, _):
        raw = socket.create_connection((HERE, intake.port))
        raw.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=raw)
        await reader.readline()
        writer.write(b"STARTTLS\r\n")
        assert (await reader.readline()).startswith(b"220")
        if way == "reset":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif way == "silent":
            leap(limits.idle)
            async with asyncio.timeout(PATIENCE):
                await reader.read()
        writer.close()
        await none_left(intake)
        async with client(intake) as sender:
            await sender.sendmail(SENDER, [SUPPORT], b"Subject: x\r\n\r\nhelp\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_who_never_listens_does_not_keep_the_connection(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PARTING_SECONDS", 0.2)
    async with door(backend) as (intake, _):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(raw, (HERE, intake.port))
            async with asyncio.timeout(PATIENCE):
                while not intake._connections:  # noqa: ASYNC110 - tells of no event
                    await asyncio.sleep(0.02)
                (one,) = intake._connections
                while one.transport.get_write_buffer_size() == 0:  # type: ignore[union-attr]  # connected
                    with suppress(BlockingIOError):  # its buffer is full, which is what is wanted
                        raw.send(b"EHLO x\r\n" * 2000)
                    await asyncio.sleep(0.01)
            leap(Limits().idle)
            await none_left(intake)
        finally:
            raw.close()


@pytest.mark.anyio
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_an_encrypted_sender_that_is_silent_does_not_outlive_the_listener(
    backend: Backend, tmp_path: Path
) -> None:
    async with door(backend, issue(tmp_path, HERE)) as (intake, _):
        raw = await asyncio.to_thread(_encrypted, intake.port)
        await intake.stop(grace=0.2)
        await none_left(intake)
        raw.close()


def _encrypted(port: int) -> socket.socket:
    """A client in the midst of a mail that from now on neither reads nor answers."""
    raw = socket.create_connection((HERE, port), timeout=PATIENCE)
    raw.recv(1000)
    raw.sendall(b"STARTTLS\r\n")
    raw.recv(1000)
    secured = trusting().wrap_socket(raw, server_hostname=HERE)
    for line in (b"EHLO x\r\n", b"MAIL FROM:<a@b.example>\r\n"):
        secured.sendall(line)
        secured.recv(1000)
    return secured


@pytest.mark.anyio
async def test_a_renewal_that_is_half_done_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new chain is there, its key is not yet."""
    chain, key = issue(tmp_path, "old.example").values()
    certificate = Certificate(chain, key)
    monkeypatch.setattr("workers.smtpd.certificate.LOOK_SECONDS", 0.0)
    old = key.read_bytes()
    issue(tmp_path, "new.example")
    new = key.read_bytes()
    key.write_bytes(old)
    assert await _shown(certificate) == "old.example"
    key.write_bytes(new)
    assert await _shown(certificate) == "new.example"
