"""A made-up past for figures: requests of half a year as rows, by a seed, with all that makes counting hard.

Changes of the clock, re-opens, transfers, urging, waits, merged and dismissed requests, special periods, two
policy versions with calendars of their own, changed and anonymous answers, measures that did not work.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from models.base import Base, new_id
from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Customer, Staff, Team
from models.surveys import Followup, Survey, SurveyAnswer
from models.tickets import Ticket, TicketEntry
from models.vocabulary import (
    IMPORTED,
    Category,
    DeadlineKind,
    DeadlineState,
    Dimension,
    FollowupState,
    Medium,
    NotificationState,
    Priority,
    TicketState,
)
from tests.factories import make_team, make_ticket
from workers.in_force import store_version
from workers.people import add_team
from workers.policy import parse_policy
from workers.unit_of_work import UnitOfWork, Workshop

BEGIN = datetime(2026, 2, 20, tzinfo=UTC)
DAYS = 120
GROUPS = ("new", "old", None)
BERLIN = """
[calendars.berlin]
zone = "Europe/Berlin"
holidays = "DE"
around_the_clock = []
[calendars.berlin.hours]
monday = ["08:00-12:00", "13:00-17:30"]
tuesday = ["22:00-06:00"]
thursday = ["08:00-17:30"]
friday = ["08:00-15:00"]
sunday = ["01:00-04:00"]

