"""What is changed so that it does not happen again, who answers for it until when, and whether it worked."""

from __future__ import annotations

from datetime import datetime

from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, FollowupState
from workers import deadlines
from workers.errors import Conflict, InvalidInput
from workers.followups.finding import must_run
from workers.history import record
from workers.policy import Alarm
from workers.unit_of_work import UnitOfWork

CAUSES = ("process", "people", "tool")
TERMS = ("short", "long")


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
    owner: Staff | None = None,
) -> None:
    """Say what is changed so that it does not happen again (row D8), who answers for it and until when.

    `cause` is process 流程, people 人员 or tool 工具; `term` short or long. `owner` answers for the measure
    (default: the owner of the case, else whoever sets it). The state becomes `to_verify` 待验证. Raises
    Conflict before the customer was contacted.
    """
    must_run(followup)
    if followup.started_at is None:
        raise Conflict("talk to the customer first", hint="log a contact that reached them")
    if cause not in CAUSES or term not in TERMS:
        raise InvalidInput("cause is process, people or tool; term is short or long")
    now = uow.clock.now()
    if not measure.strip() or not department.strip() or due_at <= now:
        raise InvalidInput("a measure needs words, a department and a due date in the future")
    followup.cause, followup.term, followup.department = cause, term, department
    followup.measure_owner_id = owner.id if owner is not None else followup.owner_id or by.id
    followup.measured_at, followup.state = now, FollowupState.TO_VERIFY
    facts = {
        "cause": cause,
        "term": term,
        "department": department,
        "due_at": due_at.isoformat(),
        "round": followup.round,
        "owner": (await uow.session.get_one(Staff, followup.measure_owner_id)).number,
    }
    words = {"measure": measure}
    await record(uow, ticket, "followup_measure", by=by, facts=facts, words=words, followup_id=followup.id)
    await wait_for(uow, followup, ticket, due_at)


async def evaluate(
    uow: UnitOfWork,
    followup: Followup,
    ticket: Ticket,
    by: Staff,
    *,
    met: bool,
    note: str,
    review_report: str = "",
    next_due_at: datetime | None = None,
) -> None:
    """Re-evaluate the measure: 已达标 ends the case, 未达标 needs a review report and begins a new round.

    The new round has a due date of its own until when its measure must be set: `next_due_at`, else as the
    policy's `measure_within` says. Raises Conflict when there is no measure to verify, InvalidInput for
    未达标 without a review report or a next due date that has passed.
    """
    if followup.state is not FollowupState.TO_VERIFY:
        raise Conflict("there is no measure to verify yet")
    if not met and not review_report.strip():
        raise InvalidInput("a measure that was not met needs a review report")
    now = uow.clock.now()
    if next_due_at is not None and next_due_at <= now:
        raise InvalidInput("the next round needs a due date in the future")
    followup.evaluated_at = now
    words = {name: text for name, text in (("note", note), ("review_report", review_report)) if text}
    facts = {"met": met, "round": followup.round}
    await record(uow, ticket, "followup_evaluated", by=by, facts=facts, words=words, followup_id=followup.id)
    followup.state = FollowupState.MET if met else FollowupState.NOT_MET
    if met:
        followup.version += 1
        await deadlines.withdraw_for(uow, ticket, DeadlineKind.FOLLOWUP_DUE, followup.id, "evaluated")
        return
    policy = await uow.policy_of(ticket.policy_version_id)
    followup.round += 1
    await wait_for(uow, followup, ticket, next_due_at or policy.followup.measure_by(now))


async def wait_for(uow: UnitOfWork, followup: Followup, ticket: Ticket, due_at: datetime) -> None:
    """What the case waits for next (a measure, its re-evaluation) is due: one clock in place of the last."""
    now = uow.clock.now()
    policy = await uow.policy_of(ticket.policy_version_id)
    followup.due_at = due_at
    followup.version += 1
    await deadlines.withdraw_for(uow, ticket, DeadlineKind.FOLLOWUP_DUE, followup.id, "replaced")
    await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.FOLLOWUP_DUE,
        fact=followup.id,
        generation=followup.version,
        started_at=now,
        limit_at=due_at,
        alarms=[Alarm(at, step, ("handler",)) for at, step in policy.followup.due_alarms(now, due_at)],
        followup_id=followup.id,
    )
