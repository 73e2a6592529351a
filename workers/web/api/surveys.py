"""Surveys: who was asked, who answered; scores only for supervisors and quality, never for the handler."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from models.people import Customer
from models.surveys import Survey, SurveyAnswer
from models.vocabulary import Category, Medium, Role
from workers.access import seen_rows
from workers.errors import Forbidden, NotFound
from workers.history import record
from workers.policy.asking_parts import Touchpoint
from workers.surveys import Answer, answer, ask, left_behind, survey_by_id, verdict
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import (
    Calling,
    Given,
    Page,
    Paged,
    acting,
    opened,
    opened_words,
    page_of,
    picked,
    reader,
)
from workers.web.api.notifications import ticket_id_of, ticket_numbers
from workers.web.api.resource import Resource
from workers.web.api.survey_marks import flagged_in, marked
from workers.web.api.survey_record import FollowupOf, may_see, record_of
from workers.web.api.ticket_models import CustomerShown
from workers.web.api.ticket_views import customer_view, customers_by_ids, staff_by_ids
from workers.web.parts import Parts

router = Resource("/surveys", "surveys")

WORDS = 4_000
COPIED = (
    "number state reason touchpoint category channel service_at invited_at expires_at answered_at revised_at "
    "anonymous"
)


class SurveyShown(BaseModel):
    """One request for a rating."""

    number: str = Field(examples=["CSAT20240520001"])
    ticket: str | None
    state: str = Field(description="invited, not_asked, answered or withdrawn", examples=["invited"])
    reason: str | None = Field(description="Why it is not asked (any more): by_rule, not_sampled …")
    touchpoint: str | None = Field(
        description="pre_sales, ordering, after_sales, complaint, return_visit or other",
        examples=["after_sales"],
    )
    category: Category
    channel: Medium
    staff: str | None = Field(description="Number of the member of staff who is rated")
    customer: CustomerShown
    service_at: datetime
    invited_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    revised_at: datetime | None = Field(description="When the customer last changed the answer")
    anonymous: bool


class AnswerVersion(BaseModel):
    """How an answer was at a moment; the last final one counts."""

    version: int
    at: datetime
    final: bool = Field(description="false: begun, without an overall score")
    scores: dict[str, int]


class SurveyDetail(SurveyShown):
    """A survey's record (row D5) with its answer, as far as the caller may see it."""

    staff_name: str | None
    team: str | None
    customer_group: str | None = Field(description="As it was when the service ended: 新, 老, 高价值 …")
    service_type: str = Field(
        description="Category, and its kind where one is known", examples=["after_sales_request / returns"]
    )
    order_number: str | None
    summary: str = Field(description="Subject of the request, personal data masked")
    verdict: str | None = Field(
        description="satisfied 满意, fair 一般 or dissatisfied 不满意, by the overall score"
    )
    followup: FollowupOf | None
    note: str | None = Field(description="The handler's solution, personal data masked")
    scores: dict[str, int] | None = Field(description="null if unanswered, anonymous or not for the caller")
    flagged: list[str] | None = Field(description="Dimensions with a low score of their own (policy)")
    words: dict[str, str] | None = Field(description="Comment and open answers, personal data masked")
    source: str | None = Field(description="page, mail, sms or phone")
    history: list[AnswerVersion] = Field(description="All versions of the answer, oldest first")


class SurveyList(Page):
    """Surveys, newest first."""

    items: list[SurveyShown]


class PhoneAnswer(Given):
    """What the customer said on the phone (row D4)."""

    scores: dict[str, int] = Field(
        description="1 (非常不满意) to 5 (非常满意) by dimension or own question; overall is needed",
        examples=[{"overall": 4, "speed": 5}],
        max_length=20,
    )
    comment: str = Field(default="", max_length=WORDS)
    open_answers: dict[str, str] = Field(default={}, description="By question: q1, q2 …", max_length=10)
    anonymous: bool = False


class Answered(BaseModel):
    """What became of an answer."""

    survey: SurveyShown
    followup_opened: bool


class Asked(Given):
    """A result to ask about besides what the policy asks by itself (row D1)."""

    ticket: str = Field(description="Ticket number", examples=["CS202405200001"])
    touchpoint: Touchpoint | None = Field(
        default=None, description="return_visit for a return visit 定期回访; default: by category and kind"
    )


@router.post("", status_code=201, summary="Ask about a result")
async def ask_about(given: Asked, parts: Parts, calling: Calling) -> SurveyShown:
    """Now, though the policy would not, or later; once per result: 409 when it was asked about already."""
    async with parts.workshop.begin() as uow:
        await acting(uow, calling.staff)
        survey = await ask(uow, await ticket_by_number(uow, given.ticket), given.touchpoint)
        await uow.session.flush()
        (shown,) = await _shown(uow, [survey])
        return shown


