"""Mail on its edges: strangers, forgers, loops and copies; and receipts that come too early."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from models.base import new_id
from models.intake import IntakeEvent
from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import (
    EventState,
    NotificationState,
    TicketState,
)
from tests.callers import LILEI, handler_of, new_request, resolved
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import House, link_in, open_house, text_of
from workers.intake import claims, desk
from workers.intake.desk import MOST_DEATHS, MOST_TRIES
from workers.intake.outside import Outside
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio


async def _mails(house: House, kind: str) -> list[CaughtMail]:
    ids = {row.message_id for row in await house.notifications(kind)}
    return [mail for mail in house.relay.mails if mail.message_id in ids]


async def test_a_staff_link_in_an_uncut_quotation_never_reaches_the_customer(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        assignment = await house.mail_of("assignment")
        words = f"Hello!\n{link_in(assignment, 't')}"
        await house.mail(assignment.recipient, words, to=str(assignment.message["Reply-To"]), subject="Re:")
        await house.pass_time(timedelta(hours=1))
        assert not await house.notifications("reply_to_customer")
        assert (await house.mail_of("reply_not_sent")).recipient == assignment.recipient


async def test_a_customers_own_links_do_not_reach_the_handler(backend: Backend) -> None:
    async with open_house(backend) as house:
        await resolved(house)
        result = await house.mail_of("result_feedback")
        secret = link_in(result, "c")
        await house.mail(
            LILEI, f"It is still broken, I pressed {secret} in vain", to=str(result.message["Reply-To"])
        )
        told = await house.mail_of("customer_reply")
        assert "still broken" in text_of(told)
        assert secret.rpartition("/")[2] not in told.message.as_string()


async def test_an_agents_own_address_stays_inside(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        assignment = await house.mail_of("assignment")
        words = f"We are on it.\nAlice, {assignment.recipient.title()}"
        await house.mail(assignment.recipient, words, answers=assignment)
        await house.pass_time(timedelta(minutes=2))
        answer = await house.mail_of("reply_to_customer")
        assert assignment.recipient not in answer.message.as_string().lower()


async def test_a_reply_to_that_names_somebody_else_makes_nobody_a_reflector(backend: Backend) -> None:
    async with open_house(backend) as house:
        victim = {"Reply-To": "victim@elsewhere.example"}
        await house.mail("mallory@evil.example", "hi", headers=victim)
        assert not house.mails_to("victim@elsewhere.example")
        (receipt,) = await house.notifications("receipt")
        assert (receipt.state, receipt.reason) == (NotificationState.SUPPRESSED, "reply_to_elsewhere")
        await house.mail("mallory@evil.example", "hi", headers={"Reply-To": "alice@help.example"})
        assert not [m for m in house.mails_to("alice@help.example") if "X-Closeloop" not in m.message]
        assert len(await _mails(house, "receipt")) == 1


async def test_a_mail_that_its_domain_disowns_is_a_request_which_only_a_person_answers(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        failed = {"Authentication-Results": "mx.help.example; dmarc=fail header.from=shop.example"}
        await house.mail("lin@shop.example", "Please send the invoice again", headers=failed)
        assert not house.mails_to("lin@shop.example")
        (receipt,) = await house.notifications("receipt")
        assert (receipt.state, receipt.reason) == (NotificationState.SUPPRESSED, "sender_disowned")
        assert "sender_disowned" in await house.log_kinds()
        told = text_of(await house.mail_of("assignment"))
        assert "DMARC" in told
        assert "Please send the invoice again" in told


async def test_a_forged_colleague_makes_nobody_a_reflector(backend: Backend) -> None:
    async with open_house(backend) as house:
        words = (
            "look\n\n---------- Forwarded message ---------\nFrom: V <victim@elsewhere.example>\n"
            "Date: Mon, 2 Mar 2026 at 09:12\nSubject: Buy this\nTo: <bob@help.example>\n\nbuy"
        )
        failed = {"Authentication-Results": "mx.help.example; dmarc=fail header.from=help.example"}
        await house.mail("bob@help.example", words, subject="Fwd: Buy this", headers=failed)
        assert not house.mails_to("victim@elsewhere.example")


async def test_an_unmarked_answering_machine_ends_the_talk(backend: Backend) -> None:
    async with open_house(backend) as house:
        for turn in range(14):
            await house.mail(LILEI, f"Thank you for your mail no. {turn}", subject=f"We got it {turn}")
        assert len(house.mails_to(LILEI)) == 10
        silent = [row for row in await house.notifications("receipt") if row.reason == "rate_cap"]
        assert len(silent) == 4


async def test_one_mail_on_two_ways_is_one_request_and_one_answer(backend: Backend) -> None:
    async with open_house(backend) as house:
        raw = f"From: {LILEI}\r\nTo: support@help.example\r\nSubject: Help\r\nMessage-ID: <1@x>\r\n\r\nHi\r\n"
        copies = [
            house.post_mail(raw.encode(), to=to) for to in ("support@help.example", "info@help.example")
        ]
        await asyncio.gather(*copies)
        await house.settle()
        async with house.workshop.read() as uow:
            assert len(list(await uow.session.scalars(select(Ticket.id)))) == 1
        assignment = await house.mail_of("assignment")
        reply_to = assignment.message["Reply-To"]
        raw = (
            f"From: {assignment.recipient}\r\nTo: {reply_to}\r\nCc: support@help.example\r\n"
            "Subject: Re: Help\r\nMessage-ID: <2@help.example>\r\n\r\nHello!\r\n"
        )
        for to in ("support@help.example", str(reply_to)):
            await house.post_mail(raw.encode(), to=to)
        await house.settle()
        assert len(await house.notifications("reply_to_customer")) == 1


async def test_a_receipt_that_is_faster_than_our_own_record_is_not_lost(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        handler = await handler_of(house)
        number = (await house.ticket()).number
        await house.api("POST", f"/tickets/{number}/answer", {"text": "Hello"}, by=handler)
        await house.pass_time(timedelta(minutes=2))
        (row,) = await house.notifications("reply_to_customer")
        async with house.workshop.begin() as uow:  # the relay has said 250, the outcome is not written yet
            held = await uow.session.get_one(Notification, row.id)
            held.state, held.lease_token = NotificationState.SENDING, new_id()
        await house.post_mail(_bounce_of(str(row.message_id)), sender="")
        await house.settle()
        async with house.workshop.begin() as uow:
            held = await uow.session.get_one(Notification, row.id)
            held.state, held.lease_token = NotificationState.SENT, None
            await uow.session.execute(update(IntakeEvent).values(free_at=None))
        await house.settle()
        (row,) = await house.notifications("reply_to_customer")
        assert row.state is NotificationState.BOUNCED


async def test_an_sms_status_that_is_faster_than_our_own_record_waits(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.twilio_calls(
            "/hooks/receipts/twilio", [("MessageSid", "SM1"), ("MessageStatus", "failed")]
        )
        await house.settle()
        (event,) = await house.events()
        assert (event.state, event.due_at is not None) == (EventState.RECEIVED, True)


async def test_an_event_that_kills_its_worker_when_it_is_alone_is_laid_aside(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(LILEI, "hello", subject="Help")
        seen = []
        for reason in (None, f"worker_lost_{MOST_DEATHS}"):
            async with house.workshop.begin() as uow:
                lost = {
                    "state": EventState.RECEIVED,
                    "kind": "mail",
                    "tries": MOST_TRIES + 9,
                    "reason": reason,
                }
                await uow.session.execute(
                    update(IntakeEvent)
                    .where(IntakeEvent.source == "raw")
                    .values(due_at=house.clock.now(), **lost)
                )
            await house.settle()
            (event,) = [each for each in await house.events() if each.source == "raw"]
            seen.append((event.state, event.reason))
        assert seen[0] == (EventState.DONE, "copy"), "workers died over the company it was in"
        assert seen[1] == (EventState.POISON, "worker_lost")


async def test_a_worker_that_lives_keeps_what_it_has_however_long_it_reads(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(seconds=30) >= desk.LEASE, "so long waits what a dead one had"
    monkeypatch.setattr(claims, "RENEWALS", 150)  # each 0.2 s, of a lease that no busy machine outlasts
    read, seen = desk._read, []
    ends: set[datetime | None] = set()

    async def slowly(workshop: Workshop, outside: Outside, ident: UUID) -> Any:
        seen.append(ident)
        async with asyncio.timeout(60):
            while len(ends) < 4:  # what it was claimed with, and renewed three times
                async with workshop.read() as uow:
                    ends.add((await uow.session.get_one(IntakeEvent, ident)).free_at)
                await asyncio.sleep(0.05)
        return await read(workshop, outside, ident)

    monkeypatch.setattr(desk, "_read", slowly)
    async with open_house(backend) as house:
        await house.mail(LILEI, "hello", subject="Help")
        (event,) = [each for each in await house.events() if each.source == "raw"]
        assert (seen.count(event.id), event.tries, event.state) == (1, 1, EventState.DONE)


async def test_an_sms_from_no_number_is_turned_away_quietly(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms("GOODSHOP", "50% off")
        (event,) = await house.events()
        assert (event.state, event.reason) == (EventState.REJECTED, "sender_is_no_number")


async def test_a_stranger_with_a_message_id_can_speak_but_decide_nothing(backend: Backend) -> None:
    async with open_house(backend) as house:
        await resolved(house)
        result = await house.mail_of("result_feedback")
        named = {"In-Reply-To": result.message_id}
        await house.mail("mallory@evil.example", "Thanks", subject="Re: x", headers=named)
        await house.mail("mallory@evil.example", "No, it is broken", subject="Re: x", headers=named)
        assert (await house.ticket()).state is TicketState.AWAITING_FEEDBACK
        assert len(await house.notifications("customer_reply")) == 2
        assert not house.mails_to("mallory@evil.example")


def _bounce_of(message_id: str) -> bytes:
    """A delivery status notification (RFC 3464) for a mail of ours."""
    return "\r\n".join(
        (
            "From: MAILER-DAEMON@mx.163.example",
            "To: support@help.example",
            "Subject: Undelivered Mail Returned to Sender",
            "MIME-Version: 1.0",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="B"',
            "",
            "--B",
            "Content-Type: message/delivery-status",
            "",
            "Reporting-MTA: dns; mx.163.example",
            "",
            f"Final-Recipient: rfc822; {LILEI}",
            "Action: failed",
            "Status: 5.1.1",
            "",
            "--B",
            "Content-Type: text/rfc822-headers",
            "",
            f"Message-ID: {message_id}",
            "",
            "--B--",
            "",
        )
    ).encode()
