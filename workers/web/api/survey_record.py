"""The record of a survey (row D5): all that belongs to a rating besides the answer itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select

from models.people import Staff, Team
from models.surveys import Followup, Survey
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, FollowupState, Role
from workers.access.seeing import TELL_OF_RATINGS
from workers.directory import known_names
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import opened, opened_words, picked

SUMMARY = 200
ABOUT_RATINGS = ("rating_", "score_", "praised")
"""How the kinds of lines begin that tell of a score, besides those that belong to a case."""
OF_CASES = (DeadlineKind.FOLLOWUP_START, DeadlineKind.FOLLOWUP_DUE)
"""Clocks that run where a score was low."""


class FollowupOf(BaseModel):
    """Where the follow-up of a low score stands."""

    id: UUID
    state: FollowupState
    cause: str | None = Field(description="process 流程, people 人员 or tool 工具")
    owner: str | None = Field(description="Staff number")
    due_at: datetime | None


def may_see(by: Staff | None, survey: Survey) -> bool:
    """The key alone is the administrator's; a named person must not have been the one who is rated."""
    return _may_hear(by, survey.staff_id)


async def sees_ratings(uow: UnitOfWork, by: Staff | None, ticket: Ticket) -> bool:
    """Whether a ticket's log may tell them how it was rated, and what followed: not those who handled it, now
    or in an earlier opening.
    """
    rated = await uow.session.scalars(select(Survey.staff_id).where(Survey.ticket_id == ticket.id))
    return all(_may_hear(by, each) for each in (ticket.credited_id or ticket.handler_id, *rated))


def tells_of_rating(line: TicketEntry) -> bool:
    """Whether a line of the log tells of the verdict, belongs to the case of a low score, or is about a
    message that tells others of it.
    """
    about = line.facts.get("notification")
    return line.followup_id is not None or line.kind.startswith(ABOUT_RATINGS) or about in TELL_OF_RATINGS


def _may_hear(by: Staff | None, rated: UUID | None) -> bool:
    if by is None or by.role is Role.ADMINISTRATOR:
        return True
    return by.role is not Role.AGENT and by.id != rated


async def record_of(uow: UnitOfWork, row: Survey, by: Staff | None) -> dict[str, Any]:
    """What the record says besides the answer; the follow-up only to whoever may see the scores."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    staff = await uow.session.get(Staff, row.staff_id) if row.staff_id else None
    team = await uow.session.get(Team, row.team_id) if row.team_id else None
    followup, names = None, await known_names(uow, row.customer_id)
    if may_see(by, row):
        followup = await uow.session.scalar(select(Followup).where(Followup.survey_id == row.id))
    return {
        "staff_name": staff.name if staff else None,
        "team": team.name if team else None,
        "customer_group": row.customer_group,
        "service_type": " / ".join(filter(None, (row.category.value, ticket.subkind))),
        "order_number": ticket.order_number,
        "summary": mask_free_text(await _subject(uow, ticket), names=names)[:SUMMARY],
        "followup": await _followup_view(uow, followup) if followup else None,
        "note": await _note(uow, row),
    }


async def _subject(uow: UnitOfWork, ticket: Ticket) -> str:
    return await opened(uow, ticket.data_key_id, ticket.subject_sealed, "tickets.subject")


async def _followup_view(uow: UnitOfWork, followup: Followup) -> FollowupOf:
    owner = await uow.session.get(Staff, followup.owner_id) if followup.owner_id else None
    shown = picked(followup, "id state cause due_at")
    return FollowupOf(**shown, owner=owner.number if owner else None)


async def _note(uow: UnitOfWork, row: Survey) -> str | None:
    """The solution that this result named."""
    entry = await uow.session.scalar(
        select(TicketEntry)
        .where(TicketEntry.ticket_id == row.ticket_id, TicketEntry.kind == "resolved")
        .where(TicketEntry.at <= row.service_at)
        .order_by(TicketEntry.at.desc(), TicketEntry.id.desc())
        .limit(1)
    )
    if entry is None:
        return None
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    names = await known_names(uow, ticket.customer_id)
    words = await opened_words(uow, ticket.data_key_id, entry.words_sealed, "ticket_entries.words", names)
    return words.get("solution")
