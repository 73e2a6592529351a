"""Invite after the result, remind on working day 2, make it a person's task on day 3, then let it rest."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Customer
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import NOT_A_TICKET, DeadlineKind, Lane, Medium
from workers import deadlines, escalations
from workers.directory import policy_for
from workers.errors import Conflict
from workers.history import record
from workers.notifications import (
    Notice,
    customer_recipient,
    notify,
    staff_recipient,
    staff_ticket_facts,
    ticket_facts,
)
from workers.policy import Alarm, AskRule, Service
from workers.policy.asking_parts import RETURN_VISIT, Touchpoint
from workers.surveys.asked import asked_by
from workers.surveys.ways import order_for, way_to
from workers.tickets import (
    IMPORTED,
    confirmation_links,
    outcome_link,
    service_of,
    try_close,
    waits_for_confirmation,
    who_rings_up,
)
from workers.unit_of_work import UnitOfWork

NOT_ASKED = "not_asked"
OPTED_OUT = "suppressed_opted_out"
"""Why nobody asks any more: of a survey that is `invited`, the customer has asked for no more since."""
LEFT_OUT = frozenset({"by_rule", "not_sampled"})
NEVER_ASKED = (IMPORTED, NOT_A_TICKET)
"""Reasons of closing by which a ticket is nobody's service of ours that could be rated."""
UNWANTED = frozenset(
    {"fatigue_cap", "suppressed_opted_out", "suppressed_complaint", "suppressed_blocked_by_staff"}
)


