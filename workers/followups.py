"""The second follow-up 二次跟进: opened by a low score, started within 48 hours, ended by re-evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Deadline
from models.people import Staff
from models.surveys import Followup, Survey
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, FollowupState, Lane
from workers import deadlines, escalations
from workers.directory import people_for
from workers.errors import Conflict, InvalidInput, NotFound
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.policy import Alarm
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork

CAUSES = frozenset({"process", "people", "tool"})
TERMS = frozenset({"short", "long"})
NAMED = 100
"""Rungs from here on tell somebody that they were named; those below remind."""


async def open_followup(
    uow: UnitOfWork, survey: Survey, ticket: Ticket, scores: Mapping[str, int], comment: str
) -> Followup:
    """Open the case for a low score, alert the supervisor, start the 48-hour clock."""
    policy = await uow.policy_of(survey.policy_version_id)
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
    await _alert(uow, ticket, followup, comment)
    return followup


async def _alert(uow: UnitOfWork, ticket: Ticket, followup: Followup, comment: str) -> None:
    extra = {"scores": followup.scores, "comment": comment, "start_by": followup.start_by.isoformat()}
    await _tell(
        uow, ticket, followup, "low_score_alert", extra, await people_for(uow, ticket, ["supervisor"])
    )


async def _tell(
    uow: UnitOfWork,
    ticket: Ticket,
    followup: Followup,
    kind: str,
    extra: Mapping[str, Any],
    people: list[Staff],
    rung: int = 0,
) -> None:
    facts = {**await staff_ticket_facts(uow, ticket), **extra}
    for person in people:
        notice = Notice(
            kind=kind,
            fact=followup.id.hex,
            ticket=ticket,
            generation=followup.round,
            rung=rung,
            facts=facts,
            links={"take": escalations.link("take_followup", followup.id)},
            lane=Lane.URGENT,
        )
        await notify(uow, staff_recipient(uow, person), notice)
    if not people:
        await record(uow, ticket, "nobody_to_tell", facts={"notification": kind}, followup_id=followup.id)


async def start_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Reminders while the follow-up has not been started; its breach climbs the ladder."""
    if alarm.step == "breach":
        return await escalations.breach(uow, row, alarm)
    assert row.followup_id is not None
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    followup = await uow.session.get_one(Followup, row.followup_id)
    await _remind(uow, ticket, followup, await _responsible(uow, ticket, followup), rung=row.alarm_no)
    return None


async def _remind(
    uow: UnitOfWork, ticket: Ticket, followup: Followup, people: list[Staff], rung: int
) -> None:
    extra = {"start_by": followup.start_by.isoformat(), "opened_at": followup.opened_at.isoformat()}
    await _tell(uow, ticket, followup, "followup_reminder", extra, people, rung=rung)


async def _responsible(uow: UnitOfWork, ticket: Ticket, followup: Followup) -> list[Staff]:
    owner = await uow.session.get(Staff, followup.owner_id) if followup.owner_id else None
    return [owner] if owner is not None else await people_for(uow, ticket, ["supervisor"])


async def due_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """The measure is due: its owner is asked for the re-evaluation."""
    assert row.followup_id is not None
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    followup = await uow.session.get_one(Followup, row.followup_id)
    owner = await uow.session.get(Staff, followup.owner_id) if followup.owner_id else None
    extra = {
        "due_at": alarm.at.isoformat(),
        "opened_at": followup.opened_at.isoformat(),
        "owner": owner.name if owner else "",
    }
    people = await _responsible(uow, ticket, followup)
    await _tell(uow, ticket, followup, "followup_due", extra, people, rung=row.generation)
    return None


async def followup_by_id(uow: UnitOfWork, ident: UUID) -> tuple[Followup, Ticket]:
    """The follow-up and its ticket, both held until the transaction ends. Raises NotFound."""
    ticket_id = await uow.session.scalar(select(Followup.ticket_id).where(Followup.id == ident))
    if ticket_id is None:
        raise NotFound("there is no such follow-up")
    ticket = await ticket_by_id(uow, ticket_id)
    return await uow.session.get_one(Followup, ident, with_for_update=True), ticket


async def name_owner(uow: UnitOfWork, followup: Followup, ticket: Ticket, owner: Staff, by: Staff) -> None:
    """The supervisor names the person who calls back (row B10), who hears of it; or somebody takes it on."""
    _must_run(followup)
    followup.owner_id = owner.id
    followup.version += 1
    if owner.id != by.id and followup.started_at is None:
        await _remind(uow, ticket, followup, [owner], rung=NAMED + followup.version)
    await record(uow, ticket, "followup_owner", by=by, facts={"owner": owner.number}, followup_id=followup.id)


