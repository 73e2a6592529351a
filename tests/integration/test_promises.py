"""The promises on their edges: what was decided once stays so, what was promised is never forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from models.people import Staff
from models.vocabulary import (
    DeadlineState,
    Role,
    TicketState,
)
from tests.callers import CAROL, LILEI, RESULT, handler_of, new_request, resolved
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import ADMIN, PUBLIC, House, link_in, open_house, text_of
from workers.cli.dossier import find_dossier
from workers.directory import ensure_administrator, people_in_roles
from workers.settings import Settings
from workers.tickets.customer import is_confirmation

pytestmark = pytest.mark.anyio


async def test_a_late_tap_on_accept_does_not_take_back_a_result(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        assignment = await house.mail_of("assignment")
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=assignment.recipient)
        answer = await house.web.post(link_in(assignment, "t").removeprefix(PUBLIC))
        assert answer.status_code == 409
        assert (await house.ticket()).state is TicketState.AWAITING_FEEDBACK


async def test_approving_a_request_that_a_result_has_overtaken_starts_no_clock(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        until = (house.clock.now() + timedelta(days=9)).isoformat()
        body = {"reason": "needs a part", "until": until}
        await house.api("POST", f"/tickets/{number}/escalate", body, by=handler)
        asked = await house.mail_of("escalation_request", to=CAROL)
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
        await house.tap(link_in(asked, "t", 0))
        assert "escalation_decided" in await house.log_kinds()
        resolution = (await house.deadlines()).get("resolution")
        assert resolution is None or resolution.state is not DeadlineState.RUNNING


async def test_a_promised_resolution_survives_a_new_priority(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        await house.api("POST", f"/tickets/{number}/accept", {}, by=await handler_of(house))
        promised = (await house.deadlines())["resolution"].limit_at
        await house.api("PATCH", f"/tickets/{number}", {"priority": "high"}, by=CAROL)
        resolution = (await house.deadlines())["resolution"]
        assert (resolution.state, resolution.limit_at) == (DeadlineState.RUNNING, promised)
        assert resolution.due_at is not None


async def test_a_reopened_request_promises_anew(backend: Backend) -> None:
    async with open_house(backend, settings={"policy": "after-sales"}) as house:
        number, handler = await resolved(house)
        await house.pass_time(timedelta(days=3))
        await house.api("POST", f"/tickets/{number}/confirm", {"solved": False}, by=handler)
        ticket = await house.ticket()
        assert ticket.expected_resolution_at == (await house.deadlines())["resolution"].limit_at
        later = (house.clock.now() + timedelta(days=5)).isoformat()
        await house.api("POST", f"/tickets/{number}/extend", {"reason": "a part", "until": later}, by=handler)


async def test_raising_the_priority_of_an_overdue_request_counts_its_breach_once(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        limit = (await house.deadlines())["first_response"].limit_at
        await house.pass_time(until=limit)
        assert (await house.ticket()).overdue_count == 1
        await house.api("PATCH", f"/tickets/{number}", {"priority": "high"}, by=CAROL)
        first = (await house.deadlines())["first_response"]
        assert first.state is DeadlineState.BREACHED
        assert first.breached_at is not None
        assert limit is not None
        assert first.breached_at < limit
        # The plan's new limit has passed as well, which is a breach of its own.
        assert (await house.ticket()).overdue_count == len(await _breached_clocks(house))


async def _breached_clocks(house: House) -> set[str]:
    return {entry.facts["clock"] for entry in await house.log() if entry.kind == "breached"}


async def test_a_bounce_takes_back_what_was_judged_by_it(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        before = (await house.deadlines())["first_response"]
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
        result = await house.mail_of("result_feedback")
        assert (await house.ticket()).feedback_at is not None
        await house.post_mail(_bounce_of(result.message_id), sender="")
        await house.settle()
        ticket = await house.ticket()
        assert (ticket.first_response_at, ticket.feedback_at) == (None, None)
        async with house.workshop.read() as uow:
            judged = await uow.session.get_one(type(before), before.id)
        assert (judged.state, judged.met_at) == (DeadlineState.WITHDRAWN, None)


async def test_a_late_answer_that_bounces_is_one_breach(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        limit = (await house.deadlines())["first_response"].limit_at
        await house.pass_time(until=limit)
        await house.api("POST", f"/tickets/{number}/answer", {"text": "Sorry!"}, by=await handler_of(house))
        await house.pass_time(timedelta(minutes=2))
        answer = await house.mail_of("reply_to_customer")
        await house.post_mail(_bounce_of(answer.message_id), sender="")
        await house.settle()
        assert (await house.deadlines())["first_response"].state is DeadlineState.BREACHED
        assert (await house.ticket()).overdue_count == len(await _breached_clocks(house))


async def test_a_second_answer_holds_when_the_first_one_bounces(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        for words in ("We are on it.", "It is done."):
            await house.api("POST", f"/tickets/{number}/answer", {"text": words}, by=handler)
            await house.pass_time(timedelta(minutes=2))
        first, second = await house.notifications("reply_to_customer")
        await house.post_mail(_bounce_of(str(first.message_id)), sender="")
        await house.settle()
        assert (await house.ticket()).first_response_at == second.sent_at
        assert (await house.deadlines())["first_response"].state is DeadlineState.MET


async def test_telling_the_result_by_phone_after_the_confirmation_still_closes(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        handler = await handler_of(house)
        details = {"customer": {"preferred_channel": "phone"}}
        await house.api("PATCH", f"/tickets/{number}", details, by=handler)
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
        await house.api("POST", f"/tickets/{number}/confirm", {"solved": True}, by=handler)
        await house.api("POST", f"/tickets/{number}/feedback", {"evidence": "call-1"}, by=handler)
        ticket = await house.ticket()
        assert ticket.first_response_at == ticket.feedback_at == house.clock.now()


async def test_a_question_is_no_confirmation() -> None:
    assert not any(is_confirmation(words) for words in ("问题", "收到", "已经", "问题已经", "?"))
    assert all(is_confirmation(words) for words in ("解决了，谢谢！", "好的，谢谢", "已解决", "Thanks"))


async def test_urging_counts_after_the_first_answer_too(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await new_request(house)
        receipt = await house.mail_of("receipt")
        body = {"channel": "phone"}
        await house.api("POST", f"/tickets/{number}/first-response", body, by=await handler_of(house))
        await house.mail(LILEI, "Any update? I am still waiting.", answers=receipt)
        ticket = await house.ticket()
        assert (ticket.urged_count, ticket.priority.value) == (1, "high")


async def test_a_customers_words_reach_somebody_when_the_handler_has_left(backend: Backend) -> None:
    async with open_house(backend) as house:
        await new_request(house)
        handler = await handler_of(house)
        number = "CS001" if handler.startswith("alice") else "CS002"
        await house.api("PATCH", f"/staff/{number}", {"active": False})
        await house.mail(LILEI, "One more thing.", answers=await house.mail_of("receipt"))
        told = [mail.recipient for mail in await _mails(house, "customer_reply")]
        assert told
        assert handler not in told


async def _mails(house: House, kind: str) -> list[CaughtMail]:
    ids = {row.message_id for row in await house.notifications(kind)}
    return [mail for mail in house.relay.mails if mail.message_id in ids]


async def test_the_last_rung_means_the_administrators_whoever_stands_in(backend: Backend) -> None:
    async with open_house(backend) as house:
        team = house.installation.policy.default_team
        await house.api("PATCH", f"/teams/{team}", {"substitute": "CS002"})
        async with house.workshop.read() as uow:
            bob = (await uow.session.scalars(select(Staff).where(Staff.number == "CS002"))).one()
            people = await people_in_roles(uow, team_id=bob.team_id, handler_id=None, roles=["administrator"])
            assert {person.role for person in people} == {Role.ADMINISTRATOR}


async def test_the_first_team_answers_for_a_ticket_wherever_it_goes(backend: Backend) -> None:
    async with open_house(backend, settings={"policy": "after-sales"}) as house:
        number = await new_request(house)
        first = (await house.api("GET", f"/tickets/{number}"))["first_team"]
        for team, staff, name in (("faraway", "SV009", "zoe"), ("further", "SV010", "yan")):
            boss = {"number": staff, "name": name, "email": f"{name}@help.example", "role": "supervisor"}
            await house.api("POST", "/staff", boss)
            await house.api("POST", "/teams", {"name": team, "supervisor": staff, "head": staff})
            body = {"to": staff, "reason": "theirs", "team": team}
            await house.api("POST", f"/tickets/{number}/transfer", body, by="SV001")
            shown = await house.api("GET", f"/tickets/{number}")
            assert (shown["team"], shown["first_team"]) == (team, first)
        async with house.workshop.read() as uow:
            explained = (await find_dossier(uow, number))["ticket"]
        assert (explained["team"], explained["first_team"]) == ("further", first)

        # The limit is missed: both supervisors; then the ladder, level by level: both heads.
        ladder = [(await house.deadlines())["first_response"].limit_at]
        await house.pass_time(until=ladder[0])
        assert {mail.recipient for mail in await _mails(house, "breach")} == {CAROL, "yan@help.example"}
        for alarm in (await house.deadlines())["escalation"].alarms:
            await house.pass_time(until=datetime.fromisoformat(alarm["at"]))
        told = Counter(mail.recipient for mail in await _mails(house, "breach"))
        assert told == {CAROL: 2, "yan@help.example": 3, "dora@help.example": 1, ADMIN: 1}

        # Another team solves it: the first one hears what was done, once; nobody else does.
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by="SV010")
        (solved,) = await _mails(house, "resolved_elsewhere")
        assert solved.recipient == CAROL
        assert "renewed it" in text_of(solved)
        assert "further" in text_of(solved)

        # Back with the first team there is nobody beside it to tell.
        await house.mail(LILEI, "It is broken again.", answers=await house.mail_of("result_feedback"))
        body = {"to": "CS001", "reason": "back", "team": first}
        await house.api("POST", f"/tickets/{number}/transfer", body, by="SV001")
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by="CS001")
        assert len(await house.notifications("resolved_elsewhere")) == 1


async def test_who_is_named_to_call_back_hears_of_it_each_time(backend: Backend) -> None:
    async with open_house(backend) as house:
        await resolved(house)
        await house.pass_time(timedelta(hours=2))
        invitation = await house.mail_of("csat_invitation")
        await house.tap(link_in(invitation, "s"), {"overall": "1"})
        (followup,) = (await house.api("GET", "/followups"))["items"]
        for number in ("CS001", "CS002", "CS001"):
            await house.api("POST", f"/followups/{followup['id']}/owner", {"staff": number}, by="SV001")
        told = [mail.recipient for mail in await _mails(house, "followup_reminder")]
        assert told == ["alice@help.example", "bob@help.example", "alice@help.example"]


async def test_the_administrator_may_change_and_several_processes_may_start_first(backend: Backend) -> None:
    async with open_house(backend) as house:
        house.workshop.settings = _admin(house, "second@help.example")

        async def start() -> None:
            async with house.workshop.begin() as uow:
                await ensure_administrator(uow)

        await asyncio.gather(*(start() for _ in range(4)))
        async with house.workshop.read() as uow:
            query = select(Staff.number).where(Staff.role == Role.ADMINISTRATOR).order_by(Staff.number)
            assert list(await uow.session.scalars(query)) == ["AD001", "AD002"]


def _admin(house: House, address: str) -> Settings:
    return replace(house.workshop.settings, admin=address)


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
