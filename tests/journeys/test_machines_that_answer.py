"""Stories of machines that answer ours, of words by SMS to a machine, and of replies long after the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.vocabulary import NotificationState, TicketState
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import House, open_house, text_of

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"
ROBOT = "robot@shop.example"
ALICE = "alice@help.example"
PHONE = "+8613800005678"


async def answer_everything(house: House, who: str, seen: int, text: str, *, threaded: bool) -> int:
    """A machine that answers each mail it gets and keeps no convention; gives how many it has answered."""
    mails: list[CaughtMail] = house.mails_to(who)
    for mail in mails[seen:]:
        if threaded:
            await house.mail(who, text, answers=mail)
        else:
            await house.mail(who, text, subject=f"We got your mail: {mail.message['Subject']}")
    return len(mails)


# -- loops -------------------------------------------------------------------------------------------------


async def test_a_machine_that_answers_each_of_our_mails_as_a_new_request_comes_to_an_end(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        await house.mail(ROBOT, "I am a robot.", subject="Hello")
        seen = 0
        for _ in range(60):
            last, seen = seen, await answer_everything(house, ROBOT, seen, "Thanks!", threaded=False)
            if seen == last:
                break
            await house.pass_time(timedelta(minutes=20))
        assert (len(house.mails_to(ROBOT)), seen) == (30, last), "thirty receipts in a day and no more"
        reasons = {row.reason for row in await house.notifications("receipt") if row.reason}
        assert reasons == {"rate_cap"}


async def test_a_customers_and_an_agents_machine_that_answer_each_other_come_to_an_end(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        await house.mail(LILEI, "Please help.", subject="Order")
        number, customer, agent = (await house.ticket()).number, 0, 0
        for _ in range(40):
            before = (customer, agent)
            customer = await answer_everything(house, LILEI, customer, "We have got it.", threaded=True)
            agent = await answer_everything(house, ALICE, agent, "I am reading it.", threaded=True)
            await house.pass_time(timedelta(minutes=3))
            if before == (customer, agent):
                break
        else:
            pytest.fail("they still answer each other")
        log = await house.log(number)
        entry = next(each for each in log if each.kind == "braked")
        assert entry.facts["reason"] == "loop_brake"
        held = [row for row in await house.notifications() if row.reason == "loop_brake"]
        assert held
        assert {row.state for row in held} == {NotificationState.SUPPRESSED}
        assert {row.staff_id is not None for row in held} == {True}


async def test_equal_alarms_of_one_sender_join_the_first_ticket(backend: Backend) -> None:
    async with open_house(backend) as house:
        for minute in range(8):
            await house.mail(
                ROBOT, f"Disk {minute} full", subject="Re: ALARM disk" if minute else "Alarm  Disk"
            )
        await house.mail(ROBOT, "Something else", subject="Alarm memory")
        await house.mail(LILEI, "My disk is full, too", subject="Alarm disk")
        listed = (await house.api("GET", "/tickets?limit=200"))["items"]
        assert len(listed) == 7, "five alarms, another subject, another sender"
        first = min(item["number"] for item in listed)
        wrote = [each for each in await house.log(first) if each.kind == "customer_wrote"]
        assert [each.facts for each in wrote] == [{"collected": True}] * 3
        assert [event.reason for event in await house.events()].count("same_subject") == 3

        await house.pass_time(timedelta(hours=2))
        await house.mail(ROBOT, "Disk full", subject="Alarm disk")
        assert len((await house.api("GET", "/tickets?limit=200"))["items"]) == 8, (
            "another hour, another ticket"
        )


# -- words by SMS ------------------------------------------------------------------------------------------


async def test_help_by_sms_is_answered_once_a_day_in_the_customers_language(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms(PHONE, " ＨＥＬＰ! ")
        await house.sms(PHONE, "帮助")
        rows = await house.notifications("sms_help")
        assert [(row.state, row.locale) for row in rows] == [(NotificationState.SENT, "en")]
        (sent,) = house.sms_provider.messages
        assert "STOP" in sent.body
        assert "START" in sent.body
        assert (await house.api("GET", "/tickets"))["items"] == []
        assert [event.kind for event in await house.events() if event.kind == "help"] == ["help", "help"]
        await house.pass_time(timedelta(days=1))
        await house.sms(PHONE, "帮助")
        assert "退订" in house.sms_provider.messages[-1].body


async def test_stop_with_an_open_ticket_is_seen_on_it_and_the_result_is_a_persons_task(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        await house.sms(PHONE, "My phone is broken, please help me.")
        number = (await house.ticket()).number
        await house.sms(PHONE, "【ＴＤ】")
        entry = (await house.log())[-1]
        assert (entry.kind, entry.facts["reason"]) == ("suppressed", "stop")
        await house.api("POST", f"/tickets/{number}/answer", {"text": "Which one?"}, by="CS001")
        await house.pass_time(timedelta(minutes=5))
        (answer,) = await house.notifications("reply_to_customer")
        assert (answer.state, answer.reason) == (NotificationState.SUPPRESSED, "suppressed_stop")
        heard = await house.mail_of("answer_bounced")
        assert heard.recipient.endswith("@help.example"), "the agent hears that it did not arrive"
        assert (await house.ticket()).first_response_at is None
        await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by="CS001")
        await house.api("POST", f"/tickets/{number}/resolve", {"cause": "a", "solution": "b"}, by="CS001")
        assert "phone_task" in [row.kind for row in await house.notifications()]


async def test_doubtful_words_by_sms_are_requests(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms(PHONE, "我要退订单号123的货")
        assert len((await house.api("GET", "/tickets"))["items"]) == 1


# -- replies after the end ---------------------------------------------------------------------------------


async def closed_ticket(house: House) -> str:
    await house.mail(LILEI, "Please help.", subject="Order")
    number = (await house.ticket()).number
    await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by="CS001")
    await house.api("POST", f"/tickets/{number}/resolve", {"cause": "a", "solution": "b"}, by="CS001")
    await house.pass_time(timedelta(hours=2))
    await house.api("POST", f"/tickets/{number}/confirm", {"solved": True, "by": "customer"})
    await house.mail(LILEI, "5", answers=await house.mail_of("csat_invitation", to=LILEI))
    assert (await house.ticket()).state is TicketState.CLOSED
    return number


async def test_a_reply_soon_after_closing_opens_again_and_a_late_one_begins_a_linked_ticket(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        number = await closed_ticket(house)
        receipt = await house.mail_of("receipt", to=LILEI)
        await house.pass_time(timedelta(days=31))
        await house.mail(LILEI, "Thank you!", answers=receipt)
        assert (await house.ticket()).number == number
        away = {"Auto-Submitted": "auto-replied"}
        await house.mail(LILEI, "I am out of office.", answers=receipt, headers=away)
        assert ((await house.ticket()).number, (await house.ticket()).state) == (number, TicketState.CLOSED)

        await house.mail(LILEI, "It is broken again.", answers=receipt)
        shown = await house.api("GET", f"/tickets/{(await house.ticket()).number}")
        assert (shown["earlier"], shown["state"], shown["opening"]) == (number, "in_progress", 1)
        assert shown["number"] != number
        assert (await house.log_kinds(number))[-1] == "taken_further"
        assert (await house.ticket(number)).state is TicketState.CLOSED
        assert shown["customer"]["code"] == (await house.api("GET", f"/tickets/{number}"))["customer"]["code"]
        first = await house.mail_of("receipt", to=LILEI)
        assert shown["number"] in text_of(first)


async def test_within_the_time_of_the_policy_the_old_ticket_opens_again(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await closed_ticket(house)
        await house.pass_time(timedelta(days=29))
        await house.mail(LILEI, "It is broken again.", answers=await house.mail_of("receipt", to=LILEI))
        ticket = await house.ticket()
        assert (ticket.number, ticket.state, ticket.opening) == (number, TicketState.IN_PROGRESS, 2)