async def record_contact(
    uow: UnitOfWork, followup: Followup, ticket: Ticket, by: Staff, text: str, *, reached: bool
) -> bool:
    """Log a call or message to the customer; the first one *starts* the follow-up. Gives whether in time.

    A try that did not reach the customer is logged and starts nothing.
    """
    _must_run(followup)
    if not text.strip():
        raise InvalidInput("a follow-up contact needs words: what was said or tried")
    followup.version += 1
    followup.owner_id = followup.owner_id or by.id
    kind = "followup_contact" if reached else "followup_try"
    await record(uow, ticket, kind, by=by, words={"text": text}, followup_id=followup.id)
    if not reached or followup.started_at is not None:
        return followup.started_at is not None and followup.started_at <= followup.start_by
    now = uow.clock.now()
    followup.started_at, followup.state = now, FollowupState.STARTED
    await _meet_start(uow, ticket, followup, now)
    return now <= followup.start_by


async def _meet_start(uow: UnitOfWork, ticket: Ticket, followup: Followup, at: datetime) -> None:
    verdict = await deadlines.meet(uow, ticket, DeadlineKind.FOLLOWUP_START, at, followup_id=followup.id)
    if verdict is None:
        return
    await escalations.settle_late(uow, ticket, verdict.deadline, "met" if verdict.in_time else "met_late")


async def set_measure(
    uow: UnitOfWork,
    followup: Followup,
    ticket: Ticket,
    by: Staff,
    *,
    cause: str,
    measure: str,
    term: str,
    department: str,
    due_at: datetime,
) -> None:
    """Say what is changed so that it does not happen again (row D8), who answers for it and until when.

    `cause` is process, people or tool; `term` short or long. The state becomes `to_verify` 待验证.
    Raises Conflict before the customer was contacted.
    """
    _must_run(followup)
    if followup.started_at is None:
        raise Conflict("talk to the customer first", hint="log a contact that reached them")
    if cause not in CAUSES or term not in TERMS:
        raise InvalidInput("cause is process, people or tool; term is short or long")
    if not measure.strip() or due_at <= uow.clock.now():
        raise InvalidInput("a measure needs words and a due date in the future")
    followup.cause, followup.term, followup.department, followup.due_at = cause, term, department, due_at
    followup.state = FollowupState.TO_VERIFY
    followup.version += 1
    facts = {"cause": cause, "term": term, "department": department, "due_at": due_at.isoformat()}
    await record(
        uow,
        ticket,
        "followup_measure",
        by=by,
        facts=facts,
        words={"measure": measure},
        followup_id=followup.id,
    )
    await deadlines.withdraw_for(uow, ticket, DeadlineKind.FOLLOWUP_DUE, followup.id, "replaced")
    await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.FOLLOWUP_DUE,
        fact=followup.id,
        generation=followup.version,
        started_at=uow.clock.now(),
        limit_at=due_at,
        alarms=[Alarm(due_at, "due", ("handler",))],
        followup_id=followup.id,
    )


async def evaluate(
    uow: UnitOfWork,
    followup: Followup,
    ticket: Ticket,
    by: Staff,
    *,
    met: bool,
    note: str,
    review_report: str = "",
) -> None:
    """Re-evaluate the measure: 已达标 ends the case, 未达标 needs a review report and begins a new round.

    Raises Conflict when there is no measure to verify, InvalidInput for 未达标 without a review report.
    """
    if followup.state is not FollowupState.TO_VERIFY:
        raise Conflict("there is no measure to verify yet")
    if not met and not review_report.strip():
        raise InvalidInput("a measure that was not met needs a review report")
    now = uow.clock.now()
    followup.version += 1
    followup.evaluated_at = now
    words = {"note": note, "review_report": review_report}
    facts = {"met": met, "round": followup.round}
    await record(uow, ticket, "followup_evaluated", by=by, facts=facts, words=words, followup_id=followup.id)
    await deadlines.withdraw_for(uow, ticket, DeadlineKind.FOLLOWUP_DUE, followup.id, "evaluated")
    followup.state = FollowupState.MET if met else FollowupState.NOT_MET
    if not met:
        followup.round += 1
        followup.due_at = None


def _must_run(followup: Followup) -> None:
    if followup.state is FollowupState.MET:
        raise Conflict("this follow-up has been completed")
