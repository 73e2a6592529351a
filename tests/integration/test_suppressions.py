"""Who is not written to and why, by whom it is lifted, when a customer is left in peace, and broken rungs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from models.notifications import Suppression
from models.vocabulary import Lane, NotificationState, TicketState
from tests.conftest import Backend
from tests.fakes_smtp import refuse
from tests.house import House, open_house, text_of

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"
PHONE = "+8613800005678"
CAROL = "carol@help.example"


async def suppressions(house: House, **params: Any) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in params.items()).replace("+", "%2B")
    items: list[dict[str, Any]] = (await house.api("GET", f"/suppressions?{query}"))["items"]
    return items


async def state_of(house: House, kind: str) -> tuple[str, str | None]:
    row = (await house.notifications(kind))[-1]
    return row.state.value, row.reason


async def facts_of(house: House, kind: str) -> list[dict[str, Any]]:
    return [entry.facts for entry in await house.log() if entry.kind == kind]


def report(message_id: str, status: str, words: str, *, kind: str = "delivery-status") -> bytes:
    """A delivery status notification (RFC 3464), or a feedback report (RFC 5965), about one of our mails."""
    machine = {
        "delivery-status": f"Reporting-MTA: dns; mx.163.example\r\n\r\nFinal-Recipient: rfc822; {LILEI}\r\n"
        f"Action: failed\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {words}\r\n",
        "feedback-report": "Feedback-Type: abuse\r\nUser-Agent: Mail/1.0\r\nVersion: 1\r\n",
    }[kind]
    return (
        "From: MAILER-DAEMON@mx.163.example\r\nTo: support@help.example\r\nSubject: Undelivered\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind}; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        f"--B\r\nContent-Type: message/{kind}\r\n\r\n{machine}\r\n"
        f"--B\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\nSubject: x\r\n"
        "\r\n--B--\r\n"
    ).encode()


async def comes_back(house: House, status: str, words: str, **options: str) -> None:
    receipt = await house.mail_of("receipt")
    await house.post_mail(report(receipt.message_id, status, words, **options))
    await house.settle()


async def ask(house: House, text: str = "Please help.") -> str:
    await house.mail(LILEI, text, subject="Order", name="Li Lei")
    return (await house.ticket()).number


async def answer_from(house: House, number: str, by: str = "SV001") -> None:
    """The whole work on a ticket up to the question for a rating."""
    await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by=by)
    await house.api("POST", f"/tickets/{number}/resolve", {"cause": "a", "solution": "b"}, by=by)
    await house.api("POST", f"/tickets/{number}/confirm", {"solved": True, "by": "customer"})


# -- how an address gets on the list, and off it -----------------------------------------------------------


async def test_an_address_that_does_not_exist_gets_nothing_for_ninety_days(backend: Backend) -> None:
    async with open_house(backend) as house:
        await ask(house)
        await comes_back(house, "5.1.1", f"550 5.1.1 <{LILEI}> unknown")
        (row,) = await suppressions(house)
        assert (row["channel"], row["scope"], row["reason"]) == ("email", "all", "hard_bounce")
        assert row["address"] is None
        assert datetime.fromisoformat(row["until"]) == house.clock.now() + timedelta(days=90)
        assert await state_of(house, "receipt") == ("bounced", "unknown_recipient")
        (entry,) = await facts_of(house, "suppressed")
        assert entry["reason"] == "hard_bounce"

        before = len(house.mails_to(LILEI))
        await ask(house, "Something else now, please.")
        assert await state_of(house, "receipt") == ("suppressed", "suppressed_hard_bounce")
        assert len(house.mails_to(LILEI)) == before

        await house.pass_time(timedelta(days=91))
        assert await suppressions(house) == []
        await ask(house, "A third thing after three months.")
        assert (await state_of(house, "receipt"))[0] == "sent"


async def test_a_refusal_at_the_door_counts_as_a_bounce_does(backend: Backend) -> None:
    async with open_house(backend) as house:
        house.relay.script.on("rcpt", refuse("550 5.1.1 no such user"), recipient=LILEI)
        await ask(house)
        assert await state_of(house, "receipt") == ("failed", "unknown_recipient")
        assert [row["reason"] for row in await suppressions(house)] == ["hard_bounce"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("4.4.7", "451 4.4.7 delivery time expired"),
        ("5.2.2", "552 5.2.2 mailbox full"),
        ("5.7.1", "550 5.7.1 message content rejected due to spam"),
        ("5.7.26", "550 5.7.26 unauthenticated email is not accepted"),
        ("5.6.0", "554 5.6.0 the content is not accepted"),
        ("", "550 who knows"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_what_says_nothing_of_the_address_suppresses_nobody(
    backend: Backend, status: str, words: str
) -> None:
    async with open_house(backend) as house:
        await ask(house)
        await comes_back(house, status, words)
        assert (await state_of(house, "receipt"))[0] == "bounced"
        assert await suppressions(house, history=True) == []


async def test_who_calls_our_mail_spam_gets_no_more_of_it(backend: Backend) -> None:
    async with open_house(backend) as house:
        await ask(house)
        await comes_back(house, "", "", kind="feedback-report")
        assert (await state_of(house, "receipt"))[0] == "complained"
        (row,) = await suppressions(house, address=LILEI)
        assert (row["reason"], row["until"]) == ("complaint", None)
        assert row["address"] == "l***@163.example"


@pytest.mark.parametrize("where", ["field", "copy", "recipient"])
async def test_a_complaint_without_the_message_id_is_known_by_its_return_path(
    backend: Backend, where: str
) -> None:
    async with open_house(backend) as house:
        await ask(house)
        path = (await house.mail_of("receipt")).sender
        told = report("<redacted@example.invalid>", "", "", kind="feedback-report")
        hidden = told.replace(b"Message-ID: <redacted@example.invalid>\r\n", b"")
        local, _, domain = path.partition("@")
        forged = f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@{domain}"
        for sender in (forged, path):
            field, copied = f"Original-Mail-From: <{sender}>\r\n", f"Return-Path: <{sender}>\r\nSubject: x"
            raw = hidden if where == "recipient" else told
            raw = (
                raw.replace(b"Version: 1\r\n", b"Version: 1\r\n" + field.encode())
                if where == "field"
                else raw
            )
            raw = raw.replace(b"Subject: x", copied.encode()) if where == "copy" else raw
            kinds = (b"not-spam", b"abuse") if sender == path else (b"abuse",)
            for kind in kinds:
                assert not await suppressions(house, address=LILEI)
                to = sender if where == "recipient" else "support@help.example"
                await house.post_mail(raw.replace(b": abuse", b": " + kind), to=to)
                await house.settle()
        assert (await state_of(house, "receipt"))[0] == "complained"
        (row,) = await suppressions(house, address=LILEI)
        assert row["reason"] == "complaint"


async def test_an_answer_that_is_held_back_is_told_to_its_agent(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await ask(house)
        await comes_back(house, "5.1.1", "550 5.1.1 unknown")
        assignment = await house.mail_of("assignment")
        await house.mail(assignment.recipient, "Hello, it is on its way.", answers=assignment)
        await house.pass_time(timedelta(minutes=3))
        assert await state_of(house, "reply_to_customer") == ("suppressed", "suppressed_hard_bounce")
        assert (await house.ticket(number)).first_response_at is None
        told = await house.mail_of("answer_bounced", to=assignment.recipient)
        assert number in text_of(told)


async def test_stop_ends_all_sms_and_start_takes_it_back(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms(PHONE, "收银机打不开了")
        count = len(house.sms_provider.messages)
        await house.sms(PHONE, " 退订 ")
        (row,) = await suppressions(house, address=PHONE)
        assert (row["channel"], row["reason"], row["scope"]) == ("sms", "stop", "all")
        assert "suppressed" in await house.log_kinds()
        await house.sms(PHONE, "退订")
        assert len(await suppressions(house, address=PHONE)) == 1

        await house.mail(LILEI, "And by mail all is as before.", subject="Mail")
        assert (await state_of(house, "receipt"))[0] == "sent"

        number = (await house.ticket()).number
        await house.api("POST", f"/tickets/{number}/close", by="SV001", expect=409)
        await house.sms(PHONE, "解除")
        assert await suppressions(house, address=PHONE) == []
        (old,) = await suppressions(house, address=PHONE, history="true")
        assert (old["lift_reason"], old["lifted_by"], old["stands"]) == ("start", None, False)
        await house.sms(PHONE, "START")
        assert len(house.sms_provider.messages) == count
        assert (await house.ticket()).number == number, "neither word is a request"


async def test_stop_does_not_lift_what_else_stands(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms(PHONE, "收银机打不开了")
        await house.api("POST", "/suppressions", {"address": "13800005678"}, by="SV001")
        await house.sms(PHONE, "STOP")
        await house.sms(PHONE, "START")
        assert [row["reason"] for row in await suppressions(house)] == ["blocked_by_staff"]


async def test_staff_suppress_and_lift_and_both_stand_in_the_log(backend: Backend) -> None:
    async with open_house(backend) as house:
        await ask(house)
        row = await house.api("POST", "/suppressions", {"address": LILEI.upper()}, by="SV001")
        assert (await house.log_kinds())[-1] == "suppressed"
        assert (row["address"], row["made_by"]) == ("l***@163.example", "SV001")
        await house.api("POST", "/suppressions", {"address": LILEI}, by="SV001", expect=409)
        await house.mail(LILEI, "Another thing entirely.", subject="Other")
        assert await state_of(house, "receipt") == ("suppressed", "suppressed_blocked_by_staff")

        path = f"/suppressions/{row['id']}"
        await house.api("DELETE", path, by="SV001", expect=422)
        lifted = await house.api("DELETE", f"{path}?reason=mistake", by="SV001")
        assert (lifted["lifted_by"], lifted["lift_reason"], lifted["stands"]) == ("SV001", "mistake", False)
        await house.api("DELETE", f"{path}?reason=mistake", by="SV001", expect=409)
        entries = [entry for entry in await house.log() if entry.kind.startswith("suppress")]
        assert [(entry.kind, entry.actor) for entry in entries] == [("suppression_lifted", "staff")]
        assert entries[-1].facts["why"] == "mistake"
        await house.mail(LILEI, "A third thing.", subject="Third")
        assert (await state_of(house, "receipt"))[0] == "sent"


async def test_staff_cannot_be_suppressed(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.api("POST", "/suppressions", {"address": CAROL}, by="SV001", expect=409)
        await house.api("POST", "/suppressions", {"address": "nonsense"}, by="SV001", expect=422)
        wrong = {"address": LILEI, "channel": "sms"}
        await house.api("POST", "/suppressions", wrong, by="SV001", expect=422)


async def test_a_bounce_after_the_ninety_days_begins_anew_and_keeps_the_old_one(backend: Backend) -> None:
    async with open_house(backend) as house:
        await ask(house)
        await comes_back(house, "5.1.1", "550 unknown")
        await house.pass_time(timedelta(days=91))
        await ask(house, "Hello again after three months.")
        await comes_back(house, "5.1.1", "550 unknown")
        async with house.workshop.read() as uow:
            rows = list(await uow.session.scalars(select(Suppression).order_by(Suppression.id)))
        assert [row.lift_reason for row in rows] == ["expired", None]
        assert len({row.address_hash for row in rows}) == 1


# -- quiet hours and the fatigue cap -----------------------------------------------------------------------

EVENING = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)  # 20:30 in Shanghai


async def test_nobody_is_asked_for_a_rating_at_night(backend: Backend) -> None:
    async with open_house(backend, start=EVENING) as house:
        number = await ask(house)
        await answer_from(house, number)
        await house.pass_time(timedelta(hours=2))
        (row,) = await house.notifications("csat_invitation")
        assert (row.state, row.reason) == (NotificationState.QUEUED, "quiet_hours")
        morning = datetime(2026, 3, 3, 1, 0, tzinfo=UTC)
        assert row.due_at == morning
        assert row.lane is Lane.BULK
        await house.pass_time(until=morning - timedelta(seconds=1))
        assert await state_of(house, "csat_invitation") == ("queued", "quiet_hours")
        await house.pass_time(until=morning)
        assert await state_of(house, "csat_invitation") == ("sent", None)


async def test_the_customers_own_night_counts(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms("+442079460958", "Our till does not open")  # London: 02:00 in the morning
        number = (await house.ticket()).number
        await answer_from(house, number)
        await house.pass_time(timedelta(hours=1, minutes=1))
        (row,) = await house.notifications("csat_invitation")
        assert (row.reason, row.due_at) == ("quiet_hours", datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
        assert house.sms_provider.messages, "the receipt of a request is an answer and waits for nothing"


async def test_a_customer_is_asked_once_in_two_weeks_and_the_second_ticket_still_closes(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        first = await ask(house)
        await answer_from(house, first)
        await house.pass_time(timedelta(hours=2))
        assert await state_of(house, "csat_invitation") == ("sent", None)
        second = await ask(house, "Now the printer, please.")
        assert second != first
        await answer_from(house, second)
        await house.pass_time(timedelta(hours=2))
        assert await state_of(house, "csat_invitation") == ("suppressed", "fatigue_cap")
        (entry,) = await facts_of(house, "survey_not_sent")
        assert entry["reason"] == "fatigue_cap"
        for _ in range(12):
            await house.pass_time(timedelta(days=1))
        ticket = await house.ticket(second)
        assert (ticket.state, ticket.unrated_reason) == (TicketState.CLOSED, "not_asked")
        of_second = [row for row in await house.notifications() if row.ticket_id == ticket.id]
        assert {row.kind for row in of_second}.isdisjoint({"csat_reminder", "survey_task"})

        await house.pass_time(timedelta(days=3))
        third = await ask(house, "And a third one.")
        await answer_from(house, third)
        await house.pass_time(timedelta(hours=2))
        assert await state_of(house, "csat_invitation") == ("sent", None)


# -- broken rungs ------------------------------------------------------------------------------------------


async def test_an_escalation_that_does_not_arrive_goes_to_the_next_level_at_once(backend: Backend) -> None:
    async with open_house(backend) as house:
        house.relay.script.on("rcpt", refuse("554 5.7.1 not wanted here"), recipient=CAROL)
        number = await ask(house)
        limit = (await house.deadlines())["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit)
        broken = [entry for entry in await house.log(number) if entry.kind == "rung_broken"]
        assert [(entry.facts["notification"], entry.facts["staff"]) for entry in broken][-1] == (
            "breach", "SV001",
        )  # fmt: skip # packed, to be read at a glance
        assert broken[-1].facts["passed_on_to"] == ["HD001"]
        assert (await house.mail_of("breach", to="dora@help.example")).recipient == "dora@help.example"
        told = [row for row in await house.notifications("breach") if row.state is NotificationState.SENT]
        assert house.clock.now() == limit, "at once, not with the next rung"
        assert told
        assert await suppressions(house) == [], "staff are never suppressed"

        seen = await house.api("GET", "/attention")
        assert seen["counts"]["broken_rung"] >= 1
        item = next(item for item in seen["items"] if item["kind"] == "breach")
        assert (item["what"], item["ticket"], item["staff"]) == ("broken_rung", number, "SV001")
        assert item["passed_on_to"] == ["HD001"]


async def test_a_chain_of_dead_addresses_ends_and_says_so(backend: Backend) -> None:
    async with open_house(backend) as house:
        for local in ("alice", "bob", "carol", "dora", "root"):
            house.relay.script.on("rcpt", refuse("550 5.1.1 no"), recipient=f"{local}@help.example")
        await ask(house)
        entries = await house.log()
        broken = [entry.facts for entry in entries if entry.kind == "rung_broken"]
        assert [facts["passed_on_to"] for facts in broken] == [["SV001"], ["HD001"], ["AD001"], []]
        assert [entry.facts["notification"] for entry in entries if entry.kind == "nobody_to_tell"] == [
            "assignment"
        ]
        seen = await house.api("GET", "/attention?limit=1")
        assert (seen["counts"]["nobody_to_tell"], seen["counts"]["broken_rung"]) == (1, 4)
        assert len(seen["items"]) == 2


async def test_what_is_settled_meanwhile_is_not_passed_on(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await ask(house)
        limit = (await house.deadlines())["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit)
        mail = await house.mail_of("breach", to=CAROL)
        await house.api("POST", f"/tickets/{number}/acknowledge", by="SV001")
        before = len(await house.notifications("breach"))
        await house.post_mail(report(mail.message_id, "5.1.1", "550 unknown"))
        await house.settle()
        (entry,) = await facts_of(house, "rung_broken")
        assert entry["passed_on_to"] == []
        assert len(await house.notifications("breach")) == before
