"""Stories of what is no request: junk, advertisements that staff dismiss, and senders that are blocked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.vocabulary import NOT_A_TICKET, DeadlineState, NotificationState, TicketState
from tests.conftest import Backend
from tests.fakes import MONDAY_MORNING
from tests.house import House, open_house, text_of

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"
SELLER = "offers@news.ads.example"
CAROL = "carol@help.example"
PHONE = "+8613800005678"
SPAM = {"X-Spam-Flag": "YES"}


async def junk(house: House, kind: str = "junk") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await house.api("GET", f"/intake?kind={kind}"))["items"]
    return items


async def count_tickets(house: House) -> int:
    return len((await house.api("GET", "/tickets?limit=200"))["items"])


async def dismiss(house: House, number: str, **given: Any) -> dict[str, Any]:
    shown: dict[str, Any] = await house.api(
        "POST", f"/tickets/{number}/not-a-ticket", {"reason": "advertisement", **given}, by="CS001"
    )
    return shown


# -- junk --------------------------------------------------------------------------------------------------


async def test_junk_is_no_ticket_and_escalates_to_nobody_but_is_kept_and_can_be_a_request(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        await house.mail(LILEI, "My account is locked.", subject="Locked", headers=SPAM)
        await house.pass_time(timedelta(hours=30))
        assert (await count_tickets(house), house.relay.mails) == (0, [])
        (row,) = await junk(house)
        assert (row["state"], row["reason"], row["ticket"]) == ("rejected", "spam, spam_x_spam_flag", None)

        await house.api("POST", f"/intake/{row['id']}/take-in", by="CS001", expect=403)
        await house.api("POST", f"/intake/{row['id']}/take-in", by="SV001")
        ticket = await house.ticket()
        assert ticket.received_at == MONDAY_MORNING
        assert (await house.deadlines())["first_response"].state is DeadlineState.BREACHED, "honestly late"
        assert ticket.overdue_count >= 1
        assert await junk(house) == []
        assert len(house.mails_to(LILEI)) == 1, "its receipt"
        await house.api("POST", f"/intake/{row['id']}/take-in", by="SV001", expect=409)


async def test_an_answer_to_our_reply_address_is_no_junk_whatever_a_filter_thinks(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(LILEI, "Please help.", subject="Order")
        receipt = await house.mail_of("receipt")
        await house.mail(LILEI, "It is order 17.", answers=receipt, headers=SPAM)
        assert [event.kind for event in await house.events() if event.source == "raw"] == ["person", "reply"]
        assert "customer_wrote" in await house.log_kinds()


# -- dismissing --------------------------------------------------------------------------------------------


async def test_a_dismissed_ticket_has_no_deadline_no_message_and_no_survey_any_more(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(SELLER, "Cheap toner!", subject="Toner")
        number = (await house.ticket()).number
        await house.pass_time(timedelta(hours=30))
        overdue = await house.ticket()
        assert (overdue.attention, overdue.overdue_count > 0) == (True, True)
        before = len(house.relay.mails)

        shown = await dismiss(house, number, note="an advertisement")
        assert (shown["state"], shown["close_reason"]) == ("closed", NOT_A_TICKET)
        assert (shown["missing_for_closing"], shown["overdue_count"], shown["attention"]) == ([], 0, False)
        await house.pass_time(timedelta(days=20))
        of_it = [mail for mail in house.relay.mails[before:] if number in text_of(mail)]
        assert of_it == [], "nobody hears of it any more"
        rows = (await house.deadlines()).values()
        assert {row.ended_reason for row in rows if row.met_at is None} == {NOT_A_TICKET}
        assert not [row for row in rows if row.due_at or row.state is DeadlineState.BREACHED]
        waiting = [row for row in await house.notifications() if row.reason == NOT_A_TICKET]
        assert all(row.state is NotificationState.SUPPRESSED for row in waiting)
        entry = (await house.log())[-1]
        assert (entry.kind, entry.facts["reason"], entry.actor) == ("dismissed", "advertisement", "staff")
        await dismiss(house, number)
        assert (await house.log_kinds()).count("dismissed") == 1


async def test_an_answer_that_waits_is_not_sent_once_the_ticket_is_dismissed(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(SELLER, "Cheap toner!", subject="Toner")
        number = (await house.ticket()).number
        await house.api("POST", f"/tickets/{number}/answer", {"text": "No, thank you."}, by="CS001")
        await dismiss(house, number)
        await house.pass_time(timedelta(minutes=10))
        (answer,) = await house.notifications("reply_to_customer")
        assert (answer.state, answer.reason) == (NotificationState.SUPPRESSED, NOT_A_TICKET)


async def test_undone_it_stands_where_it_stood_and_its_clocks_have_never_stopped(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(LILEI, "Please help.", subject="Order")
        number = (await house.ticket()).number
        limits = {kind: row.limit_at for kind, row in (await house.deadlines()).items()}
        await dismiss(house, number)
        await house.pass_time(timedelta(minutes=5))
        path = f"/tickets/{number}/not-a-ticket/undo"
        shown = await house.api("POST", path, {"note": "it is one"}, by="CS001")
        assert (shown["state"], shown["close_reason"], shown["closed_at"]) == ("in_progress", None, None)
        running = await house.deadlines()
        assert {kind: row.limit_at for kind, row in running.items()} == limits
        assert {row.state for row in running.values()} == {DeadlineState.RUNNING}
        await house.api("POST", path, {}, by="CS001", expect=409)

        await dismiss(house, number)
        await house.pass_time(timedelta(hours=30))
        assert (await house.ticket()).overdue_count == 0
        await house.api("POST", path, {}, by="CS001")
        late = await house.ticket()
        assert (
            (await house.deadlines())["first_response"].state,
            late.overdue_count > 0,
            late.attention,
        ) == (
            DeadlineState.BREACHED,
            True,
            True,
        ), "the time in between counts"
        assert house.mails_to(CAROL), "and its supervisor hears of it"


async def test_a_request_that_was_finished_is_not_dismissed(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(LILEI, "Please help.", subject="Order")
        number = (await house.ticket()).number
        await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by="CS001")
        await house.api("POST", f"/tickets/{number}/resolve", {"cause": "a", "solution": "b"}, by="CS001")
        await house.pass_time(timedelta(hours=2))
        await house.mail(LILEI, "5", answers=await house.mail_of("csat_invitation"))
        await house.api("POST", f"/tickets/{number}/not-a-ticket", {}, by="CS001", expect=409)


# -- blocked senders ---------------------------------------------------------------------------------------


async def test_a_blocked_senders_mails_are_events_and_no_tickets_until_it_is_lifted(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(SELLER, "Cheap toner!", subject="Toner")
        number = (await house.ticket()).number
        await dismiss(house, number, block_sender=True)
        assert (await house.log_kinds())[-2:] == ["dismissed", "sender_blocked"]
        sent = len(house.mails_to(SELLER))

        await house.mail(SELLER, "Cheaper toner!", subject="More toner")
        await house.mail(SELLER.upper(), "Well?", answers=await house.mail_of("receipt", to=SELLER))
        assert (await count_tickets(house), len(house.mails_to(SELLER))) == (1, sent)
        assert (await house.ticket()).state is TicketState.CLOSED
        rows = await junk(house, "blocked")
        assert {row["reason"] for row in rows} == {"blocked_address: advertisement"}
        (block,) = (await house.api("GET", "/blocked-senders"))["items"]
        assert (block["scope"], block["made_by"], block["ticket"]) == ("address", "CS001", number)
        assert SELLER not in str(block)
        found = await house.api("GET", f"/blocked-senders?sender={SELLER}")
        assert [each["id"] for each in found["items"]] == [block["id"]]

        await house.api("DELETE", f"/blocked-senders/{block['id']}?reason=mistake", by="SV001")
        assert (await house.log_kinds())[-1] == "sender_unblocked"
        await house.mail(SELLER, "Invoice 17", subject="Invoice")
        assert await count_tickets(house) == 2
        await house.api("POST", f"/intake/{rows[1]['id']}/take-in", by="SV001")
        assert await count_tickets(house) == 3, "what was turned away is a ticket now"


async def test_a_block_ends_by_itself_and_a_domain_covers_all_below_it(backend: Backend) -> None:
    async with open_house(backend) as house:
        until = (house.clock.now() + timedelta(days=1)).isoformat()
        given = {"sender": "@ads.example", "until": until}
        await house.api("POST", "/blocked-senders", given, by="CS001", expect=403)
        await house.api("POST", "/blocked-senders", given, by="SV001")
        await house.api("POST", "/blocked-senders", given, by="SV001", expect=409)
        await house.mail(SELLER, "Toner", subject="Toner")
        await house.mail("a@bads.example", "I need help", subject="Help")
        assert await count_tickets(house) == 1
        await house.pass_time(timedelta(days=2))
        await house.mail(SELLER, "Toner", subject="Toner 2")
        assert await count_tickets(house) == 2
        assert (await house.api("GET", "/blocked-senders"))["items"] == []
        await house.api("POST", "/blocked-senders", {"sender": "@ads.example"}, by="SV001")
        old = (await house.api("GET", "/blocked-senders?history=true"))["items"][-1]
        assert (old["stands"], old["lift_reason"]) == (False, "expired")


async def test_ourselves_staff_and_everybodys_mail_services_cannot_be_blocked(backend: Backend) -> None:
    async with open_house(backend) as house:
        for sender in (CAROL, "support@help.example", "@qq.com", "@help.example"):
            await house.api("POST", "/blocked-senders", {"sender": sender}, by="SV001", expect=409)
        for sender in ("nonsense", "@", "@no domain"):
            await house.api("POST", "/blocked-senders", {"sender": sender}, by="SV001", expect=422)


async def test_who_has_an_open_ticket_is_not_shut_out_of_it(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(LILEI, "Please help.", subject="Order")
        receipt = await house.mail_of("receipt", to=LILEI)
        await house.api("POST", "/blocked-senders", {"sender": LILEI}, by="SV001")
        await house.mail(LILEI, "It is order 17.", answers=receipt)
        assert (await house.log_kinds()).count("customer_wrote") == 1
        await house.mail(LILEI, "Something else", subject="Other")
        assert await count_tickets(house) == 1


async def test_a_blocked_number_opens_no_ticket_by_sms(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.api("POST", "/blocked-senders", {"sender": PHONE}, by="SV001")
        await house.sms(PHONE, "Buy my toner")
        assert (await count_tickets(house), [row["kind"] for row in await junk(house, "blocked")]) == (
            0,
            ["blocked"],
        )
        (row,) = await junk(house, "blocked")
        await house.api("POST", f"/intake/{row['id']}/take-in", by="SV001")
        assert await count_tickets(house) == 1


async def test_a_customer_who_was_dismissed_by_mistake_writes_again_and_is_heard(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(LILEI, "Please help.", subject="Order")
        number = (await house.ticket()).number
        await dismiss(house, number)
        await house.pass_time(timedelta(hours=1))
        await house.mail(LILEI, "Why does nobody answer?", answers=await house.mail_of("receipt"))
        ticket = await house.ticket()
        assert (ticket.number, ticket.state, ticket.close_reason) == (number, TicketState.IN_PROGRESS, None)
        clock = (await house.deadlines())["first_response"]
        assert (clock.state, clock.started_at, clock.generation) == (
            DeadlineState.RUNNING,
            house.clock.now(),
            2,
        )
