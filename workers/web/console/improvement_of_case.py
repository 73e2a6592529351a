"""An improvement out of a follow-up's case: what its form begins with, and those that a case has led to."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from models.people import Staff
from models.surveys import Followup, Survey
from models.vocabulary import Role
from workers import followups, improvements
from workers.unit_of_work import UnitOfWork
from workers.web.api.followup_views import detail_view
from workers.web.api.improvement_views import list_view

NEW = "/console/improvements/new"
RATING = "csat_overall"
"""What is compared before and after, where the owner may see ratings."""


async def begun_with(uow: UnitOfWork, row: Followup, person: Staff) -> dict[str, str]:
    """What is known of a case, by the form's fields; without words for the person who was rated."""
    case = await detail_view(uow, row, person)
    survey = await uow.session.get_one(Survey, row.survey_id)
    owner = await _owner(uow, row, survey, person)
    due = row.due_at.astimezone(ZoneInfo(uow.policy.zone)).date() if row.due_at else None
    return {
        "measure": next((each.measure for each in reversed(case.rounds) if each.measure), ""),
        "cause": row.cause or "",
        "department": row.department or "",
        "owner": owner.number,
        "due_on": due.isoformat() if due and row.due_at and row.due_at > uow.clock.now() else "",
        "figure": "" if owner.role is Role.AGENT else RATING,
        "category": survey.category.value,
    }


async def _owner(uow: UnitOfWork, row: Followup, survey: Survey, person: Staff) -> Staff:
    """Who answers for the case's measure, else has the case, else who asks; never whom the score rates."""
    for ident in (row.measure_owner_id, row.owner_id):
        found = await uow.session.get(Staff, ident) if ident and ident != survey.staff_id else None
        if found is not None and found.active:
            return found
    return person


async def led_to(uow: UnitOfWork, row: Followup, person: Staff) -> dict[str, Any]:
    """The improvements of a case that this person may see, and where another one is opened (who leads)."""
    rated = person.id == await followups.rated_person(uow, row)
    found = [] if rated else await improvements.improvements_of(uow, person, followup_id=row.id)
    shown = [each.model_dump(mode="json") for each in await list_view(uow, found)]
    address = None if person.role is Role.AGENT else f"{NEW}?followup={row.id.hex}"
    return {"improvements": shown, "improve_url": address}
