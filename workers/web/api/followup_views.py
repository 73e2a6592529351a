"""How follow-ups are shown: the case, its rounds, its effect; less of it to the person who was rated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select

from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket, TicketEntry
from models.vocabulary import FollowupState, Role
from workers import followups
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Page, picked
from workers.web.api.notifications import ticket_numbers
from workers.web.api.ticket_models import EntryShown
from workers.web.api.ticket_views import log_view, staff_by_ids

COPIED = (
    "id version state round opened_at start_by started_at tries cause term department measured_at due_at "
    "evaluated_at"
)
HIDDEN = ("rating_changed", "followup_contact", "followup_try", "followup_measure", "followup_evaluated")
"""Lines whose words the person who was rated does not see: they tell what the customer said of them."""


class FollowupShown(BaseModel):
    """One case."""

    id: UUID
    version: int
    ticket: str | None
    state: FollowupState
    round: int
    owner: str | None = Field(description="Staff number")
    opened_at: datetime
    start_by: datetime = Field(description="The first contact must reach the customer by then (48 h)")
    started_at: datetime | None
    started_in_time: bool | None = Field(description="null while it has not started")
    tries: int = Field(description="Contacts that reached nobody, before the first that did")
    overdue: bool = Field(description="Not started, or no measure set or evaluated, by its time")
    cause: str | None = Field(description="process 流程, people 人员 or tool 工具")
    term: str | None
    department: str | None
    measure_owner: str | None = Field(description="Staff number of whoever answers for the measure")
    measured_at: datetime | None
    due_at: datetime | None = Field(description="A measure is to be set, or evaluated, by then")
    evaluated_at: datetime | None


class RoundShown(BaseModel):
    """One round: a measure and what became of it."""

    round: int
    measure: str | None = Field(description="改进措施, personal data masked")
    cause: str | None
    term: str | None
    department: str | None
    owner: str | None = Field(description="Staff number")
    due_at: datetime | None
    evaluated_at: datetime | None
    met: bool | None = Field(description="已达标, 未达标; null while 待验证")
    note: str | None
    review_report: str | None


class SampleShown(BaseModel):
    """Overall scores before and after the measure; a mean is null where there are too few to tell."""

    before_count: int
    before_mean: float | None
    after_count: int
    after_mean: float | None
    enough: bool


class EffectShown(BaseModel):
    """Scores of services before and after the latest measure; fully anonymous ones are in neither."""

    since: datetime
    minimum: int = Field(description="Fewer scores than that have no mean")
    staff: SampleShown | None = Field(description="Same member of staff; null for themselves")
    service: SampleShown = Field(description="Same type of service")


class FollowupDetail(FollowupShown):
    """A case with its scores, rounds, effect and log."""

    scores: dict[str, int] | None = Field(description="null for the member of staff who was rated")
    flagged: list[str] | None = Field(description="Dimensions with a low score of their own")
    customer_cases: int = Field(description="Running cases of this customer of the last seven days")
    rounds: list[RoundShown]
    effect: EffectShown | None = Field(description="null before there is a measure")
    log: list[EntryShown]


class FollowupList(Page):
    """Cases, newest first."""

    items: list[FollowupShown]


async def detail_view(uow: UnitOfWork, row: Followup, by: Staff | None) -> FollowupDetail:
    """The case as `by` may see it (None: whoever has the key, that is the administrator)."""
    rated = await followups.rated_person(uow, row)
    hidden = by is not None and by.id == rated and by.role is not Role.ADMINISTRATOR
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    entries = await uow.session.scalars(
        select(TicketEntry).where(TicketEntry.followup_id == row.id).order_by(TicketEntry.id)
    )
    log = await log_view(uow, ticket, list(entries))
    if hidden:
        log = [each.model_copy(update={"words": {}}) if each.kind in HIDDEN else each for each in log]
    (shown,) = await list_view(uow, [row])
    return FollowupDetail(
        **shown.model_dump(),
        scores=None if hidden else dict(row.scores),
        flagged=None if hidden else list(row.plan.get("flagged", [])),
        customer_cases=await followups.cases_lately(uow, row),
        rounds=_rounds(log),
        effect=await _effect(uow, row, hidden=hidden),
        log=log,
    )


async def _effect(uow: UnitOfWork, row: Followup, *, hidden: bool) -> EffectShown | None:
    effect = await followups.effect_of(uow, row)
    if effect is None:
        return None
    staff = None if hidden or effect.staff is None else _sample(effect.staff)
    return EffectShown(
        since=effect.since, minimum=effect.minimum, staff=staff, service=_sample(effect.service)
    )


def _sample(sample: followups.Sample) -> SampleShown:
    return SampleShown(
        **picked(sample, "before_count before_mean after_count after_mean"), enough=sample.enough
    )


def _rounds(log: Sequence[EntryShown]) -> list[RoundShown]:
    """Measures and evaluations, in order; one that was replaced before it was evaluated is a row, too."""
    rounds: list[dict[str, Any]] = []
    for each in log:
        if each.kind == "followup_measure":
            facts = {
                name: each.facts.get(name) for name in ("cause", "term", "department", "owner", "due_at")
            }
            number = each.facts.get("round") or 1 + sum(one["met"] is False for one in rounds)
            empty = dict.fromkeys(("evaluated_at", "met", "note", "review_report"))
            rounds.append({"round": number, "measure": each.words.get("measure"), **facts, **empty})
        elif each.kind == "followup_evaluated" and rounds:
            said = {name: each.words.get(name) for name in ("note", "review_report")}
            rounds[-1] |= {"evaluated_at": each.at, "met": each.facts.get("met"), **said}
    return [RoundShown(**one) for one in rounds]


async def list_view(uow: UnitOfWork, rows: Sequence[Followup]) -> list[FollowupShown]:
    """Cases without scores or words."""
    ids = [row.owner_id for row in rows] + [row.measure_owner_id for row in rows]
    staff = await staff_by_ids(uow, ids)
    numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
    now = uow.clock.now()
    return [
        FollowupShown(
            **picked(row, COPIED),
            ticket=numbers.get(row.ticket_id),
            owner=staff[row.owner_id].number if row.owner_id else None,
            measure_owner=staff[row.measure_owner_id].number if row.measure_owner_id else None,
            started_in_time=row.started_at <= row.start_by if row.started_at else None,
            overdue=followups.is_overdue(row, now),
        )
        for row in rows
    ]
