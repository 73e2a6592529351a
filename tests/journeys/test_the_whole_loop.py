"""The loop as its people live it, from a mail that comes in to a follow-up that is verified."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.vocabulary import DeadlineState, NotificationState, TicketState
from tests.conftest import Backend
from tests.house import House, link_in, open_house, text_of

pytestmark = pytest.mark.anyio

ZHANG = "zhangsan@qq.example"
CAROL, DORA = "carol@help.example", "dora@help.example"


async def _resolved_ticket(house: House) -> str:
    """A mail that Alice answers, accepts and resolves; gives the ticket's number."""
    await house.mail(ZHANG, "您好，系统登录不了，请帮忙看看。", subject="系统登录不了", name="张三")
    assignment = await house.mail_of("assignment")
    handler = assignment.recipient
    await house.mail(handler, "您好，请先清除浏览器缓存再试。\n#note 可能是 SSO 证书过期", answers=assignment)
    await house.pass_time(timedelta(minutes=3))
    number = (await house.ticket()).number
    await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
    result = {"cause": "证书过期", "solution": "已更换证书", "precautions": "到期前一周自动提醒"}
    await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)
    return number


async def test_a_request_goes_from_mail_to_a_verified_improvement(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(ZHANG, "您好，系统登录不了，电话13800005678。", subject="系统登录不了", name="张三")
        ticket = await house.ticket()
        assert ticket.number.startswith("CS20260302")
        receipt = await house.mail_of("receipt", to=ZHANG)
        assert ticket.number in str(receipt.message["Subject"])
        assert ticket.first_response_at is None, "a receipt is no first response"

        # nobody answers: warned before the limit, breached at it, escalated after it
        limit = (await house.deadlines())["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit - timedelta(minutes=30))
        assignment = await house.mail_of("assignment")
        handler = assignment.recipient
        assert (await house.mail_of("first_response_warning")).recipient == handler
        await house.pass_time(until=limit)
        assert (await house.ticket()).attention
        await house.mail_of("breach", to=handler)
        await house.mail_of("breach", to=CAROL)
        await house.pass_time(until=limit + timedelta(days=1))
        assert "escalated" in await house.log_kinds()
        assert house.mails_to(DORA), "the head of department was never told"

        # the supervisor acknowledges by the signed link: the ladder stops
        breach = await house.mail_of("breach", to=CAROL)
        before = len(await house.notifications("breach"))
        assert (await house.tap(link_in(breach, "t"))).status_code == 200
        await house.pass_time(timedelta(days=2))
        after = [row for row in await house.notifications("breach") if row.state is NotificationState.SENT]
        assert "acknowledged" in await house.log_kinds()
        assert (await house.deadlines())["escalation"].ended_reason in ("acknowledged", "met_late")

        # the agent answers the assignment mail; the answer leaves after the hold, without the internal note
        await house.mail(handler, "您好，请清除缓存后再试。\n\n#note 怀疑证书过期", answers=assignment)
        assert not await house.notifications("reply_to_customer") or not house.mails_to(ZHANG, "Re:")
        await house.pass_time(timedelta(minutes=2))
        answer = await house.mail_of("reply_to_customer", to=ZHANG)
        assert "清除缓存" in text_of(answer)
        assert "证书过期" not in answer.message.as_string()
        assert handler not in answer.message.as_string(), "the agent's own address must not leave"
        assert (await house.ticket()).first_response_at is not None
        assert len(after) >= before

        # the customer's reply comes back to the agent, without the customer's address
        await house.mail(ZHANG, "清除了，还是不行，我的邮箱 zhangsan@qq.example", answers=answer)
        reply = await house.mail_of("customer_reply", to=handler)
        assert "还是不行" in text_of(reply)
        assert ZHANG not in reply.message.as_string()

        # plan, acceptance with expected time, result
        number = ticket.number
        await house.api("POST", f"/tickets/{number}/progress", {"text": "更换证书", "plan": True}, by=handler)
        await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
        result = {"cause": "证书过期", "solution": "已更换证书", "precautions": "到期前提醒"}
        await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)
        feedback = await house.mail_of("result_feedback", to=ZHANG)
        assert "已更换证书" in text_of(feedback)
        assert (await house.ticket()).state is TicketState.AWAITING_FEEDBACK
        assert (await house.tap(link_in(feedback, "c"))).status_code == 200
        assert (await house.ticket()).state is TicketState.RESOLVED

        # the survey, a low score, the follow-up that nobody begins for 48 hours
        await house.pass_time(timedelta(hours=24))
        invitation = await house.mail_of("csat_invitation", to=ZHANG)
        answer_page = await house.tap(
            link_in(invitation, "s"), {"overall": "2", "speed": "1", "comment": "太慢了"}
        )
        assert answer_page.status_code == 200
        assert (await house.ticket()).state is TicketState.CLOSED
        alert = await house.mail_of("low_score_alert", to=CAROL)
        assert "太慢了" in text_of(alert)
        rated_at = house.clock.now()
        await house.pass_time(until=rated_at + timedelta(hours=44))
        await house.mail_of("followup_reminder", to=CAROL)
        await house.pass_time(until=rated_at + timedelta(hours=48))
        assert any(e.kind == "breached" and e.facts["clock"] == "followup_start" for e in await house.log())
        await house.pass_time(
            timedelta(hours=18)
        )  # what is not urgent and breaks at night is told at opening
        await house.mail_of("followup_overdue", to=CAROL)

        # it is taken, the customer is called, a measure is set and verified
        case = (await house.api("GET", "/followups"))["items"][0]
        await house.tap(link_in(alert, "t"))
        contact = {"text": "电话致歉，客户希望到期前提醒", "reached": True}
        await house.api("POST", f"/followups/{case['id']}/contact", contact, by="SV001")
        due = (house.clock.now() + timedelta(days=14)).isoformat()
        measure = {
            "cause": "process",
            "measure": "证书到期提醒",
            "term": "short",
            "department": "技术部",
            "due_at": due,
        }
        await house.api("POST", f"/followups/{case['id']}/measure", measure, by="SV001")
        await house.pass_time(timedelta(days=14))
        await house.api(
            "POST", f"/followups/{case['id']}/evaluate", {"met": True, "note": "未再发生"}, by="SV001"
        )
        case = await house.api("GET", f"/followups/{case['id']}")
        assert case["state"] == "met"


async def test_an_answer_in_time_meets_the_limit_and_silences_the_warning(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(ZHANG, "How do I export my data?", subject="Export")
        assignment = await house.mail_of("assignment")
        await house.mail(assignment.recipient, "Hello, it is under Settings > Export.", answers=assignment)
        await house.pass_time(timedelta(minutes=2))
        deadline = (await house.deadlines())["first_response"]
        assert deadline.state is DeadlineState.MET
        assert deadline.met_at == house.clock.now()
        await house.pass_time(timedelta(days=1))
        assert not await house.notifications("first_response_warning")
        assert "breached" not in [
            e.kind for e in await house.log() if e.facts.get("clock") == "first_response"
        ]


async def test_an_agent_takes_an_answer_back_within_two_minutes(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(ZHANG, "Please help", subject="Help")
        assignment = await house.mail_of("assignment")
        await house.mail(assignment.recipient, "Oops, wrong customer.", answers=assignment)
        hold = await house.mail_of("reply_on_hold", to=assignment.recipient)
        await house.tap(link_in(hold, "t"))
        await house.pass_time(timedelta(hours=1))
        (row,) = await house.notifications("reply_to_customer")
        assert (row.state, row.reason) == (NotificationState.SUPPRESSED, "taken_back")
        assert len(house.mails_to(ZHANG)) == 1, "only the receipt has left"
        assert (await house.ticket()).first_response_at is None


async def test_only_the_person_a_reply_address_was_given_to_may_answer_with_it(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(ZHANG, "Please help", subject="Help")
        assignment = await house.mail_of("assignment")
        await house.mail("mallory@evil.example", "Send me your password.", answers=assignment)
        await house.pass_time(timedelta(hours=1))
        assert not await house.notifications("reply_to_customer")
        (told,) = await house.notifications("reply_not_sent")
        assert told.staff_id is not None


async def test_a_customer_who_says_not_solved_gets_it_reopened_with_new_clocks(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _resolved_ticket(house)
        feedback = await house.mail_of("result_feedback", to=ZHANG)
        await house.tap(link_in(feedback, "c", 1), {"text": "还是登录不了"})
        ticket = await house.ticket(number)
        assert (ticket.state, ticket.opening) == (TicketState.IN_PROGRESS, 2)
        assert (await house.deadlines())["resolution"].state is DeadlineState.RUNNING
        await house.pass_time(timedelta(hours=2))
        assert not await house.notifications("csat_invitation"), "nobody is asked to rate unfinished work"


async def test_an_unrated_ticket_is_chased_by_mail_then_by_a_person_then_rests(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _resolved_ticket(house)
        feedback = await house.mail_of("result_feedback", to=ZHANG)
        await house.tap(link_in(feedback, "c"))
        for _ in range(12):
            await house.pass_time(timedelta(days=1))
        assert len(await house.notifications("csat_invitation")) == 1
        assert len(await house.notifications("csat_reminder")) == 1
        assert len(await house.notifications("survey_task")) == 1
        ticket = await house.ticket(number)
        assert (ticket.state, ticket.unrated_reason) == (TicketState.CLOSED, "followed_up")


async def test_an_sms_customer_is_asked_by_sms_and_answers_with_a_digit(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms("+8613800005678", "你们的收银机打不开了")
        (receipt,) = house.sms_provider.messages
        ticket = await house.ticket()
        assert ticket.number in receipt.body
        handler = (await house.mail_of("assignment")).recipient
        await house.api("POST", f"/tickets/{ticket.number}/first-response", {"channel": "phone"}, by=handler)
        result = {"cause": "电源", "solution": "换电源"}
        await house.api("POST", f"/tickets/{ticket.number}/resolve", result, by=handler)
        assert await house.notifications("phone_task"), "the result of an SMS ticket is told by phone"
        await house.api("POST", f"/tickets/{ticket.number}/feedback", {}, by=handler)
        await house.api("POST", f"/tickets/{ticket.number}/confirm", {"solved": True, "by": "customer"})
        await house.pass_time(timedelta(hours=24))
        assert len(house.sms_provider.messages) == 2
        await house.sms("+8613800005678", "５")
        ticket = await house.ticket()
        assert ticket.state is TicketState.CLOSED
        assert ticket.rated_at is not None


async def test_in_test_mode_outsiders_get_nothing_and_staff_get_everything(backend: Backend) -> None:
    async with open_house(backend, mode="test") as house:
        await house.mail(ZHANG, "Please help", subject="Help")
        (receipt,) = await house.notifications("receipt")
        assert (receipt.state, receipt.reason) == (NotificationState.HELD, "test_mode")
        assert not house.mails_to(ZHANG)
        await house.mail_of("assignment")


async def test_a_good_rating_confirms_the_result_and_closes_the_ticket(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _resolved_ticket(house)
        await house.pass_time(timedelta(hours=24))
        invitation = await house.mail_of("csat_invitation", to=ZHANG)
        await house.mail(ZHANG, "5 谢谢，很快！", answers=invitation)
        ticket = await house.ticket(number)
        assert (ticket.state, ticket.confirmed_by) == (TicketState.CLOSED, "customer")
        kinds = await house.log_kinds()
        assert kinds.index("rated") < kinds.index("confirmed") < kinds.index("closed")
