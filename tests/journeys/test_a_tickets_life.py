"""What agents and supervisors do to a ticket between received and resolved, through mail, links and API."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from models.tables import Base
from models.vocabulary import DeadlineState, NotificationState, Priority, TicketState
from tests.bounces import bounce_of
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import House, link_in, open_house, text_of

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"
CAROL = "carol@help.example"


async def _new(house: House, text: str = "Please help with my order.", subject: str = "Order") -> str:
    await house.mail(LILEI, text, subject=subject, name="Li Lei")
    return (await house.ticket()).number


async def _handler(house: House) -> str:
    return (await house.mail_of("assignment")).recipient


async def test_triage_sets_priority_and_category_and_replans_the_limits(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        before = (await house.deadlines())["first_response"]
        await house.api(
            "PATCH", f"/tickets/{number}", {"priority": "urgent", "category": "投诉类"}, by="CS001"
        )
        ticket = await house.ticket()
        after = (await house.deadlines())["first_response"]
        assert (ticket.priority.value, ticket.category.value) == ("urgent", "complaint")
        assert after.id != before.id
        assert after.limit_at == ticket.received_at + timedelta(hours=2)
        assert after.generation == before.generation + 1
        assert "replanned" in await house.log_kinds()
        await house.pass_time(until=ticket.received_at + timedelta(hours=3))
        sent = [row for row in await house.notifications("breach") if row.state is NotificationState.SENT]
        assert len({row.deadline_id for row in sent}) == 1, "the withdrawn limit must not be heard of again"


async def test_urging_raises_a_medium_request_to_high_once(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        receipt = await house.mail_of("receipt")
        await house.mail(LILEI, "Any update? I am still waiting.", answers=receipt)
        assert (await house.ticket(number)).priority is Priority.HIGH
        await house.mail(LILEI, "还没人处理吗？请尽快！", answers=receipt)
        ticket = await house.ticket(number)
        assert (ticket.priority, ticket.urged_count) == (Priority.HIGH, 2)
        assert len(await house.notifications("customer_reply")) == 2


async def test_a_transfer_says_from_whom_to_whom_and_why(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        first = await _handler(house)
        other = "CS002" if first.startswith("alice") else "CS001"
        await house.api(
            "POST", f"/tickets/{number}/transfer", {"to": other, "reason": ""}, by=first, expect=422
        )
        await house.api(
            "POST", f"/tickets/{number}/transfer", {"to": other, "reason": "knows the printers"}, by=first
        )
        entry = next(entry for entry in await house.log() if entry.kind == "transferred")
        assert entry.facts["to"] == other
        assert entry.facts["from"] != other
        told = await house.mail_of("transfer")
        assert told.recipient != first
        assert "knows the printers" in text_of(told)
        assert (await house.ticket()).transferred_at == house.clock.now()


async def test_acceptance_gives_the_expected_time_and_a_later_one_needs_approval(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        handler = await _handler(house)
        accepted = await house.mail_of("assignment")
        await house.tap(link_in(accepted, "t"))
        ticket = await house.ticket()
        expected = ticket.expected_resolution_at
        assert ticket.accepted_at == house.clock.now()
        assert expected is not None
        assert (await house.deadlines())["acceptance"].state is DeadlineState.MET
        assert (await house.deadlines())["resolution"].limit_at == expected

        later = (expected + timedelta(days=2)).isoformat()
        body = {"reason": "part must be ordered", "until": later}
        await house.api("POST", f"/tickets/{number}/extend", body, by=handler)
        assert (await house.deadlines())["resolution"].limit_at == expected, (
            "nothing moves before the approval"
        )
        asked = await house.mail_of("escalation_request", to=CAROL)
        assert "part must be ordered" in text_of(asked)
        await house.tap(link_in(asked, "t", 0))
        moved = (await house.deadlines())["resolution"]
        assert moved.limit_at == expected + timedelta(days=2)
        assert (await house.mail_of("escalation_decided")).recipient == handler


async def test_a_declined_request_moves_nothing_and_is_decided_once(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        handler = await _handler(house)
        await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
        before = (await house.deadlines())["resolution"].limit_at
        body = {"reason": "needs R&D", "resources": "one developer"}
        await house.api("POST", f"/tickets/{number}/escalate", body, by=handler)
        asked = await house.mail_of("escalation_request", to=CAROL)
        await house.tap(link_in(asked, "t", 1))
        again = await house.web.post(link_in(asked, "t", 0).removeprefix("https://help.example"))
        assert again.status_code == 409
        assert (await house.deadlines())["resolution"].limit_at == before
        assert (await house.log_kinds()).count("escalation_decided") == 1


async def test_nobody_accepts_so_the_handler_then_the_supervisor_is_reminded(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _new(house)
        handler = await _handler(house)
        alarms = (await house.deadlines())["acceptance"].alarms
        house_start = house.clock.now()
        for alarm in alarms:
            await house.pass_time(until=datetime.fromisoformat(alarm["at"]))
        reminded = [mail.recipient for mail in await _mails_of(house, "acceptance_reminder")]
        assert reminded == [handler, CAROL]
        assert house.clock.now() > house_start


async def _mails_of(house: House, kind: str) -> list[CaughtMail]:
    ids = {row.message_id for row in await house.notifications(kind)}
    return [mail for mail in house.relay.mails if mail.message_id in ids]


async def test_a_bounced_answer_was_no_first_response(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _new(house)
        assignment = await house.mail_of("assignment")
        await house.mail(assignment.recipient, "Hello, your parcel is on its way.", answers=assignment)
        await house.pass_time(timedelta(minutes=2))
        answer = await house.mail_of("reply_to_customer")
        assert (await house.ticket()).first_response_at is not None
        await house.post_mail(bounce_of(answer.message_id, LILEI), sender="", to="support@help.example")
        await house.settle()
        ticket = await house.ticket()
        assert ticket.first_response_at is None
        (row,) = await house.notifications("reply_to_customer")
        assert row.state is NotificationState.BOUNCED
        assert (await house.deadlines())["first_response"].state is DeadlineState.RUNNING
        told = await house.mail_of("answer_bounced")
        assert told.recipient == assignment.recipient
        assert LILEI not in told.message.as_string()


async def test_an_out_of_office_is_noted_and_answered_by_nobody(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        receipt = await house.mail_of("receipt")
        before = len(house.relay.mails)
        auto = {"Auto-Submitted": "auto-replied"}
        await house.mail(LILEI, "I am away until Monday.", answers=receipt, headers=auto)
        await house.mail("robot@shop.example", "I am away.", subject="Out of office", headers=auto)
        assert len(house.relay.mails) == before
        assert (await house.ticket()).number == number, "no new ticket"
        assert "automatic_mail" in await house.log_kinds()
        assert (await house.ticket()).state is TicketState.IN_PROGRESS


async def test_a_closed_ticket_needs_everything_and_says_what_is_missing(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        problem = await house.api("POST", f"/tickets/{number}/close", by="CS001", expect=409)
        for missing in ("first_response", "result", "confirmation", "rating"):
            assert missing in problem["detail"]


async def test_an_answer_whose_quotation_cannot_be_cut_is_held_and_the_agent_told(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _new(house)
        assignment = await house.mail_of("assignment")
        pasted = f"Hello!\nto answer write to {assignment.message['Reply-To']} please"
        await house.mail(
            assignment.recipient,
            pasted,
            to=str(assignment.message["Reply-To"]),
            subject="Re: ticket",
        )
        await house.pass_time(timedelta(hours=1))
        assert not await house.notifications("reply_to_customer")
        assert (await house.mail_of("reply_not_sent")).recipient == assignment.recipient


async def test_no_customer_data_stands_in_clear_in_the_database(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _new(house, "My phone is 13900001234 and I live in 长安街1号.", subject="Geheimnis")
        found = []
        async with house.workshop.read() as uow:
            for table in Base.metadata.sorted_tables:
                for row in await uow.session.execute(text(f'SELECT * FROM "{table.name}"')):
                    shown = " ".join(repr(value) for value in row)
                    if any(word in shown for word in (LILEI, "13900001234", "长安街", "Geheimnis", "Li Lei")):
                        found.append(table.name)
        assert not found


async def test_a_mail_that_a_colleague_passes_on_is_its_writers_request(backend: Backend) -> None:
    async with open_house(backend) as house:
        text = (
            "can somebody look?\n\n---------- Forwarded message ---------\n"
            f"From: Li Lei <{LILEI}>\nDate: Mon, 2 Mar 2026 at 09:12\nSubject: Printer broken\n"
            "To: <bob@help.example>\n\nOur printer prints empty pages."
        )
        await house.mail("bob@help.example", text, subject="Fwd: Printer broken", name="Bob")
        receipt = await house.mail_of("receipt")
        assert receipt.recipient == LILEI
        assert "Printer broken" in str(receipt.message["Subject"])
        received = next(entry for entry in await house.log() if entry.kind == "received")
        assert received.facts["claimed_sender"] is True


async def test_an_agents_mail_answers_a_customer_who_wrote_by_sms(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms("+15550111", "My parcel has not arrived")
        assignment = await house.mail_of("assignment")
        await house.mail(
            assignment.recipient, "Hello, it comes today.\n#note courier lost it", answers=assignment
        )
        await house.pass_time(timedelta(minutes=2))
        answer = house.sms_provider.messages[-1]
        assert answer.to == "+15550111"
        assert "it comes today" in answer.body
        assert "courier" not in answer.body
        assert (await house.ticket()).first_response_at == house.clock.now()

        await house.mail(assignment.recipient, "word " * 300, answers=assignment)
        assert "短信" in text_of(await house.mail_of("reply_not_sent", to=assignment.recipient))