@router.get("", summary="List surveys")
async def list_surveys(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    state: str | None = None,
    ticket: Annotated[str | None, Query(description="Ticket number")] = None,
    praise: Annotated[bool, Query(description="Good examples: overall 5, with words")] = False,
    flagged: Annotated[bool, Query(description="A low score in a dimension other than overall")] = False,
) -> SurveyList:
    """Newest first, without scores. An agent sees those of their own tickets, not how they were rated."""
    async with parts.workshop.read() as uow:
        by = await reader(uow, calling)
        query = select(Survey).where(seen_rows(by, Survey))
        if state is not None:
            query = query.where(Survey.state == state)
        if ticket is not None:
            query = query.where(Survey.ticket_id == ticket_id_of(ticket))
        if praise or flagged:
            if by is not None and by.role is Role.AGENT:
                raise Forbidden("agents do not see how they were rated", hint="ask a supervisor")
            query = query.where(*marked(uow, by, praise=praise, flagged=flagged))
        rows, cursor = await page_of(uow, query, Survey.id, paging)
        items = await _shown(uow, rows)
    return SurveyList(items=items, next_cursor=cursor)


@router.get("/{number}", summary="Look at a survey")
async def get_survey(number: str, parts: Parts, calling: Calling) -> SurveyDetail:
    """With scores for supervisors, quality and administrators who did not handle the request themselves."""
    async with parts.workshop.read() as uow:
        row = await uow.session.get_one(Survey, await _id_of(uow, number))
        by = await acting(uow, calling.staff) if calling.staff else None
        given = await _versions(uow, row) if may_see(by, row) else []
        shown = next((one for one in reversed(given) if one.final), None)
        (summary,) = await _shown(uow, [row])
        return SurveyDetail(
            **summary.model_dump(),
            **await record_of(uow, row, by),
            verdict=await verdict(uow, row, shown.scores["overall"]) if shown else None,
            scores=dict(shown.scores) if shown else None,
            flagged=await flagged_in(uow, row, shown) if shown else None,
            words=await _words(uow, row, shown) if shown else None,
            source=shown.source if shown else None,
            history=await _history(uow, row, given) if may_see(by, row) else [],
        )


@router.post("/{number}/answer", summary="Enter an answer given by phone")
async def phone_answer(number: str, given: PhoneAnswer, parts: Parts, calling: Calling) -> Answered:
    """As the customer said it, once; it cannot be changed (row D9)."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        survey, ticket = await survey_by_id(uow, await _id_of(uow, number))
        said = Answer(
            scores=given.scores,
            comment=given.comment,
            open_answers=given.open_answers,
            anonymous=given.anonymous,
            source="phone",
        )
        low = await answer(uow, survey, ticket, said)
        await record(uow, ticket, "rating_entered", by=by, facts={"survey": survey.number})
        await uow.session.flush()
        (shown,) = await _shown(uow, [survey])
        return Answered(survey=shown, followup_opened=low)


async def _versions(uow: UnitOfWork, survey: Survey) -> list[SurveyAnswer]:
    query = select(SurveyAnswer).where(SurveyAnswer.survey_id == survey.id)
    return list(await uow.session.scalars(query.order_by(SurveyAnswer.version)))


async def _history(uow: UnitOfWork, survey: Survey, given: list[SurveyAnswer]) -> list[AnswerVersion]:
    """All versions; a beginning only once it can no longer become an anonymous answer."""
    rows = [AnswerVersion(**picked(one, "version at final scores")) for one in given]
    draft = await left_behind(uow, survey)
    if draft is not None:
        rows.append(AnswerVersion(version=1, at=draft.at, final=False, scores=draft.scores))
    return rows


async def _id_of(uow: UnitOfWork, number: str) -> UUID:
    found = await uow.session.scalar(select(Survey.id).where(Survey.number == number.strip().upper()))
    if found is None:
        raise NotFound(f"there is no survey {number[:24]}", hint="numbers look like CSAT20240520001")
    return found


async def _shown(uow: UnitOfWork, rows: list[Survey]) -> list[SurveyShown]:
    customers = await customers_by_ids(uow, [row.customer_id for row in rows])
    staff = await staff_by_ids(uow, [row.staff_id for row in rows])
    numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
    return [
        SurveyShown(
            **picked(row, COPIED),
            ticket=numbers.get(row.ticket_id),
            staff=staff[row.staff_id].number if row.staff_id else None,
            customer=customer_view(customers[row.customer_id]),
        )
        for row in rows
    ]


async def _words(uow: UnitOfWork, survey: Survey, given: SurveyAnswer) -> dict[str, str]:
    customer = await uow.session.get_one(Customer, survey.customer_id)
    name = await opened(uow, customer.data_key_id, customer.name_sealed, "customers.name")
    names = (name,) if name else ()
    return await opened_words(uow, given.data_key_id, given.words_sealed, "survey_answers.words", names)
