"""The SMTP door on the open internet: encrypted if wanted, and no machine may ask for too much."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path

import aiosmtplib
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from models.intake import IntakeEvent
from tests.conftest import Backend
from tests.factories import all_of
from tests.integration.test_smtpd import MAIL, SENDER, SUPPORT, client, door, say
from workers.errors import SettingsError
from workers.intake.store import Event, load
from workers.smtpd.certificate import LOOK_SECONDS, Certificate
from workers.smtpd.peers import MOST_PEERS, Peers, peer_key
from workers.unit_of_work import Workshop

AUTHORITY = trustme.CA()
HERE = "127.0.0.1"


def issue(folder: Path, *names: str) -> dict[str, Path]:
    """A certificate for `names` as the settings want it."""
    made = AUTHORITY.issue_cert(*names)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
    made.private_key_pem.write_to_path(key)
    return {"smtp_intake_cert": chain, "smtp_intake_key": key}


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def held(workshop: Workshop) -> list[Event]:
    """All that was stored."""
    rows = await all_of(workshop, IntakeEvent)
    async with workshop.begin() as uow:
        return [await load(uow, row) for row in rows]


@pytest.mark.anyio
async def test_a_sender_that_wants_to_goes_on_encrypted(backend: Backend, tmp_path: Path) -> None:
    async with door(backend, issue(tmp_path, HERE)) as (intake, workshop):
        sender = aiosmtplib.SMTP(hostname=HERE, port=intake.port, start_tls=True, tls_context=trusting())
        async with sender:
            await sender.ehlo()
            assert sender.supports_extension("size")
            assert not sender.supports_extension("starttls"), "offered once"
            assert not sender.supports_extension("auth")
            for number in range(2):
                await sender.sendmail(SENDER, [SUPPORT], MAIL + b"%d\r\n" % number)
        stored = await held(workshop)
        assert len(stored) == 2
        assert all(event.envelope["tls"] for event in stored)
        assert {event.envelope["from"] for event in stored} == {SENDER}


@pytest.mark.anyio
async def test_a_sender_that_cannot_is_taken_in_clear_all_the_same(backend: Backend, tmp_path: Path) -> None:
    async with door(backend, issue(tmp_path, HERE)) as (intake, workshop):
        async with client(intake) as sender:
            await sender.ehlo()
            assert sender.supports_extension("starttls")
            await sender.sendmail(SENDER, [SUPPORT], MAIL)
        (event,) = await held(workshop)
        assert event.envelope["tls"] is False


@pytest.mark.anyio
async def test_without_a_certificate_encryption_is_not_offered(backend: Backend) -> None:
    async with door(backend) as (intake, _):
        async with client(intake) as sender:
            await sender.ehlo()
            assert not sender.supports_extension("starttls")
        assert (await say(intake, b"EHLO x", b"STARTTLS"))[-1].startswith(b"454")


@pytest.mark.anyio
async def test_what_was_said_ahead_in_clear_is_thrown_away(backend: Backend, tmp_path: Path) -> None:
    """Whoever sits between could put commands before the handshake, to be obeyed as the sender's own."""
    async with door(backend, issue(tmp_path, HERE)) as (intake, workshop):
        reader, writer = await asyncio.open_connection(HERE, intake.port)
        await reader.readline()
        writer.write(b"EHLO x\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        writer.write(b"STARTTLS\r\nMAIL FROM:<mallory@bad.example>\r\nRCPT TO:<support@help.example>\r\n")
        assert (await reader.readline()).startswith(b"220")
        await writer.start_tls(trusting(), server_hostname=HERE)
        writer.write(b"EHLO x\r\n")
        while (line := await reader.readline())[3:4] == b"-":
            assert line.startswith(b"250-"), line
        writer.write(b"DATA\r\n")
        assert (await reader.readline()).startswith(b"503"), "nobody has named a recipient"
        writer.close()
        await writer.wait_closed()
        assert not await held(workshop)


@pytest.mark.anyio
async def test_a_handshake_that_fails_ends_the_connection_only(backend: Backend, tmp_path: Path) -> None:
    async with door(backend, issue(tmp_path, HERE)) as (intake, _):
        reader, writer = await asyncio.open_connection(HERE, intake.port)
        await reader.readline()
        writer.write(b"STARTTLS\r\n")
        assert (await reader.readline()).startswith(b"220")
        writer.write(b"this is no handshake\r\n" * 20)
        async with asyncio.timeout(30):
            while await reader.read(4096):
                pass
        writer.close()
        async with client(intake) as sender:
            await sender.sendmail(SENDER, [SUPPORT], MAIL)


@pytest.mark.anyio
async def test_who_tries_out_names_is_hung_up_on(backend: Backend) -> None:
    async with door(backend) as (intake, _):
        reader, writer = await asyncio.open_connection(HERE, intake.port)
        writer.write(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n")
        writer.writelines(b"RCPT TO:<name%d@help.example>\r\n" % number for number in range(40))
        async with asyncio.timeout(30):
            answers = (await reader.read(-1)).splitlines()
        writer.close()
        assert sum(line.startswith(b"550 5.1.1") for line in answers) <= 11
        assert any(line.startswith(b"421 4.7.0") for line in answers)


@pytest.mark.anyio
async def test_one_machine_leaves_room_for_the_others(backend: Backend) -> None:
    async with door(backend, peers=Peers(connections=10, per_peer=2, per_minute=3)) as (intake, workshop):
        async with client(intake), client(intake):
            assert (await say(intake))[0].startswith(b"421")
        async with client(intake) as sender:
            for number in range(3):
                await sender.sendmail(SENDER, [SUPPORT], MAIL + b"%d\r\n" % number)
            with pytest.raises(aiosmtplib.SMTPSenderRefused) as refused:
                await sender.sendmail(SENDER, [SUPPORT], MAIL)
            assert refused.value.code == 450, "put off, not refused"
        assert len(await held(workshop)) == 3


@pytest.mark.anyio
async def test_a_renewed_certificate_is_shown_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, key = issue(tmp_path, "old.example").values()
    certificate = Certificate(chain, key)
    assert await _shown(certificate) == "old.example"
    monkeypatch.setattr("workers.smtpd.certificate.LOOK_SECONDS", 0.0)
    issue(tmp_path, "new.example")
    os.utime(chain, ns=(1, 1))
    assert await _shown(certificate) == "new.example"
    chain.write_text("half a fi")
    assert await _shown(certificate) == "new.example"


async def _shown(certificate: Certificate) -> str:
    """Whose name a client sees."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), HERE, 0, ssl=certificate.context())
    context = trusting()
    context.check_hostname = False
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(HERE, port, ssl=context)
        shown = writer.get_extra_info("peercert")["subjectAltName"][0][1]
        await reader.read()
        writer.close()
        await writer.wait_closed()
        return str(shown)


def test_a_certificate_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="certificate"):
        Certificate(tmp_path / "none.pem", tmp_path / "none.key")
    assert LOOK_SECONDS >= 1


def test_machines_are_counted_as_one_customer_is_given_addresses() -> None:
    assert peer_key("192.0.2.7") == peer_key("::ffff:192.0.2.7") == "192.0.2.7"
    assert peer_key("2001:db8:1:2::1") == peer_key("2001:db8:1:2:ffff::9") != peer_key("2001:db8:1:3::1")
    assert peer_key("fe80::1%eth0") == "fe80::/64"


@given(st.lists(st.floats(0, 30), max_size=60))
def test_no_machine_gets_more_mails_through_than_its_bucket_holds_and_gains(gaps: list[float]) -> None:
    peers, now, passed = Peers(per_minute=6), 0.0, 0
    for gap in gaps:
        now += gap
        passed += peers.may_mail("192.0.2.7", now)
    assert passed <= 6 + now / 10 + 1e-6


def test_a_crowd_of_machines_does_not_fill_the_memory() -> None:
    peers = Peers()
    for number in range(MOST_PEERS + 50):
        peers.may_mail(f"host{number}", 0.0)
    assert len(peers._buckets) <= MOST_PEERS
