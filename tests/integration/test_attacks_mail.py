"""Hostile mail all the way: stored, read, filed, told. None of it stops the desk or makes us a weapon."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from models.vocabulary import EventState, NotificationState
from tests.conftest import Backend
from tests.house import House, open_house

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True),
]

STRANGER = "mallory@else.example"
VICTIM = "victim@customer.example"
HEAD = b"From: %s\nTo: support@help.example\nSubject: help\n"
BODY = b"--B\nContent-Type: text/html; charset=gb2312\n\n" + b"<div>&amp;" * 200 + b"\xd6\xd0" * 300 + b"\n"


def mail(sender: str = STRANGER, *, headers: bytes = b"", body: bytes = b"help") -> bytes:
    return HEAD % sender.encode() + headers + b"\n" + body


def slow(number: int) -> bytes:
    """A mail that takes the parser as long as it may."""
    kind = b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n"
    return mail(f"m{number}@else.example", headers=kind, body=BODY * 950 + b"--B--\n")


async def busy(house: House, raw: bytes, sender: str = STRANGER) -> float:
    """Seconds of work until everything that a mail leads to has happened, however busy others are."""
    started = time.process_time()
    assert (await house.post_mail(raw, sender=sender)).status_code == 200
    await house.settle()
    return time.process_time() - started


async def test_a_customer_behind_slow_mails_is_answered_before_these_are_read(backend: Backend) -> None:
    async with open_house(backend) as house:
        for number in range(20):
            await house.post_mail(slow(number), sender=f"m{number}@else.example")
        await house.post_mail(mail("li.na@customer.example"), sender="li.na@customer.example")
        while not house.mails_to("li.na@customer.example"):
            await house.scheduler.round()
        await house.settle()
        answered = [mail.recipient for mail in house.relay.mails]
        behind = answered[answered.index("li.na@customer.example") + 1 :]
        assert any(name.endswith("@else.example") for name in behind), "the slow ones were all read first"
        assert {event.state for event in await house.events()} <= {EventState.DONE, EventState.POISON}


async def test_what_a_mail_says_makes_nothing_take_long(backend: Backend) -> None:
    own = b",".join(b"support+a%d@help.example" % number for number in range(900))
    references = b"References: " + b" ".join(b"<%d@x.example>" % number for number in range(6000)) + b"\n"
    hostile = (
        mail(body=b"call 13800005678 or x@y.example\n" * 60_000),
        mail(body=b"1 " * 1_000_000),
        mail(body="路1号".encode() * 250_000),
        mail(headers=b"".join(b"Cc: " + own + b"\n" for _ in range(18))),
        mail(headers=references),
        mail(headers=b"Subject: " + b"a b" * 30_000 + b"\n"),
    )
    async with open_house(backend) as house:
        for raw in hostile:
            assert await busy(house, raw) < 15
        assert {event.state for event in await house.events()} == {EventState.DONE}
        states = {row.state for row in await house.notifications()}
        assert NotificationState.FAILED not in states


async def test_names_subjects_and_ids_of_strangers_begin_no_header_of_ours(backend: Backend) -> None:
    names = (
        b"=?utf-8?q?x=0D=0ABcc:_victim=40customer.example?=",
        b"=?utf-8?b?eA0KQmNjOiB2aWN0aW1AY3VzdG9tZXIuZXhhbXBsZQ==?=",
        b'"a\\"b <victim@customer.example>,"',
        b"=?utf-8?q?a=00b=E2=80=A8Bcc:_v?=",
    )
    async with open_house(backend) as house:
        for number, name in enumerate(names):
            sender = b"m%d@else.example" % number
            raw = b"From: " + name + b" <" + sender + b">\nTo: support@help.example\n"
            raw += b"Subject: " + name + b"\nMessage-ID: <a\xffb" + b"%d" % number + b' "c@d>\n'
            raw += b"References: <" + b"x" * 1500 + b"@y> <\rBcc: victim@customer.example>\n\nhelp"
            await busy(house, raw, sender.decode())
        assert house.relay.mails
        for caught in house.relay.mails:
            assert caught.recipient != VICTIM
            assert caught.message["Bcc"] is None
            assert len(caught.message.get_all("To") or []) == 1


async def test_a_victim_named_by_a_stranger_is_not_flooded(backend: Backend) -> None:
    """Reflection: From, Reply-To and envelope name somebody who never wrote to us."""
    async with open_house(backend) as house:
        for number in range(30):
            reply_to = b"Reply-To: " + VICTIM.encode() + b"\nMessage-ID: <r%d@else.example>\n" % number
            forged = number % 2
            sender = VICTIM if forged else f"m{number}@else.example"
            raw = mail(sender, headers=reply_to, body=b"buy now %d" % number)
            raw = raw.replace(
                b"Subject: help", b"Subject: help %d" % number
            )  # equal ones would join a ticket
            await house.post_mail(raw, sender=sender)
        await house.settle()
        assert len(house.mails_to(VICTIM)) <= 10
        receipts = await house.notifications("receipt")
        assert len(receipts) == 30
        silent = [row for row in receipts if row.state is NotificationState.SUPPRESSED]
        assert all(row.reason for row in silent)
        assert len(silent) >= 20


async def test_two_desks_that_write_to_each_other_fall_silent(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail("desk@other.example", "we have a question")
        receipt = await house.mail_of("receipt", to="desk@other.example")
        for number in range(5):  # what another closeloop would send back for our receipt, and for its echo
            await house.mail(
                "desk@other.example",
                "We received your request.",
                subject=f"[CS2026030{number}0001] We have received your request",
                headers={
                    "Auto-Submitted": "auto-generated",
                    "X-Closeloop": "0" * 32,
                    "In-Reply-To": receipt.message_id,
                },
            )
        assert len(house.mails_to("desk@other.example")) == 1


def report(message_id: str, sender: str, action: str = "failed", status: str = "5.1.1") -> bytes:
    return (
        f"From: {sender}\nTo: support@help.example\nSubject: Undelivered Mail Returned to Sender\n"
        "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=Q\n\n"
        "--Q\nContent-Type: text/plain\n\nIt did not arrive.\n"
        "--Q\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.else.example\n\n"
        f"Final-Recipient: rfc822; {VICTIM}\nAction: {action}\nStatus: {status}\n\n"
        f"--Q\nContent-Type: message/rfc822-headers\n\nMessage-ID: {message_id}\n\n--Q--\n"
    ).encode()


async def answered(house: House) -> str:
    """A ticket whose agent has answered in time; gives the answer's Message-ID, which its reader sees."""
    await house.mail(VICTIM, "I cannot pay")
    number = (await house.ticket()).number
    handler = (await house.api("GET", f"/tickets/{number}"))["handler"]
    await house.api("POST", f"/tickets/{number}/answer", {"text": "Try again, please."}, by=handler)
    await house.pass_time(timedelta(minutes=5))
    assert (await house.ticket()).first_response_at is not None
    return (await house.mail_of("reply_to_customer", to=VICTIM)).message_id


async def test_a_person_cannot_undo_an_answer_by_writing_a_report_of_its_failure(backend: Backend) -> None:
    """A report comes from nobody or from a mail system (RFC 3464 §2); a person's address is neither."""
    async with open_house(backend) as house:
        message_id = await answered(house)
        await house.post_mail(report(message_id, VICTIM), sender=VICTIM)
        await house.settle()
        assert (await house.ticket()).first_response_at is not None
        assert "first_response_undone" not in await house.log_kinds()


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "delayed"])
async def test_a_report_of_success_undoes_nothing(backend: Backend, action: str) -> None:
    async with open_house(backend) as house:
        message_id = await answered(house)
        await house.post_mail(report(message_id, "mailer-daemon@else.example", action, "2.0.0"), sender="<>")
        await house.settle()
        assert (await house.ticket()).first_response_at is not None


async def test_a_guessed_message_id_settles_nothing(backend: Backend) -> None:
    async with open_house(backend) as house:
        message_id = await answered(house)
        last = "0" if message_id[32] != "0" else "1"
        guessed = message_id[:32] + last + message_id[33:]
        await house.post_mail(report(guessed, "mailer-daemon@else.example"), sender="<>")
        await house.settle()
        assert (await house.ticket()).first_response_at is not None
