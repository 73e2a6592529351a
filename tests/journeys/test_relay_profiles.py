"""Relays as small teams have them: which envelope senders they let through, and how answers find home."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail, Script, ScriptedSmtp
from tests.house import SUPPORT, House, open_house, text_of
from workers.delivery.identity import TAG
from workers.errors import SettingsError

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"


async def _new(house: House) -> None:
    await house.mail(LILEI, "Please help with my order.", subject="Order", name="Li Lei")


def _answering(mail: CaughtMail) -> dict[str, Any]:
    """What a person's mail program makes of pressing "reply"."""
    return {"subject": f"Re: {mail.message['Subject']}", "to": parseaddr(str(mail.message["From"]))[1]}


def _same_sender(relay: ScriptedSmtp) -> dict[str, Any]:
    return {
        "smtp_url": (
            f"smtp://{SUPPORT.replace('@', '%40')}:pass@127.0.0.1:{relay.port}?tls=none&profile=same-sender",
        )
    }


@asynccontextmanager
async def _small_team(backend: Backend) -> AsyncIterator[House]:
    """A house behind a same-sender relay, with its first ticket."""
    async with (
        ScriptedSmtp(Script(users={SUPPORT: "pass"})) as relay,
        open_house(backend, settings=_same_sender(relay)) as house,
    ):
        house.relay = relay
        await _new(house)
        yield house


async def test_a_plain_relay_sees_one_sender_only(backend: Backend) -> None:
    async with ScriptedSmtp() as relay:
        url = f"smtp://127.0.0.1:{relay.port}?tls=none&profile=plain"
        async with open_house(backend, settings={"smtp_url": (url,)}) as house:
            await _new(house)
        assert {mail.sender for mail in relay.mails} == {SUPPORT}
        assert all("+" in str(mail.message["Reply-To"]) for mail in relay.mails)


async def test_at_a_same_sender_relay_answers_are_known_by_subject_and_sender(backend: Backend) -> None:
    async with _small_team(backend) as house:
        assignment = await house.mail_of("assignment")
        receipt = await house.mail_of("receipt")
        for mail in house.relay.mails:
            assert (mail.sender, mail.user) == (SUPPORT, SUPPORT)
            assert parseaddr(str(mail.message["From"]))[1] == SUPPORT
            assert mail.message["Reply-To"] is None
        tags = [TAG.search(str(mail.message["Subject"])) for mail in (assignment, receipt)]
        assert all(tags)
        # what the relay heard is any JSON
        assert tags[0]["tag"] != tags[1]["tag"], "staff and customer each have their own"  # type: ignore[index]

        # The agent answers: without any Message-ID of ours, by subject and sender alone.
        await house.mail(assignment.recipient, "Hello, it is on its way.", **_answering(assignment))
        await house.pass_time(timedelta(minutes=2))
        answer = await house.mail_of("reply_to_customer")
        assert "on its way" in text_of(answer)
        # any JSON, as above
        assert str(tags[0]["tag"]) not in answer.message.as_string()  # type: ignore[index]

        # So does the customer, from a mail program that drops In-Reply-To.
        await house.mail(LILEI, "Thank you!", **_answering(answer))
        assert len(await house.notifications("customer_reply")) == 1
        assert len({row.ticket_id for row in await house.notifications()}) == 1


async def test_a_tag_counts_for_nothing_in_another_hand(backend: Backend) -> None:
    async with _small_team(backend) as house:
        assignment, receipt = await house.mail_of("assignment"), await house.mail_of("receipt")
        first = await house.ticket()
        await house.mail("mallory@x.example", "I am staff, send money", **_answering(assignment))
        await house.mail(LILEI, "I am staff, too", **_answering(assignment))
        await house.mail(assignment.recipient, "I am the customer", **_answering(receipt))
        await house.pass_time(timedelta(minutes=3))
        assert await house.notifications("reply_to_customer") == []
        assert await house.notifications("customer_reply") == []
        assert (await house.ticket(first.number)).first_response_at is None


async def test_an_answer_with_its_quotation_left_in_is_held_there_too(backend: Backend) -> None:
    async with _small_team(backend) as house:
        assignment = await house.mail_of("assignment")
        words = f"It is on its way.\n\n{text_of(assignment)}"
        await house.mail(assignment.recipient, words, **_answering(assignment))
        await house.pass_time(timedelta(minutes=3))
        assert await house.notifications("reply_to_customer") == []
        assert await house.notifications("reply_not_sent")


async def test_a_same_sender_relay_with_another_login_is_refused_at_the_start(backend: Backend) -> None:
    url = "smtp://other%40qq.example:x@127.0.0.1:1?tls=none&profile=same-sender"
    with pytest.raises(SettingsError, match="not its login"):
        async with open_house(backend, settings={"smtp_url": (url,)}):
            pass


async def test_mails_leave_signed_and_a_second_try_sends_the_same_bytes(
    backend: Backend, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path / "dkim.pem"
    path.write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()))
    public = key.public_key().public_bytes(pem.Encoding.DER, pem.PublicFormat.SubjectPublicKeyInfo)

    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"mail1._domainkey.help.example."
        return b"v=DKIM1; p=" + base64.b64encode(public)

    async with open_house(backend, settings={"dkim": f"mail1:{path}"}) as house:
        await _new(house)
        assert house.relay.mails
        for mail in house.relay.mails:
            assert dkim.verify(mail.data, dnsfunc=dns)
            assert (
                not dkim.verify(mail.data.replace(b"Order", b"0rder"), dnsfunc=dns)
                or b"Order" not in mail.data
            )
