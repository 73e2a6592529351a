"""Invite after the result, remind on working day 2, make it a person's task on day 3, then let it rest."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from models.base import new_id
from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Customer, Staff
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Lane, Medium
from workers import deadlines, escalations
from workers.directory import people_for
from workers.history import record
from workers.notifications import (
    Notice,
    customer_recipient,
    notify,
    staff_recipient,
    staff_ticket_facts,
    ticket_facts,
)
from workers.policy import Alarm
from workers.tickets import try_close
from workers.unit_of_work import UnitOfWork

NOT_ASKED = "not_asked"
UNWANTED = frozenset(
    {"fatigue_cap", "suppressed_opted_out", "suppressed_complaint", "suppressed_blocked_by_staff"}
)


async def invite(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Ask for a rating of this resolution, once; the agent credited is the handler of now."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    if ticket.resolved_at is None or ticket.opening != row.generation or ticket.rated_at is not None:
        return None
    survey = await _make(uow, ticket, ticket.resolved_at)
    await record(uow, ticket, "survey_invited", facts={"survey": survey.number})
    await _ask(uow, ticket, survey, "csat_invitation")
    await _start_chasing(uow, ticket, survey)
    return None


async def _make(uow: UnitOfWork, ticket: Ticket, service_at: datetime) -> Survey:
    policy = await uow.policy_of(ticket.policy_version_id)
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    now = uow.clock.now()
    day = policy.calendar.local_date(now).strftime("%Y%m%d")
    survey = Survey(
        id=new_id(),
        number=await uow.draw_number(f"CSAT{day}", 3),
        ticket_id=ticket.id,
        opening=ticket.opening,
        customer_id=ticket.customer_id,
        staff_id=ticket.handler_id,
        team_id=ticket.team_id,
        category=ticket.category,
        customer_group=customer.customer_group,
        channel=ticket.channel if ticket.channel is Medium.SMS else Medium.EMAIL,
        locale=ticket.locale,
        state="invited",
        service_at=service_at,
        invited_at=now,
        expires_at=policy.survey.expires_at(now),
        anonymous=False,
        policy_version_id=ticket.policy_version_id,
    )
    await uow.add(survey)
    return survey


async def _ask(uow: UnitOfWork, ticket: Ticket, survey: Survey, kind: str) -> None:
    to = await customer_recipient(uow, ticket, survey.channel)
    if to is None:
        await record(uow, ticket, "survey_not_sent", facts={"reason": "no_written_address"})
        return
    facts: dict[str, Any] = {**await ticket_facts(uow, ticket), "expires_at": survey.expires_at.isoformat()}
    hours = max(1, int((survey.expires_at - uow.clock.now()).total_seconds() // 3600))
    notice = Notice(
        kind=kind,
        fact=survey.id.hex,
        ticket=ticket,
        facts=facts,
        links={
            **await _ways_to_answer(uow, survey, hours),
            "unsubscribe": escalations.link("unsubscribe", survey.id, hours=24 * 365, single_use=False),
        },
        lane=Lane.BULK,
        expires_at=survey.expires_at,
        survey_id=survey.id,
    )
    await notify(uow, to, notice)


async def _ways_to_answer(uow: UnitOfWork, survey: Survey, hours: int) -> dict[str, dict[str, Any] | None]:
    """By a link, by a code to type, or by the reply alone; a mail always has a link."""
    way = "link"
    if survey.channel is Medium.SMS:
        way = (await uow.policy_of(survey.policy_version_id)).survey.sms_answer
    wanted = escalations.link("survey", survey.id, hours=hours, single_use=False)
    return {
        "survey": wanted if way == "link" else None,
        "survey_code": {**wanted, "typed": True} if way == "code" else None,
    }


async def _start_chasing(uow: UnitOfWork, ticket: Ticket, survey: Survey) -> None:
    policy = await uow.policy_of(survey.policy_version_id)
    task_at = policy.survey.task_at(survey.invited_at)
    alarms = [
        Alarm(policy.survey.reminder_at(survey.invited_at), "reminder", ()),
        Alarm(task_at, "task", ("handler",)),
        Alarm(policy.survey.close_unrated_at(task_at), "give_up", ()),
    ]
    await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.SURVEY,
        fact=survey.id,
        generation=survey.opening,
        started_at=survey.invited_at,
        limit_at=alarms[-1].at,
        alarms=alarms,
        lane=Lane.BULK,
        survey_id=survey.id,
    )


async def chase(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Nobody has answered yet: remind, then have a person ask, then close as 未评价(已跟进)."""
    assert row.survey_id is not None
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    survey = await uow.session.get_one(Survey, row.survey_id)
    if survey.state == NOT_ASKED:
        if alarm.step == "give_up":
            await _end_unrated(uow, ticket, survey, NOT_ASKED)
        return None
    if survey.state != "invited":
        return None
    if alarm.step == "reminder":
        await _ask(uow, ticket, survey, "csat_reminder")
    elif alarm.step == "task":
        await _give_task(uow, ticket, survey)
    else:
        await _end_unrated(uow, ticket, survey, "followed_up")
    return None


async def _end_unrated(uow: UnitOfWork, ticket: Ticket, survey: Survey, reason: str) -> None:
    ticket.unrated_reason = reason
    await record(uow, ticket, "unrated", facts={"survey": survey.number, "reason": reason})
    await try_close(uow, ticket)


async def held_back(uow: UnitOfWork, ticket: Ticket, message: Notification, reason: str) -> None:
    """An invitation or reminder was held back when it was to leave; the ticket's log says why.

    Who does not want to be asked, or was asked lately, is not rung up instead: the chase only waits for its
    end then. An address that is no good leaves the task for a person as it is.
    """
    survey = await uow.session.get_one(Survey, message.survey_id)
    facts = {"survey": survey.number, "notification": message.kind, "reason": reason}
    await record(uow, ticket, "survey_not_sent", facts=facts, notification_id=message.id)
    if message.kind == "csat_invitation" and reason in UNWANTED and survey.state == "invited":
        survey.state = NOT_ASKED


async def _give_task(uow: UnitOfWork, ticket: Ticket, survey: Survey) -> None:
    """Row B11: a person follows up; the customer may tell the scores on the phone."""
    credited = await uow.session.get(Staff, ticket.handler_id) if ticket.handler_id else None
    people = [credited] if credited else await people_for(uow, ticket, ["supervisor"])
    facts = {**await staff_ticket_facts(uow, ticket), "invited_at": survey.invited_at.isoformat()}
    for person in people:
        notice = Notice(
            kind="survey_task", fact=survey.id.hex, ticket=ticket, facts=facts, survey_id=survey.id
        )
        await notify(uow, staff_recipient(uow, person), notice)
    await record(uow, ticket, "survey_task", facts={"survey": survey.number})
