"""A low score opens the case at once; other low dimensions are flagged; scores may be changed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.base import new_id
from models.surveys import Followup, Survey
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, FollowupState, Lane, Role
from workers import deadlines
from workers.directory import people_for, people_present, policy_for
from workers.followups.finding import cases_lately, rated_person
from workers.followups.telling import judges, responsible, tell
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.policy import Alarm
from workers.unit_of_work import UnitOfWork

CHANGED = 1_000
"""Rungs from here on tell of a rating that the customer changed."""


async def open_followup(
    uow: UnitOfWork, survey: Survey, ticket: Ticket, scores: Mapping[str, int], comment: str
) -> Followup:
    """Open the case for a low score, alert the supervisor, start the 48-hour clock."""
    policy = await policy_for(uow, ticket, survey.policy_version_id)
    now = uow.clock.now()
    followup = Followup(
        id=new_id(),
        survey_id=survey.id,
        ticket_id=ticket.id,
        customer_id=ticket.customer_id,
        data_key_id=ticket.data_key_id,
        scores=dict(scores),
        opened_at=now,
        start_by=policy.followup.start_by(now),
        state=FollowupState.OPEN,
        round=1,
        version=1,
        tries=0,
        plan={"flagged": list(policy.followup.flagged(scores))},
    )
    await uow.add(followup)
    await record(uow, ticket, "followup_opened", followup_id=followup.id)
    reminders = [Alarm(at, "reminder", ("supervisor",)) for at in policy.followup.reminders_at(now)]
    breach = Alarm(followup.start_by, "breach", ("supervisor", "head"))
    await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.FOLLOWUP_START,
        fact=followup.id,
        generation=1,
        started_at=now,
        limit_at=followup.start_by,
        alarms=[alarm for alarm in [*reminders, breach] if alarm.at <= followup.start_by],
        lane=Lane.URGENT,
        followup_id=followup.id,
    )
    extra = await _alert_facts(uow, followup, comment)
    people = await judges(uow, ticket, followup)
    await tell(uow, ticket, followup, "low_score_alert", extra, people)
    return followup


async def rating_changed(
    uow: UnitOfWork,
    followup: Followup,
    survey: Survey,
    ticket: Ticket,
    scores: Mapping[str, int],
    comment: str,
) -> None:
    """The customer changed the rating while the case runs, or after it: the case keeps its course.

    A better score does not end it: somebody has promised to call, and what was wrong was wrong. Whoever leads
    it hears of the new scores (who judges it, where that is the person who was rated).
    """
    policy = await uow.policy_of(survey.policy_version_id)
    followup.scores = dict(scores)
    followup.plan = {**followup.plan, "flagged": list(policy.followup.flagged(scores))}
    followup.version += 1
    if followup.state.over:
        return
    people = await responsible(uow, ticket, followup.owner_id)
    if await rated_person(uow, followup) in {person.id for person in people}:
        people = await judges(uow, ticket, followup)
    extra = {**await _alert_facts(uow, followup, comment), "changed": True}
    rung = CHANGED + followup.version
    await tell(uow, ticket, followup, "low_score_alert", extra, people, rung=rung, take=False)


async def _alert_facts(uow: UnitOfWork, followup: Followup, comment: str) -> dict[str, Any]:
    return {
        "scores": followup.scores,
        "flagged": followup.plan.get("flagged", []),
        "comment": comment,
        "start_by": followup.start_by.isoformat(),
        "cases": await cases_lately(uow, followup),
        "changed": False,
    }


async def tell_flagged(
    uow: UnitOfWork, survey: Survey, ticket: Ticket, scores: Mapping[str, int], comment: str
) -> list[str]:
    """A good overall score with a low dimension: supervisor and quality staff hear of it; no case is opened.

    Gives the dimensions. The person who was rated is not told.
    """
    policy = await uow.policy_of(survey.policy_version_id)
    flagged = list(policy.followup.flagged(scores))
    if not flagged:
        return []
    await record(uow, ticket, "score_flagged", facts={"survey": survey.number})
    quality = [person for person in await people_present(uow) if person.role is Role.QUALITY]
    people = {person.id: person for person in [*await people_for(uow, ticket, ["supervisor"]), *quality]}
    known = await staff_ticket_facts(uow, ticket)
    for person in people.values():
        if person.id == survey.staff_id:
            continue
        facts = {**known, "scores": dict(scores), "flagged": flagged, "comment": comment}
        notice = Notice(
            kind="score_flagged",
            fact=survey.id.hex,
            ticket=ticket,
            facts={**facts, "survey": survey.number},
            survey_id=survey.id,
        )
        await notify(uow, staff_recipient(uow, person), notice)
    return flagged
