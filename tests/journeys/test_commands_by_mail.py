"""What agents do by the first lines of their mails: one by one, as themselves, never before the customer."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage

import pytest

from models.vocabulary import DeadlineState, EventState, NotificationState, Priority, TicketState
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import House, link_in, open_house, text_of

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"
CAROL = "carol@help.example"
NUMBERS = {"alice@help.example": "CS001", "bob@help.example": "CS002"}


async def _assigned(house: House) -> CaughtMail:
    """A new request; gives the mail that its handler got."""
    await house.mail(LILEI, "Please help with my order.", subject="Order", name="Li Lei")
    return await house.mail_of("assignment")


async def _told(house: House) -> str:
    """The newest mail that says what became of commands, as text."""
    return text_of(await house.mail_of("commands_read"))


async def _customers_mails(house: House) -> int:
    await house.pass_time(timedelta(minutes=3))
    return len(house.mails_to(LILEI))


async def _english(house: House) -> None:
    for number in ("CS001", "CS002", "SV001"):
        await house.api("PATCH", f"/staff/{number}", {"locale": "en"})


async def test_accepting_with_a_time_and_answering_in_one_mail(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        assert "#accept 4h" in text_of(assignment)
        await house.mail(assignment.recipient, "#accept 4h\nHello, we look into it.", answers=assignment)
        ticket = await house.ticket()
        assert ticket.accepted_at == house.clock.now()
        assert ticket.expected_resolution_at == house.clock.now() + timedelta(hours=4)
        assert (await house.deadlines())["acceptance"].state is DeadlineState.MET
        entry = next(entry for entry in await house.log() if entry.kind == "accepted")
        assert (entry.actor, entry.staff_id) == ("staff", ticket.handler_id)
        told = await _told(house)
        assert "#accept 4h → accepted, to be resolved by" in told
        assert "The rest of your mail goes to the customer." in told
        assert await _customers_mails(house) == 2
        answer = text_of(await house.mail_of("reply_to_customer"))
        assert "Hello, we look into it." in answer
        assert "#accept" not in answer
        assert (await house.ticket()).first_response_at is not None


async def test_commands_alone_send_nothing_and_come_into_force_once(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        raw = EmailMessage()
        raw["From"], raw["To"] = assignment.recipient, str(assignment.message["Reply-To"])
        raw["Message-ID"], raw["Subject"] = "<once@help.example>", "Re: Order"
        raw.set_content("#progress rang twice,\nnobody there\n\n#priority high\n\n#note he is angry\nreally")
        for trace in ("one", "two"):
            copy = f"Received: from {trace}.example\r\n".encode() + raw.as_bytes()
            assert (await house.post_mail(copy, sender=assignment.recipient)).status_code == 200
            await house.settle()
        assert await _customers_mails(house) == 1, "the receipt only"
        assert not await house.notifications("reply_to_customer")
        kinds = await house.log_kinds()
        assert [kinds.count(kind) for kind in ("progress", "triaged", "note")] == [1, 1, 1]
        assert (await house.ticket()).priority is Priority.HIGH
        assert len(await house.notifications("commands_read")) == 1
        assert "Nothing was sent to the customer." in await _told(house)
        assert (await house.events())[-1].reason == "copy"


async def test_more_time_is_asked_for_by_mail_and_approved_by_link(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        await house.mail(assignment.recipient, "#accept 30wd\n#extend 2wd part missing", answers=assignment)
        told = await _told(house)
        assert "is the latest you can promise" in told
        assert "not accepted yet" in told
        await house.mail(
            assignment.recipient, "#accept\n#extend 2wd part must be ordered", answers=assignment
        )
        before = (await house.ticket()).expected_resolution_at
        asked = await house.mail_of("escalation_request", to=CAROL)
        assert "part must be ordered" in text_of(asked)
        assert "your supervisor has been asked for" in await _told(house)
        await house.tap(link_in(asked, "t", 0))
        after = (await house.ticket()).expected_resolution_at
        assert before is not None
        assert after is not None
        assert after > before + timedelta(days=1)
        assert (await house.deadlines())["resolution"].limit_at == after
        assert (await house.mail_of("escalation_decided")).recipient == assignment.recipient


async def test_a_supervisors_own_extension_is_approved_at_once(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        words = "#accept\n#escalate needs R&D\nresources: one developer\ntime: 1wd"
        await house.mail(assignment.recipient, words, answers=assignment)
        asked = await house.mail_of("escalation_request", to=CAROL)
        assert "one developer" in text_of(asked)
        before = (await house.ticket()).expected_resolution_at
        await house.mail(CAROL, "#extend 3wd agreed with the customer\n#accept", answers=asked)
        after = (await house.ticket()).expected_resolution_at
        assert before is not None
        assert after is not None
        assert after > before
        told = await _told(house)
        assert "to be resolved by" in told
        assert "somebody else handles the ticket" in told
        decided = [entry for entry in await house.log() if entry.kind == "escalation_decided"]
        assert len(decided) == 1


async def test_a_transfer_by_name_number_or_team_says_who_is_meant(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        team = house.installation.policy.default_team
        for number in ("CS003", "CS007"):
            body = {"number": number, "name": "Zhang San", "email": f"{number}@help.example".lower(),
                    "role": "agent", "team": team}  # fmt: skip # packed, to be read at a glance
            await house.api("POST", "/staff", body)
        assignment = await _assigned(house)
        first = (await house.ticket()).handler_id
        words = (
            "#transfer Zhang San knows printers\n#transfer Nobody at all\n#transfer CS007\n\n#progress asked"
        )
        await house.mail(assignment.recipient, words, answers=assignment)
        told = await _told(house)
        assert "several people have this name, give the number instead: Zhang San: CS003, CS007" in told
        assert "nobody here and no team is called Nobody" in told
        assert "give the reason" in told
        assert (await house.ticket()).handler_id == first
        assert "progress" in await house.log_kinds(), "what was understood is done"
        await house.mail(assignment.recipient, "＃transfer cs007: knows printers", answers=assignment)
        entry = next(entry for entry in await house.log() if entry.kind == "transferred")
        assert (entry.facts["from"], entry.facts["to"]) == (NUMBERS[assignment.recipient], "CS007")
        passed = await house.mail_of("transfer")
        assert passed.recipient == "cs007@help.example"
        assert "knows printers" in text_of(passed)
        await house.mail(passed.recipient, f"#transfer {team} back to the queue", answers=passed)
        assert (await house.ticket()).handler_id is not None
        assert [entry.kind for entry in await house.log()].count("transferred") == 2


async def test_a_result_by_mail_goes_out_as_feedback(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        await house.mail(assignment.recipient, "#resolve it works again", answers=assignment)
        assert "cause:" in await _told(house)
        assert (await house.ticket()).resolved_at is None
        result = "#resolve\ncause: expired certificate\nsolution: renewed it\nprecautions: clear the cache"
        result += f"\nyours, {assignment.recipient}"
        await house.mail(assignment.recipient, result, answers=assignment)
        ticket = await house.ticket()
        assert ticket.state is TicketState.AWAITING_FEEDBACK
        feedback = await house.mail_of("result_feedback", to=LILEI)
        for words in ("expired certificate", "renewed it", "clear the cache"):
            assert words in text_of(feedback)
        assert assignment.recipient not in feedback.message.as_string()
        assert ticket.feedback_at == house.clock.now()
        await house.mail(assignment.recipient, "#resolve\ncause: a\nsolution: b", answers=assignment)
        assert "result has been given already" in await _told(house)


async def test_what_was_not_understood_holds_the_mail_and_the_rest_is_done(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        commands = "#accept 9999h\n#finish it\n#priority x\n#category 投诉类\n#plan swap the disk"
        text = f"{commands}\n\nDear customer, it is done."
        await house.mail(assignment.recipient, text, answers=assignment)
        told = await _told(house)
        for words in (
            "#accept 9999h → write only a time here",
            "#finish it → there is no such command",
            "#priority x → no such priority; use one of Urgent, High, Medium, Low",
            "#category 投诉类 → category: Complaint",
            "#plan swap the disk → the plan is logged",
            "Dear customer, it is done.",
        ):
            assert words in told
        assert await _customers_mails(house) == 1
        ticket = await house.ticket()
        assert ticket.planned_at is not None
        assert ticket.accepted_at is None
        assert ticket.first_response_at is None
        (event,) = [event for event in await house.events() if event.kind == "commands"]
        assert (event.state, event.reason) == (EventState.REJECTED, "not_understood")
        assert not await house.notifications("reply_not_sent"), "one mail tells all"


async def test_a_command_below_the_answer_holds_it_too(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        await house.mail(
            assignment.recipient, "It is done.\n#resolve\ncause: x\nsolution: y", answers=assignment
        )
        assert "commands stand in the first lines" in await _told(house)
        assert await _customers_mails(house) == 1
        assert (await house.ticket()).resolved_at is None


async def test_a_command_that_fails_half_way_leaves_no_trace(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.errors import Conflict
    from workers.tickets import finishing

    async def refuse(*_: object) -> None:
        raise Conflict("no")

    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        monkeypatch.setattr(finishing, "_give_feedback", refuse)
        await house.mail(
            assignment.recipient, "#plan a\n#resolve\ncause: x\nsolution: y\n#progress b", answers=assignment
        )
        ticket = await house.ticket()
        assert (ticket.state, ticket.resolved_at) == (TicketState.IN_PROGRESS, None)
        kinds = await house.log_kinds()
        assert "resolved" not in kinds
        assert kinds.index("plan_given") < kinds.index("progress")
        assert (await house.deadlines())["acceptance"].state is DeadlineState.RUNNING


async def test_from_another_address_nothing_is_carried_out_and_the_agent_is_told(backend: Backend) -> None:
    async with open_house(backend) as house:
        assignment = await _assigned(house)
        other = next(address for address in NUMBERS if address != assignment.recipient)
        for sender in ("mallory@evil.example", other):
            await house.mail(sender, "#accept 4h\n#resolve\ncause: x\nsolution: y", answers=assignment)
        ticket = await house.ticket()
        assert (ticket.accepted_at, ticket.resolved_at) == (None, None)
        assert not await house.notifications("commands_read")
        assert [told.staff_id for told in await house.notifications("reply_not_sent")] == [
            ticket.handler_id
        ] * 2
        assert await _customers_mails(house) == 1


async def test_a_customers_command_is_plain_text(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _assigned(house)
        receipt = await house.mail_of("receipt")
        await house.mail(LILEI, "#resolve\ncause: x\nsolution: y\n#priority low", answers=receipt)
        ticket = await house.ticket()
        assert (ticket.resolved_at, ticket.priority) == (None, Priority.MEDIUM)
        assert "#resolve" in text_of(await house.mail_of("customer_reply"))
        assert not await house.notifications("commands_read")


async def test_a_quoted_command_is_nobodys(backend: Backend) -> None:
    async with open_house(backend) as house:
        assignment = await _assigned(house)
        await house.mail(
            assignment.recipient,
            "Hello, we look into it.\n\n> #accept 4h\n> #resolve\n> cause: x",
            answers=assignment,
        )
        assert (await house.ticket()).accepted_at is None
        assert not await house.notifications("commands_read")
        assert await _customers_mails(house) == 2


async def test_chinese_commands_from_a_qq_mail(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.api("PATCH", "/staff/CS001", {"name": "王芳"})
        await house.api("PATCH", "/staff/CS002", {"name": "王芳"})
        assignment = await _assigned(house)
        reply = str(assignment.message["Reply-To"])
        text = (
            "＃接单　4小时\n＃优先级：高\n\n#进展 已致电客户，\n客户同意明天上门\n\n王芳\n云帆科技 客服部\n\n"
            "------------------&nbsp;原始邮件&nbsp;------------------\n"
            f'发件人: "support" <{reply}>;\n发送时间: 2026年3月2日(星期一) 上午10:00\n'
            f'收件人: "王芳" <{assignment.recipient}>;\n主题: {assignment.message["Subject"]}\n\n'
            f"{text_of(assignment)}"
        ).replace("&nbsp;", " ")
        await house.mail(assignment.recipient, text, to=reply, subject="回复：工单")
        ticket = await house.ticket()
        assert ticket.accepted_at == house.clock.now()
        assert ticket.expected_resolution_at == house.clock.now() + timedelta(hours=4)
        assert ticket.priority is Priority.HIGH
        told = await _told(house)
        assert "#进展 已致电客户， → 已记录进展" in told
        assert "被看作您的签名" in told
        assert await _customers_mails(house) == 1, "a signature is no answer"


async def test_a_call_is_logged_by_mail_with_its_record(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        await house.mail(assignment.recipient, "#phone call-88213 he will restart it", answers=assignment)
        ticket = await house.ticket()
        assert ticket.first_response_at == house.clock.now()
        entry = next(entry for entry in await house.log() if entry.kind == "first_response")
        assert (entry.evidence, entry.facts["channel"], entry.staff_id) == (
            "call-88213", "phone", ticket.handler_id,
        )  # fmt: skip # packed, to be read at a glance
        await house.mail(assignment.recipient, "#phone call-88214", answers=assignment)
        assert "use #progress" in await _told(house)
        await house.mail(assignment.recipient, "#help", answers=assignment)
        assert "#escalate reason → ask for a decision" in await _told(house)
        assert all(row.state is NotificationState.SENT for row in await house.notifications("commands_read"))


async def test_an_uncut_quotation_among_the_words_is_not_passed_on(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        reply = str(assignment.message["Reply-To"])
        pasted = f"#accept\n#resolve\ncause: x\nsolution: write to {reply}\n\nHello, write to {reply}"
        await house.mail(assignment.recipient, pasted, to=reply, subject="Re: Order")
        told = await house.mail_of("commands_read")
        assert "it quotes our mail" in text_of(told)
        assert "could not be told apart" in text_of(told)
        assert reply not in text_of(told)
        ticket = await house.ticket()
        assert ticket.accepted_at is not None
        assert ticket.resolved_at is None
        assert await _customers_mails(house) == 1


async def test_what_is_no_request_is_closed_by_mail_and_taken_up_again(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _english(house)
        assignment = await _assigned(house)
        await house.mail(assignment.recipient, "#ticket", answers=assignment)
        assert "it was not closed as no request" in await _told(house)
        await house.mail(assignment.recipient, "#junk advertisement: sells printers", answers=assignment)
        assert (await house.ticket()).state is TicketState.CLOSED
        assert "closed as no request" in await _told(house)
        entry = next(entry for entry in await house.log() if entry.kind == "dismissed")
        assert (entry.facts["reason"], entry.actor) == ("advertisement", "staff")
        await house.mail(assignment.recipient, "#accept\n#是工单", answers=assignment)
        told = await _told(house)
        assert "the ticket is finished" in told
        assert "it is a request again" in told
        assert (await house.ticket()).state is TicketState.IN_PROGRESS


async def test_a_sender_that_our_own_server_disproved_carries_nothing_out(backend: Backend) -> None:
    async with open_house(backend, settings={"auth_servers": ("mx.help.example",)}) as house:
        assignment = await _assigned(house)
        for server, result in (("mx.help.example", "fail"), ("mx.evil.example", "fail")):
            headers = {
                "Authentication-Results": f"{server}; dmarc={result} (p=none) header.from=help.example"
            }
            await house.mail(assignment.recipient, "#accept", answers=assignment, headers=headers)
            assert ((await house.ticket()).accepted_at is None) == (server == "mx.help.example")
        (told,) = await house.notifications("reply_not_sent")
        assert told.staff_id == (await house.ticket()).handler_id
        assert "域名" in text_of(await house.mail_of("reply_not_sent"))
