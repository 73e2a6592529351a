"""Mail that comes back: a bounce finds its notification by its signed return path or its id, and only so."""

from __future__ import annotations

from email.utils import parseaddr
from uuid import uuid4

import pytest

from models.vocabulary import NotificationState
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import House, open_house
from workers.delivery.identity import is_return_path, return_path, returned_notification
from workers.smtpd import SmtpIntake

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"


async def _receipt(house: House) -> CaughtMail:
    await house.mail(LILEI, "Please help with my order.", subject="Order", name="Li Lei")
    return await house.mail_of("receipt")


async def _state(house: House, kind: str = "receipt") -> NotificationState:
    (row,) = await house.notifications(kind)
    return row.state


def _words(to: str, text: str, *, sender: str = "MAILER-DAEMON@mx.163.example") -> bytes:
    """A report in plain words, without a copy of the mail and without its Message-ID."""
    head = f"Return-Path: <>\r\nFrom: {sender}\r\nTo: {to}\r\nSubject: failure notice"
    return f"{head}\r\n\r\n{text}\r\n".encode()


async def test_a_bounce_without_the_message_id_finds_its_notification(backend: Backend) -> None:
    async with open_house(backend) as house:
        receipt = await _receipt(house)
        local, _, domain = receipt.sender.partition("@")
        assert domain == "help.example"
        assert local.startswith("support+")
        assert len(local) <= 64
        assert local == local.lower()
        words = f"This is the qmail-send program. <{LILEI}>: 550 5.1.1 unknown user"
        await house.post_mail(_words(receipt.sender, words), sender="", to=receipt.sender.upper())
        await house.settle()
        assert await _state(house) is NotificationState.BOUNCED


async def test_a_forged_bounce_settles_nothing(backend: Backend) -> None:
    async with open_house(backend) as house:
        receipt = await _receipt(house)
        token = receipt.sender.partition("+")[2].partition("@")[0]
        other = "a" if token[-5] != "a" else "b"
        forged = f"support+{token[:-5]}{other}{token[-4:]}@help.example"
        words = f"<{LILEI}>: 550 5.1.1 unknown user\r\n\r\nMessage-ID: <{uuid4().hex}@help.example>"
        for to in (forged, "bounce@help.example", "support@help.example"):
            await house.post_mail(_words(to, words), sender="", to=to)
            await house.settle()
        assert await _state(house) is NotificationState.SENT
        assert len(await house.notifications("receipt")) == 1, "and it opens no ticket either"


async def test_an_unheard_of_report_is_believed_at_the_return_path_from_nobody_only(backend: Backend) -> None:
    async with open_house(backend) as house:
        receipt = await _receipt(house)
        report = _words(receipt.sender, "Levelet nem sikerült kézbesíteni: 5.2.1", sender="posta@mx.example")
        raw = report.replace(b"failure notice", "Kézbesítési hiba".encode())
        await house.post_mail(raw.replace(b"5.2.1", b"never mind"), sender="", to=receipt.sender)
        await house.settle()
        assert await _state(house) is NotificationState.SENT
        await house.post_mail(raw, sender="", to=receipt.sender)
        await house.settle()
        assert await _state(house) is NotificationState.BOUNCED


async def test_an_answering_machine_at_the_return_path_is_no_bounce(backend: Backend) -> None:
    async with open_house(backend) as house:
        receipt = await _receipt(house)
        away = (
            f"From: {LILEI}\r\nTo: {receipt.sender}\r\nSubject: 自动回复\r\nAuto-Submitted: auto-replied\r\n"
            f"In-Reply-To: {receipt.message_id}\r\n\r\nBack on 5.1.1\r\n"
        )
        await house.post_mail(away.encode(), sender="", to=receipt.sender)
        await house.settle()
        assert await _state(house) is NotificationState.SENT
        assert len(await house.notifications("receipt")) == 1


async def test_the_door_takes_return_paths_of_our_own_form_only(backend: Backend) -> None:
    async with open_house(backend) as house:
        receipt = await _receipt(house)
        settings, vault = house.installation.settings, house.workshop.vault
        (row,) = await house.notifications("receipt")
        assert receipt.sender == return_path(vault, settings, row.id)
        assert returned_notification(vault, settings, [f"x <{receipt.sender}>"]) == row.id
        door = SmtpIntake(house.workshop, settings, "127.0.0.1", 0)
        envelope = type("Envelope", (), {"rcpt_tos": []})()
        stranger = type("Connection", (), {"stranger": lambda self: None})()
        for address, code in (
            (receipt.sender, "250"),
            (receipt.sender.upper(), "250"),
            ("bounce@help.example", "550"),
            ("bounce+abc@help.example", "550"),
            (receipt.sender.replace("help.example", "elsewhere.example"), "550"),
            (receipt.sender + ".evil.example", "550"),
        ):
            said = await door.handle_RCPT(stranger, None, envelope, address, [])  # type: ignore[arg-type]  # stand-ins
            assert said[:3] == code
        assert is_return_path(f"<{receipt.sender}>", settings)


async def test_each_mail_says_rightly_who_wrote_it(backend: Backend) -> None:
    async with open_house(backend) as house:
        receipt = await _receipt(house)
        assignment = await house.mail_of("assignment")
        await house.mail(assignment.recipient, "Hello, your parcel is on its way.", answers=assignment)
        await house.pass_time(house.installation.policy.reply_hold)
        answer = await house.mail_of("reply_to_customer")
        said = [mail.message["Auto-Submitted"] for mail in (receipt, assignment, answer)]
        assert said == ["auto-replied", "auto-generated", None]
        assert "X-Auto-Response-Suppress" not in answer.message
        assert receipt.message["In-Reply-To"]
        assert receipt.sender != assignment.sender != answer.sender
        assert parseaddr(str(receipt.message["From"]))[1] == "support@help.example"


async def test_one_click_in_the_mail_program_ends_surveys(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _receipt(house)
        number = (await house.ticket()).number
        result = {"cause": "lost in the post", "solution": "sent again", "precautions": "none"}
        handler = (await house.mail_of("assignment")).recipient
        await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)
        await house.api("POST", f"/tickets/{number}/confirm", {"solved": True}, by=handler)
        await house.pass_time(house.installation.policy.survey.delay)
        invitation = await house.mail_of("csat_invitation")
        assert invitation.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        url = str(invitation.message["List-Unsubscribe"]).strip("<>")
        assert url.startswith("https://help.example/u/")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await house.web.post(url, content=b"List-Unsubscribe=One-Click", headers=form)
        assert answer.status_code == 200, "no cookie, no login, no redirect (RFC 8058 §3.2)"
        for mail in house.relay.mails:
            assert ("List-Unsubscribe" in mail.message) == (mail is invitation)
        await house.pass_time(
            house.installation.policy.survey.reminder_at(house.clock.now()) - house.clock.now()
        )
        chased = {row.message_id for row in await house.notifications("csat_reminder")}
        assert not [mail for mail in house.mails_to(LILEI) if mail.message_id in chased]