async def invite(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Ask for a rating of this resolution, once, as the first rule that fits says."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    if ticket.resolved_at is None or ticket.opening != row.generation or ticket.rated_at is not None:
        return None
    await _begin(uow, ticket, ticket.resolved_at, await service_of(uow, ticket))
    return None


async def ask(uow: UnitOfWork, ticket: Ticket, touchpoint: Touchpoint | None = None) -> Survey:
    """Ask about a result once more than the rules did: looking back, or on a return visit (row D1).

    The fatigue cap and the customer's wishes hold as ever; who was left out by a rule or a sample is asked
    now. Raises Conflict when the ticket has no result, or was asked about it already.
    """
    if ticket.resolved_at is None or ticket.close_reason in NEVER_ASKED:
        raise Conflict(f"ticket {ticket.number} has no result to ask about")
    if (await uow.the(Customer, ticket.customer_id)).erased_at is not None:
        raise Conflict(f"the customer of ticket {ticket.number} is erased")
    asked = select(Survey).where(Survey.ticket_id == ticket.id, Survey.opening == ticket.opening)
    survey = await uow.session.scalar(asked)
    if survey is not None and survey.reason not in LEFT_OUT:
        raise Conflict(f"ticket {ticket.number} was asked about: {survey.number}", hint="once per result")
    await deadlines.withdraw(uow, ticket, [DeadlineKind.SURVEY_INVITATION], "asked_earlier")
    service = await service_of(uow, ticket, touchpoint)
    return await _begin(uow, ticket, ticket.resolved_at, service, wanted=True, again=survey)


async def _begin(
    uow: UnitOfWork,
    ticket: Ticket,
    service_at: datetime,
    service: Service,
    *,
    wanted: bool = False,
    again: Survey | None = None,
) -> Survey:
    """A survey for this result, and what it sets going. `wanted`: whatever the rules say of asking."""
    policy = await policy_for(uow, ticket)
    rule = policy.survey.asking(service)
    survey = again or await _make(uow, ticket, service_at)
    survey.touchpoint = RETURN_VISIT if rule.periodic else service.touchpoint
    name = policy.survey.questionnaire_of(rule)
    survey.questionnaire = RETURN_VISIT if service.touchpoint == RETURN_VISIT and name is None else name
    reason = None if wanted else _left_out(ticket, rule)
    if reason is not None:
        survey.state, survey.reason = NOT_ASKED, reason
        await _end_unrated(uow, ticket, survey, reason)
        return survey
    now = uow.clock.now()
    survey.state, survey.reason = "invited", None
    survey.invited_at, survey.expires_at = now, policy.survey.expires_at(now)
    order = await order_for(uow, ticket, rule.ways)
    survey.channel = await way_to(uow, ticket, order) or survey.channel
    facts = {"survey": survey.number, "touchpoint": survey.touchpoint, "channel": survey.channel.value}
    await record(uow, ticket, "survey_invited", facts=facts)
    await ask_by(uow, ticket, survey, survey.channel)
    await _start_chasing(uow, ticket, survey)
    return survey


async def ask_by(uow: UnitOfWork, ticket: Ticket, survey: Survey, way: Medium) -> None:
    """Ask by this way from now on: by a message, or by telling a person to ring up."""
    survey.channel = way
    if way is Medium.PHONE:
        await _give_task(uow, ticket, survey)
    else:
        await _ask(uow, ticket, survey, "csat_invitation")


def _left_out(ticket: Ticket, rule: AskRule) -> str | None:
    """Why a rule leaves this result out; None: it does not. A sample is always the same."""
    if not rule.ask:
        return "by_rule"
    return None if rule.takes(ticket.id.bytes) else "not_sampled"


async def _make(uow: UnitOfWork, ticket: Ticket, service_at: datetime) -> Survey:
    policy = await policy_for(uow, ticket)
    customer = await uow.the(Customer, ticket.customer_id)
    now = uow.clock.now()
    day = uow.policy.calendar.local_date(now).strftime("%Y%m%d")
    number = await uow.draw_number(f"CSAT{day}", 3)
    if uow.ahead is not None:
        uow.ahead.left = max(1, uow.ahead.left - 1)
    survey = Survey(
        id=new_id(),
        number=number,
        ticket_id=ticket.id,
        opening=ticket.opening,
        customer_id=ticket.customer_id,
        staff_id=ticket.credited_id or ticket.handler_id,
        team_id=ticket.credited_team_id or ticket.team_id,
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
    facts: dict[str, Any] = {
        **await ticket_facts(uow, ticket),
        "expires_at": survey.expires_at.isoformat(),
        "scores": list((await asked_by(uow, survey)).scores),
    }
    hours = max(1, int((survey.expires_at - uow.clock.now()).total_seconds() // 3600))
    by_mail = to.channel is Medium.EMAIL
    notice = Notice(
        kind=kind,
        fact=survey.id.hex,
        ticket=ticket,
        facts=facts,
        links={
            **await _ways_to_answer(uow, survey, hours),
            **(confirmation_links(ticket) if kind == "csat_reminder" and by_mail else {}),
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
    policy = await policy_for(uow, ticket, survey.policy_version_id)
    task_at = policy.survey.task_at(survey.invited_at)
    alarms = [Alarm(policy.survey.close_unrated_at(task_at), "give_up", ())]
    if survey.channel is not Medium.PHONE:  # else a person was told to ask right away
        first = Alarm(policy.survey.reminder_at(survey.invited_at), "reminder", ())
        alarms = [first, Alarm(task_at, "task", ("handler",)), *alarms]
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
    unwanted = survey.state == "invited" and survey.reason == OPTED_OUT and alarm.step != "reminder"
    if survey.state == NOT_ASKED or unwanted:  # the reminder's own end says that it is not wanted
        if alarm.step == "give_up":
            await _end_unrated(uow, ticket, survey, NOT_ASKED)
        return None
    if survey.state != "invited":
        return None
    if survey.channel is Medium.PHONE and alarm.step in ("reminder", "task"):
        return None  # the other ways have failed, and a person was told to ask
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
        survey.state, survey.reason = NOT_ASKED, reason


async def _give_task(uow: UnitOfWork, ticket: Ticket, survey: Survey) -> None:
    """Row B11: a person follows up; the customer may tell the scores on the phone."""
    facts = {
        **await staff_ticket_facts(uow, ticket),
        "invited_at": survey.invited_at.isoformat(),
        "first": survey.channel is Medium.PHONE,
    }
    hours = max(1, int((survey.expires_at - uow.clock.now()).total_seconds() // 3600))
    links: dict[str, Any] = {"phone_survey": escalations.link("phone_survey", survey.id, hours=hours)}
    if waits_for_confirmation(ticket) and survey.opening == ticket.opening:
        links["confirmation"] = outcome_link(ticket)
    for person in await who_rings_up(uow, ticket):
        notice = Notice(
            kind="survey_task",
            fact=survey.id.hex,
            ticket=ticket,
            facts=facts,
            links=links,
            survey_id=survey.id,
        )
        await notify(uow, staff_recipient(uow, person), notice)
    await record(uow, ticket, "survey_task", facts={"survey": survey.number})
