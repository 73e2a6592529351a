"""How improvements are shown: the measure, its rounds, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel, Field
from sqlalchemy import select

from models.bulk import among
from models.improving import Improvement
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category, ImprovementState, Role
from workers import improvements
from workers.aims import shown_scope
from workers.improvements import Comparison, Side, Verdict
from workers.measures import CATALOGUE, Unit
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Page, picked
from workers.web.api.loop_views import LineShown, lines_of, staff_numbers, unit_of

COPIED = (
    "number version state round followup_id category kind cause department made_at due_at done_at cycle_days "
    "verify_at evaluated_at report_by"
)


class ImprovementShown(BaseModel):
    """An improvement measure 改进措施."""

    number: str = Field(examples=["IM0001"])
    version: int
    state: ImprovementState = Field(description="待验证 to_verify, 已达标 met, 未达标 not_met")
    round: int
    ticket: str | None = Field(description="The ticket it is about")
    followup_id: str | None = Field(description="The follow-up it is about")
    theme: str = Field(description="What it is about, where that is neither")
    category: Category | None
    measure: str = Field(description="改进措施 of the latest round, personal data masked")
    kind: str = Field(examples=["script"])
    cause: str = Field(description="process 流程, people 人员 or tool 工具")
    department: str
    owner: str = Field(description="Staff number")
    made_by: str
    made_at: datetime
    due_at: datetime
    done_at: datetime | None = Field(description="When it was carried out")
    cycle_days: int = Field(description="验证周期")
    verify_at: datetime
    overdue: bool = Field(description="Its verification, or its review report, is late")
    evaluated_at: datetime | None
    report_by: datetime | None = Field(description="A review report is asked for by then")
    figure: str | None = Field(description="What is compared: a key of the catalogue")
    scope: dict[str, str]


class SideShown(BaseModel):
    """One side of the comparison."""

    first_day: date
    last_day: date
    value: float | None
    cases: int


class EffectShown(BaseModel):
    """Before and after. A verdict needs 20 cases on either side and an interval without "no difference"."""

    figure: str
    unit: Unit | None
    before: SideShown
    after: SideShown | None
    verdict: Verdict
    low: float | None = Field(description="The interval's ends: of the difference, or of durations the")
    high: float | None = Field(description="probability that a case after is quicker than one before")


class ImprovementDetail(ImprovementShown):
    """An improvement with its effect and its log."""

    effect: EffectShown | None = Field(
        description="null where no figure was named, or scores are not for you"
    )
    log: list[LineShown]


class ImprovementList(Page):
    """Improvements, newest first."""

    items: list[ImprovementShown]


async def detail_view(uow: UnitOfWork, row: Improvement, by: Staff | None) -> ImprovementDetail:
    """One improvement as `by` may see it (None: a system)."""
    (shown,) = await list_view(uow, [row])
    agent = by is not None and by.role is Role.AGENT
    hidden = agent and row.measure in CATALOGUE and not CATALOGUE[str(row.measure)].for_agents
    effect = None if hidden else await improvements.compare(uow, row)
    return ImprovementDetail(
        **shown.model_dump(),
        effect=_effect(effect) if effect else None,
        log=await lines_of(uow, row),
    )


async def list_view(uow: UnitOfWork, rows: Sequence[Improvement]) -> list[ImprovementShown]:
    """Improvements without their effect."""
    people = await staff_numbers(uow, [ident for row in rows for ident in (row.owner_id, row.made_by_id)])
    words = await improvements.words_of(uow, rows)
    ids = [row.ticket_id for row in rows if row.ticket_id]
    found = await uow.session.execute(
        select(Ticket.id, Ticket.number).where(among(uow.session, Ticket.id, ids))
    )
    numbers = {ident: number for ident, number in found}  # noqa: C416 - rows are no pairs to dict()
    now = uow.clock.now()
    return [
        ImprovementShown(
            **{**picked(row, COPIED), "followup_id": row.followup_id.hex if row.followup_id else None},
            ticket=numbers.get(row.ticket_id) if row.ticket_id else None,
            theme=mask_free_text(words[row.id].theme),
            measure=mask_free_text(words[row.id].measure),
            owner=people[row.owner_id].number,
            made_by=people[row.made_by_id].number,
            overdue=not row.state.over and (row.report_by or row.verify_at) < now,
            figure=row.measure,
            scope=await shown_scope(uow, row.scope),
        )
        for row in rows
    ]


def _effect(found: Comparison) -> EffectShown:
    return EffectShown(
        figure=found.measure,
        unit=unit_of(found.measure),
        before=_side(found.before),
        after=_side(found.after) if found.after else None,
        verdict=found.verdict,
        low=found.low,
        high=found.high,
    )


def _side(side: Side) -> SideShown:
    return SideShown(
        first_day=side.period.first_day, last_day=side.period.last_day, value=side.value, cases=side.cases
    )
