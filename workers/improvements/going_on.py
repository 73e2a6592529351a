"""An improvement goes on: carried out, verified, and if it was not met reviewed and taken up again."""

from __future__ import annotations

from typing import Any

from models.improving import Improvement
from models.people import Staff
from models.vocabulary import ImprovementState
from workers import history
from workers.aims import note
from workers.errors import Conflict, InvalidInput
from workers.improvements import reminding
from workers.improvements.comparing import compare
from workers.improvements.finding import words_of
from workers.improvements.opening import LONGEST, Plan, must_lead, plan_facts, planned, seal, verified_at
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork

REPORT_WITHIN = 5
"""Working days in which a review report is to be written."""


async def report_progress(uow: UnitOfWork, row: Improvement, by: Staff, words: str) -> None:
    """Its owner, or who leads, says how it goes. Raises Forbidden, Conflict, InvalidInput."""
    _must_be(row, ImprovementState.TO_VERIFY)
    _owns(row, by)
    row.version += 1
    await note(uow, row, "progress", by=by, words={"note": _said(words)})


async def carried_out(uow: UnitOfWork, row: Improvement, by: Staff, words: str = "") -> None:
    """The measure is carried out, now: its verification cycle begins. Raises Forbidden, Conflict."""
    _must_be(row, ImprovementState.TO_VERIFY)
    _owns(row, by)
    if row.done_at is not None:
        raise Conflict("this was carried out already", hint="wait for its verification")
    row.done_at = uow.clock.now()
    row.verify_at = verified_at(uow, row.done_at, row.cycle_days)
    row.version += 1
    facts = {"verify_at": row.verify_at.isoformat(), "round": row.round}
    await note(uow, row, "carried_out", by=by, facts=facts, words={"note": words} if words else None)
    await reminding.arm(uow, row)


async def evaluate(uow: UnitOfWork, row: Improvement, by: Staff, *, met: bool, words: str = "") -> None:
    """Who leads says whether it was met: 已达标 ends it; 未达标 asks its owner for a review report by mail.

    What the figures said at that moment is kept with it. Raises Forbidden, Conflict, InvalidInput.
    """
    must_lead(by)
    _must_be(row, ImprovementState.TO_VERIFY)
    if len(words) > LONGEST:
        raise InvalidInput(f"a note has at most {LONGEST} characters")
    now = uow.clock.now()
    facts: dict[str, Any] = {"met": met, "round": row.round, "department": row.department}
    found = await compare(uow, row)
    if found is not None:
        facts["figure"] = {
            "measure": found.measure,
            "verdict": found.verdict.value,
            "before": found.before.value,
            "before_cases": found.before.cases,
            "after": found.after.value if found.after else None,
            "after_cases": found.after.cases if found.after else 0,
        }
    row.evaluated_at, row.state = now, ImprovementState.MET if met else ImprovementState.NOT_MET
    row.report_by = None if met else uow.policy.calendar.close_of_working_day(now, REPORT_WITHIN)
    row.version += 1
    await note(uow, row, "evaluated", by=by, facts=facts, words={"note": words} if words else None)
    await _log_on_ticket(uow, row, by, "improvement_evaluated", {"met": met, "round": row.round})
    await reminding.arm(uow, row)
    if not met:
        await reminding.ask_for_report(uow, row, words)


async def next_round(uow: UnitOfWork, row: Improvement, by: Staff, report: str, plan: Plan) -> None:
    """The review report of a measure that was not met, and the measure of the next round.

    Raises Forbidden unless it is its owner or somebody who leads, Conflict before 未达标, InvalidInput.
    """
    _must_be(row, ImprovementState.NOT_MET)
    _owns(row, by)
    said = _said(report)
    theme = (await words_of(uow, [row]))[row.id].theme
    for name, value in (await planned(uow, plan)).items():
        setattr(row, name, value)
    await note(uow, row, "reviewed", by=by, facts={"round": row.round}, words={"report": said})
    await seal(uow, row, theme, plan.measure)
    row.round += 1
    row.state, row.done_at, row.report_by = ImprovementState.TO_VERIFY, None, None
    row.version += 1
    await note(uow, row, "opened", by=by, facts=plan_facts(row, plan.owner), words={"measure": plan.measure})
    await _log_on_ticket(uow, row, by, "improvement_round", {"round": row.round})
    await reminding.arm(uow, row)


async def withdraw(uow: UnitOfWork, row: Improvement, by: Staff, reason: str) -> None:
    """Give it up, with a reason. Raises Forbidden, Conflict, InvalidInput."""
    must_lead(by)
    if row.state.over:
        raise Conflict("this improvement is over")
    said = _said(reason)
    row.state, row.report_by = ImprovementState.WITHDRAWN, None
    row.version += 1
    await note(uow, row, "withdrawn", by=by, words={"reason": said})
    await reminding.disarm(uow, row)


def _owns(row: Improvement, by: Staff) -> None:
    if by.id != row.owner_id:
        must_lead(by)


def _must_be(row: Improvement, state: ImprovementState) -> None:
    if row.state is state:
        return
    if row.state.over:
        raise Conflict("this improvement is over")
    if state is ImprovementState.NOT_MET:
        raise Conflict("this improvement has not been evaluated as not met")
    raise Conflict("this improvement waits for its review report")


def _said(words: str) -> str:
    if not words.strip() or len(words) > LONGEST:
        raise InvalidInput(f"words are needed, at most {LONGEST} characters")
    return words.strip()


async def _log_on_ticket(
    uow: UnitOfWork, row: Improvement, by: Staff, kind: str, facts: dict[str, Any]
) -> None:
    if row.ticket_id is not None:
        ticket = await ticket_by_id(uow, row.ticket_id)
        await history.record(uow, ticket, kind, by=by, facts={"improvement": row.number, **facts})
