"""Whoever owns an improvement hears when it is due, to be verified, and when a report is asked for.

Each is an errand. One of an earlier round, or of a time that was changed, says nothing: it was withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.improving import Improvement
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import ImprovementState, Lane
from workers.aims import measure_name, owner_or_stand_in, shown_scope, tell, value_words
from workers.directory import people_in_roles
from workers.improvements.comparing import Comparison, Verdict, compare
from workers.improvements.finding import words_of
from workers.locks import held
from workers.promises import settle
from workers.unit_of_work import UnitOfWork

IMPROVEMENT = "improvement"
DUE, VERIFY, OVERDUE = "due", "verify", "overdue"
REPORT, REPORT_DUE = "report", "report_due"
BEFORE = timedelta(days=1)
"""So long before a measure is to be carried out its owner is reminded, in opening hours."""
LATE = 3
"""Working days after which a verification that nobody made is said to be late."""
_TO_LEADS = (VERIFY, OVERDUE, REPORT_DUE)


async def arm(uow: UnitOfWork, row: Improvement) -> None:
    """Plan what is to be said of it; what was planned before is withdrawn."""
    await disarm(uow, row)
    calendar = uow.policy.calendar
    if row.state is ImprovementState.TO_VERIFY:
        if row.done_at is None:
            soon = calendar.next_opening(row.due_at - BEFORE)
            await _promise(uow, row, DUE, soon if soon > uow.clock.now() else row.due_at)
        await _promise(uow, row, VERIFY, row.verify_at)
        await _promise(uow, row, OVERDUE, calendar.opening_of_working_day(row.verify_at, LATE))
    elif row.state is ImprovementState.NOT_MET and row.report_by is not None:
        await _promise(uow, row, REPORT_DUE, row.report_by)


async def disarm(uow: UnitOfWork, row: Improvement) -> None:
    """Nothing is said of it any more."""
    query = select(Errand).where(
        Errand.kind == IMPROVEMENT, Errand.subject_id == row.id, Errand.due_at.is_not(None)
    )
    for errand in await uow.session.scalars(
        query.order_by(Errand.id).with_for_update(skip_locked=True, key_share=True)
    ):
        settle(errand)


async def _promise(uow: UnitOfWork, row: Improvement, step: str, at: datetime) -> None:
    key = f"{IMPROVEMENT}:{row.id.hex}:{row.version}:{step}"
    errand = Errand(id=new_id(), key=key, kind=IMPROVEMENT, lane=Lane.NORMAL, subject_id=row.id, due_at=at)
    if await uow.insert_new(errand):
        uow.ring("errands", errand.lane, at)


async def remind_of_improvement(uow: UnitOfWork, errand: Errand) -> None:
    """The moment has come: say what is wanted, with what the figures say so far.

    Somebody may have moved that moment while a worker had the errand in hand: then another one was planned.
    """
    row = await uow.session.scalar(held(select(Improvement).where(Improvement.id == errand.subject_id)))
    step = errand.key.rpartition(":")[2]
    wanted = ImprovementState.NOT_MET if step == REPORT_DUE else ImprovementState.TO_VERIFY
    if row is None or row.state is not wanted or (step == DUE and row.done_at is not None):
        return
    if step in (VERIFY, OVERDUE) and uow.clock.now() < row.verify_at:
        return
    await _tell(uow, row, step, "")


async def ask_for_report(uow: UnitOfWork, row: Improvement, words: str) -> None:
    """It was not met: its owner is asked for a review report and the measure of a new round."""
    await _tell(uow, row, REPORT, words)


async def _tell(uow: UnitOfWork, row: Improvement, step: str, words: str) -> None:
    people = await owner_or_stand_in(uow, row)
    if step in _TO_LEADS:
        people += await leads_of(uow, row)
    comparison = await compare(uow, row) if step != DUE else None
    locales = {person.locale or uow.settings.locale for person in people}
    facts_for = {
        locale: {
            **await improvement_facts(uow, row, locale),
            "step": step,
            "note": words,
            "effect": effect_facts(comparison, locale),
        }
        for locale in locales
    }
    which = str(row.version if step == REPORT else row.round)
    if step in (VERIFY, OVERDUE):  # a measure that is carried out late is verified later, once more
        which += f":{row.verify_at:%Y%m%d%H%M}"
    fact = f"{row.id.hex}:{which}:{step}"
    await tell(uow, row, "improvement_due", fact, people, facts_for, f"/console/improvements/{row.number}")


async def leads_of(uow: UnitOfWork, row: Improvement) -> list[Staff]:
    """Who leads the owner's team, and who opened it while they work here."""
    owner = await uow.session.get_one(Staff, row.owner_id)
    found = await people_in_roles(uow, team_id=owner.team_id, handler_id=None, roles=("supervisor",))
    maker = await uow.session.get_one(Staff, row.made_by_id)
    return [*found, *([maker] if maker.active else [])]


async def improvement_facts(uow: UnitOfWork, row: Improvement, locale: str) -> dict[str, Any]:
    """What mails are told of an improvement; times in ISO 8601 (UTC)."""
    words = (await words_of(uow, [row]))[row.id]
    owner = await uow.session.get_one(Staff, row.owner_id)
    ticket = await uow.session.get(Ticket, row.ticket_id) if row.ticket_id else None
    return {
        "improvement": {
            "number": row.number,
            "theme": words.theme,
            "ticket": ticket.number if ticket else "",
            "category": row.category.value if row.category else "",
            "measure": words.measure,
            "kind": row.kind,
            "cause": row.cause,
            "department": row.department,
            "owner": owner.name,
            "round": row.round,
            "cycle_days": row.cycle_days,
            "due_at": row.due_at.isoformat(),
            "done_at": row.done_at.isoformat() if row.done_at else "",
            "verify_at": row.verify_at.isoformat(),
            "report_by": row.report_by.isoformat() if row.report_by else "",
            "figure": measure_name(row.measure, locale) if row.measure else "",
            "scope": await shown_scope(uow, row.scope),
        },
    }


def effect_facts(found: Comparison | None, locale: str) -> Mapping[str, Any]:
    """Before and after in words of the reader's language; {} where there is nothing to compare."""
    if found is None:
        return {}
    after = found.after
    return {
        "figure": measure_name(found.measure, locale),
        "before": value_words(found.measure, found.before.value, locale),
        "before_cases": found.before.cases,
        "after": value_words(found.measure, after.value if after else None, locale),
        "after_cases": after.cases if after else 0,
        "verdict": (found.verdict if after else Verdict.NOT_YET).value,
    }