[[calendar_for]]
team = "product"
calendar = "berlin"
"""


@dataclass
class Past:
    """What the rows of a past refer to."""

    dice: random.Random
    staff: list[UUID] = field(default_factory=list)
    teams: list[UUID] = field(default_factory=list)
    customers: list[Customer] = field(default_factory=list)
    versions: list[UUID] = field(default_factory=list)
    made: int = 0


async def make_past(workshop: Workshop, seed: int, tickets: int, *, team: bool = True) -> None:
    """Fill an empty installation, which has the team of `make_team` unless it is made here; the same seed
    makes the same past.
    """
    past = Past(random.Random(seed))
    if team:
        await make_team(workshop)
    for number in range(6):
        await make_ticket(workshop, email=f"made{number}@customer.example")
    async with workshop.begin() as uow:
        await add_team(uow, "product", {})
        await _settle_in(uow, past)
        for _ in range(tickets):
            uow.session.add_all(_rows_of_a_ticket(past))
        uow.session.add_all(_anonymous(past))


async def _settle_in(uow: UnitOfWork, past: Past) -> None:
    past.staff = list(await uow.session.scalars(select(Staff.id).order_by(Staff.number)))[2:5]
    past.teams = list(await uow.session.scalars(select(Team.id).order_by(Team.name)))
    past.customers = list(await uow.session.scalars(select(Customer).order_by(Customer.code)))
    for place, customer in enumerate(past.customers):
        group = GROUPS[place % len(GROUPS)]
        await uow.session.execute(
            update(Customer).where(Customer.id == customer.id).values(customer_group=group)
        )
    other = parse_policy(uow.policy.version_text + BERLIN)
    past.versions = [uow.policy_version_id, await store_version(uow.session, other, uow.clock)]


def _after(past: Past, at: datetime, most_hours: float) -> datetime:
    """Later than `at`: by whole minutes, so that ends of buckets are hit, or to the microsecond."""
    dice = past.dice
    seconds = dice.choice((60 * dice.randrange(1, 60), dice.uniform(1, most_hours * 3600)))
    return at + timedelta(seconds=seconds)


def _maybe(past: Past, chance: float, value: Any) -> Any:
    return value if past.dice.random() < chance else None


def _rows_of_a_ticket(past: Past) -> list[Base]:
    dice = past.dice
    past.made += 1
    customer = dice.choice(past.customers)
    received = BEGIN + timedelta(seconds=dice.uniform(0, DAYS * 86_400))
    responded = _maybe(past, 0.85, _after(past, received, 40))
    resolved = _maybe(past, 0.75, _after(past, responded or received, 150))
    handler = _maybe(past, 0.9, dice.choice(past.staff))
    transferred = _maybe(past, 0.3, _after(past, received, 5))
    assigned = _maybe(past, 0.8, _after(past, received, 8))
    accepted = _maybe(past, 0.7, _after(past, dice.choice((received, assigned or received)), 8))
    ticket = Ticket(
        id=new_id(),
        number=f"CS{past.made:012d}",
        state=TicketState.CLOSED if resolved else TicketState.IN_PROGRESS,
        opening=dice.choice((1, 1, 1, 2, 3)),
        priority=dice.choice(list(Priority)),
        category=dice.choice(list(Category)),
        further_categories=[],
        channel=dice.choice((Medium.EMAIL, Medium.SMS, Medium.PHONE)),
        locale="en",
        customer_id=customer.id,
        data_key_id=customer.data_key_id,
        subject_sealed=b"",
        description_sealed=b"",
        policy_version_id=dice.choice(past.versions),
        special_period=dice.choice((None, None, None, None, "festival", "fair")),
        team_id=_maybe(past, 0.9, dice.choice(past.teams)),
        handler_id=handler,
        credited_id=_maybe(past, 0.8, dice.choice(past.staff)) if resolved else None,
        credited_team_id=_maybe(past, 0.8, dice.choice(past.teams)) if resolved else None,
        received_at=received,
        opened_at=received,
        assigned_at=assigned,
        accepted_at=accepted,
        first_response_at=responded,
        transferred_at=transferred,
        resolved_at=resolved,
        closed_at=_maybe(past, 0.7, resolved and resolved + timedelta(days=1)),
        close_reason=dice.choice((None,) * 6 + ("not_a_ticket", "merged")),
        overdue_count=dice.choice((0, 0, 1, 2)),
        urged_count=dice.choice((0, 0, 0, 1, 3)),
        waits=dice.choice((0, 0, 0, 1)),
        cooperating=[],
    )
    if resolved and dice.random() < 0.15:
        return _rows_of_a_table(past, ticket)
    rows: list[Base] = [ticket, *_log(past, ticket), *_deadlines(past, ticket), *_messages(past, ticket)]
    if resolved and dice.random() < 0.7:
        rows += _survey(past, ticket, resolved)
    return rows


def _rows_of_a_table(past: Past, ticket: Ticket) -> list[Base]:
    """It came in from a table: without clocks and messages; of some the rating alone is known."""
    ticket.close_reason, ticket.opening, ticket.waits = IMPORTED, 1, 0
    ticket.overdue_count = ticket.urged_count = 0
    ticket.assigned_at = None
    at = ticket.resolved_at
    assert at
    if past.dice.random() < 0.3:
        ticket.received_at = ticket.opened_at = at
        ticket.first_response_at = ticket.transferred_at = None
    if past.dice.random() < 0.5:
        return [ticket]
    survey, *_ = _survey(past, ticket, at)
    assert isinstance(survey, Survey)
    survey.state, survey.reason, survey.anonymous = "answered", IMPORTED, False
    survey.invited_at = survey.answered_at = at
    return [ticket, survey, _answer(past, survey.id, at, ticket.category, 1, final=True)]


def _log(past: Past, ticket: Ticket) -> list[Base]:
    lines = [("received", ticket.received_at)]
    if ticket.transferred_at:
        lines += [
            ("transferred", _after(past, ticket.received_at, 5)) for _ in range(past.dice.randrange(1, 4))
        ]
    if past.dice.random() < 0.4:
        lines.append(("customer_wrote", _after(past, ticket.received_at, 200)))
    return [
        TicketEntry(id=new_id(), ticket_id=ticket.id, at=at, kind=kind, actor="system", facts={})
        for kind, at in lines
    ]


def _deadlines(past: Past, ticket: Ticket) -> list[Base]:
    """Clocks with their verdicts; some were planned anew after the first limit was missed."""
    rows: list[Base] = []
    kinds = (
        *(DeadlineKind.FIRST_RESPONSE, DeadlineKind.ACCEPTANCE, DeadlineKind.PLAN),
        *(DeadlineKind.RESOLUTION, DeadlineKind.SURVEY),
    )
    for kind in kinds:
        limit = ticket.received_at
        for generation in range(1, past.dice.choice((1, 2, 3, 3))):
            limit = _after(past, limit, 60)
            state = past.dice.choice(
                (DeadlineState.MET, DeadlineState.BREACHED, DeadlineState.BREACHED, DeadlineState.WITHDRAWN)
            )
            late = _maybe(past, 0.5, _after(past, limit, 90))
            rows.append(
                Deadline(
                    id=new_id(),
                    key=f"{kind.value}:{ticket.id.hex}:{generation}",
                    kind=kind,
                    generation=generation,
                    state=state,
                    ticket_id=ticket.id,
                    started_at=ticket.received_at,
                    limit_at=limit,
                    alarms=[],
                    met_at=limit if state is DeadlineState.MET else late,
                    breached_at=limit if state is DeadlineState.BREACHED else None,
                    ended_reason="over",
                    policy_version_id=ticket.policy_version_id,
                )
            )
    return rows


def _messages(past: Past, ticket: Ticket) -> list[Base]:
    rows: list[Base] = []
    for number in range(past.dice.randrange(3)):
        state = past.dice.choice(
            (NotificationState.SENT, NotificationState.DELIVERED, NotificationState.FAILED)
        )
        written = _after(past, ticket.received_at, 100)
        failed = state is NotificationState.FAILED
        rows.append(
            Notification(
                id=new_id(),
                key=f"receipt:{ticket.id.hex}:{number}",
                kind="receipt",
                channel=past.dice.choice((Medium.EMAIL, Medium.CHAT)),
                state=state,
                reason=past.dice.choice(("unknown_recipient", "mailbox_full")) if failed else None,
                created_at=written,
                sent_at=None if failed else _after(past, written, 2),
                ticket_id=ticket.id if past.dice.random() < 0.9 else None,
                data_key_id=ticket.data_key_id,
                recipient_sealed=b"",
                recipient_hash=b"0" * 32,
                locale="en",
                facts_sealed=b"",
                links={},
            )
        )
    return rows


def _survey(past: Past, ticket: Ticket, resolved: datetime) -> list[Base]:
    dice = past.dice
    state = dice.choice(("answered", "answered", "answered", "invited", "withdrawn", "not_asked"))
    invited = _after(past, resolved, 48)
    answered = _after(past, invited, 90) if state == "answered" else None
    survey = Survey(
        id=new_id(),
        number=f"CSAT{past.made:010d}",
        ticket_id=ticket.id,
        opening=ticket.opening,
        customer_id=ticket.customer_id,
        staff_id=ticket.credited_id,
        team_id=ticket.credited_team_id,
        category=ticket.category,
        customer_group=dice.choice(GROUPS),
        channel=Medium.EMAIL,
        locale="en",
        state=state,
        service_at=resolved,
        invited_at=invited,
        expires_at=invited + timedelta(days=30),
        answered_at=answered,
        anonymous=state == "answered" and dice.random() < 0.2,
        policy_version_id=ticket.policy_version_id,
    )
    if answered is None or survey.anonymous:
        return [survey]
    versions = dice.choice((1, 1, 2, 3))
    rows: list[Base] = [survey]
    for version in range(1, versions + 1):
        begun = version == 1 and versions > 1
        rows.append(_answer(past, survey.id, answered, survey.category, version, final=not begun))
    if dice.random() < 0.5:
        rows += _followup(past, survey, ticket, answered)
    return rows


def _answer(
    past: Past, survey: UUID | None, at: datetime, category: Category, version: int, *, final: bool
) -> SurveyAnswer:
    asked = [each for each in Dimension if each is Dimension.OVERALL or past.dice.random() < 0.6]
    return SurveyAnswer(
        id=new_id(),
        survey_id=survey,
        version=version,
        final=final,
        at=at,
        category=category,
        scores={each.value: past.dice.choice((1, 2, 3, 4, 5, 5, 5)) for each in asked},
        source="page" if survey else "anonymous",
        data_key_id=past.customers[0].data_key_id,
    )


def _anonymous(past: Past) -> list[Base]:
    """Some boxes of five were emptied, each stamped with its day only."""
    rows: list[Base] = []
    for _ in range(6):
        day = BEGIN + timedelta(days=past.dice.randrange(DAYS))
        category = past.dice.choice(list(Category))
        rows += [_answer(past, None, day, category, 1, final=True) for _ in range(5)]
    return rows


def _followup(past: Past, survey: Survey, ticket: Ticket, at: datetime) -> list[Base]:
    dice = past.dice
    rounds = dice.randrange(3)
    evaluated = [at + timedelta(days=7 * (each + 1)) for each in range(rounds)]
    row = Followup(
        id=new_id(),
        survey_id=survey.id,
        ticket_id=ticket.id,
        customer_id=ticket.customer_id,
        data_key_id=ticket.data_key_id,
        state=dice.choice((FollowupState.STARTED, FollowupState.OPEN, FollowupState.ENDED)),
        scores={},
        opened_at=at,
        start_by=at + timedelta(hours=48),
        started_at=_maybe(past, 0.7, _after(past, at, 90)),
        cause=dice.choice(("process", "people", "tool", None)),
        evaluated_at=evaluated[-1] if evaluated else None,
        plan={},
    )
    lines = [
        TicketEntry(
            id=new_id(),
            ticket_id=ticket.id,
            followup_id=row.id,
            at=each,
            kind="followup_evaluated",
            actor="staff",
            facts={"met": dice.random() < 0.5, "round": number + 1},
        )
        for number, each in enumerate(evaluated)
    ]
    return [row, *lines]
