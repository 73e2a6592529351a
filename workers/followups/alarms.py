"""The clocks of a follow-up ring: not started yet, measure due, measure overdue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from models.deadlines import Deadline
from models.surveys import Followup
from models.tickets import Ticket
from models.vocabulary import FollowupState
from workers import escalations
from workers.directory import people_for
from workers.followups.effect import effect_of
from workers.followups.finding import rated_person
from workers.followups.telling import name_of, remind, responsible, tell
from workers.policy import Alarm
from workers.unit_of_work import UnitOfWork


async def start_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Reminders while the follow-up has not been started; its breach climbs the ladder."""
    if alarm.step == "breach":
        return await escalations.breach(uow, row, alarm)
    ticket, followup = await _about(uow, row)
    await remind(uow, ticket, followup, await responsible(uow, ticket, followup.owner_id), rung=row.alarm_no)
    return None


async def due_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """A measure is to be set or evaluated: its owner hears before, at and after the due date.

    After it the supervisor hears, too. A re-evaluation shows what later scores say.
    """
    ticket, followup = await _about(uow, row)
    owners = (followup.measure_owner_id, followup.owner_id)
    people = await responsible(uow, ticket, *owners)
    if alarm.step == "overdue":
        people += [one for one in await people_for(uow, ticket, ["supervisor"]) if one not in people]
    rated = await rated_person(uow, followup)
    owner = await name_of(uow, next((one for one in owners if one), None))
    rung = row.generation * 100 + row.alarm_no
    for person in people:
        due_at = row.limit_at or alarm.at
        extra = await due_facts(uow, followup, alarm.step, due_at, hidden=person.id == rated)
        extra["owner"] = owner
        await tell(uow, ticket, followup, "followup_due", extra, [person], rung=rung, take=False)
    return None


async def due_facts(
    uow: UnitOfWork, followup: Followup, step: str, due_at: datetime, *, hidden: bool
) -> dict[str, Any]:
    """What is told of what a case waits for, due at `due_at`; `hidden`: without what was said of a person."""
    verifying = followup.state is FollowupState.TO_VERIFY
    facts: dict[str, Any] = {
        "step": step,
        "wanted": "evaluation" if verifying else "measure",
        "due_at": due_at.isoformat(),
        "opened_at": followup.opened_at.isoformat(),
        "round": followup.round,
        "effect": [],
    }
    effect = await effect_of(uow, followup) if verifying else None
    if effect is not None:
        samples = (
            {"service": effect.service} if hidden else {"staff": effect.staff, "service": effect.service}
        )
        facts["effect"] = [
            {
                "of": of,
                "before": sample.before_mean,
                "before_count": sample.before_count,
                "after": sample.after_mean,
                "after_count": sample.after_count,
                "enough": sample.enough,
            }
            for of, sample in samples.items()
            if sample is not None
        ]
    return facts


async def _about(uow: UnitOfWork, row: Deadline) -> tuple[Ticket, Followup]:
    assert row.followup_id is not None
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    return ticket, await uow.session.get_one(Followup, row.followup_id)
