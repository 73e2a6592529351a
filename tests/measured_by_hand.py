"""All figures once more, row by row in plain Python: what the computation in SQL is held against."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Customer, Staff, Team
from models.surveys import Followup, Survey, SurveyAnswer
from models.tickets import Ticket, TicketEntry
from workers.measures import Group, Narrowing, Period, Special, Viewer
from workers.policy import Case
from workers.unit_of_work import UnitOfWork

By = Callable[[Any], Any]
Values = dict[str, Any]


@dataclass
class Records:
    """Every row there is."""

    tickets: dict[UUID, Ticket]
    entries: Sequence[TicketEntry]
    deadlines: Sequence[Deadline]
    surveys: dict[UUID, Survey]
    answers: Sequence[SurveyAnswer]
    followups: dict[UUID, Followup]
    messages: Sequence[Notification]
    customers: dict[UUID, Customer]
    teams: dict[UUID, Team]
    staff: dict[UUID, Staff]


async def records(uow: UnitOfWork) -> Records:
    """Read them all."""

    async def every(model: Any) -> list[Any]:
        return list(await uow.session.scalars(select(model)))

    def by_id(rows: Iterable[Any]) -> dict[UUID, Any]:
        return {row.id: row for row in rows}

    return Records(
        by_id(await every(Ticket)),
        await every(TicketEntry),
        await every(Deadline),
        by_id(await every(Survey)),
        await every(SurveyAnswer),
        by_id(await every(Followup)),
        await every(Notification),
        by_id(await every(Customer)),
        by_id(await every(Team)),
        by_id(await every(Staff)),
    )


class ByHand:
    """The figures of one question."""

    def __init__(
        self,
        uow: UnitOfWork,
        read: Records,
        period: Period,
        narrowing: Narrowing,
        group: Group | None,
        own: Viewer,
    ) -> None:
        self.uow, self.read, self.period, self.wanted, self.group = uow, read, period, narrowing, group
        self.own = own.own
        self.first = _midnight(period.first_day, period.zone)
        self.last = _midnight(period.last_day + timedelta(days=1), period.zone)
        self.values: dict[Any, Values] = defaultdict(dict)
        self.lines: dict[UUID, list[TicketEntry]] = defaultdict(list)
        for line in read.entries:
            self.lines[line.ticket_id].append(line)

    def inside(self, at: datetime | None) -> bool:
        return at is not None and self.first <= at < self.last

    # -- who belongs where ---------------------------------------------------------------------------------

    def counts(self, row: Ticket, *, apart: bool = True) -> bool:
        w = self.wanted
        owner, team = row.credited_id or row.handler_id, row.credited_team_id or row.team_id
        if row.close_reason in ("merged", "not_a_ticket"):
            return False
        if w.special is Special.ONLY and row.special_period is None:
            return False
        if apart and w.special is Special.APART and row.special_period is not None:
            return False
        if self.own is not None and owner != self.own:
            return False
        return (
            w.team_id in (None, team)
            and w.staff_id in (None, owner)
            and w.category in (None, row.category)
            and w.priority in (None, row.priority)
            and w.channel in (None, row.channel)
            and w.customer_group in (None, self.read.customers[row.customer_id].customer_group)
            and w.policy_version_id in (None, row.policy_version_id)
        )

    def survey_counts(self, row: Survey) -> bool:
        w, ticket = self.wanted, self.read.tickets[row.ticket_id]
        return (
            w.team_id in (None, row.team_id)
            and w.staff_id in (None, row.staff_id)
            and w.category in (None, row.category)
            and w.customer_group in (None, row.customer_group)
            and w.priority in (None, ticket.priority)
            and w.channel in (None, ticket.channel)
            and w.policy_version_id in (None, ticket.policy_version_id)
            and (w.special is not Special.ONLY or ticket.special_period is not None)
        )

    def key(self, at: datetime, facts: dict[Group, Any]) -> Any:
        """What the group of a case is called."""
        if self.group is None:
            return None
        day = at.astimezone(self.period.zone).date()
        if self.group is Group.DAY:
            return day.isoformat()
        if self.group is Group.WEEK:
            return f"{day.isocalendar().year}-W{day.isocalendar().week:02d}"
        if self.group is Group.MONTH:
            return day.isoformat()[:7]
        if self.group is Group.QUARTER:
            return f"{day.year}-Q{(day.month + 2) // 3}"
        return facts[self.group] or ""

    def ticket_key(self, row: Ticket, at: datetime) -> Any:
        team = self.read.teams.get(row.credited_team_id or row.team_id or row.id)
        person = self.read.staff.get(row.credited_id or row.handler_id or row.id)
        facts = {
            Group.TEAM: team and team.name,
            Group.STAFF: person and person.number,
            Group.CATEGORY: row.category.value,
            Group.PRIORITY: row.priority.value,
            Group.CHANNEL: row.channel.value,
            Group.CUSTOMER_GROUP: self.read.customers[row.customer_id].customer_group,
        }
        return self.key(at, facts)

    def survey_key(self, row: Survey, at: datetime) -> Any:
        ticket = self.read.tickets[row.ticket_id]
        team, person = self.read.teams.get(row.team_id or row.id), self.read.staff.get(row.staff_id or row.id)
        facts = {
            Group.TEAM: team and team.name,
            Group.STAFF: person and person.number,
            Group.CATEGORY: row.category.value,
            Group.PRIORITY: ticket.priority.value,
            Group.CHANNEL: ticket.channel.value,
            Group.CUSTOMER_GROUP: row.customer_group,
        }
        return self.key(at, facts)

    # -- figures -------------------------------------------------------------------------------------------

    async def all(self) -> dict[Any, Values]:
        """Every figure by group: a number, a pair (some, of) for a share, a list for durations and scores."""
        for row in self.read.tickets.values():
            await self._ticket(row)
        self._clocks()
        self._satisfaction()
        self._care()
        self._messages()
        return self.values

    def add(self, group: Any, key: str, value: Any) -> None:
        if isinstance(value, tuple):
            some, of = self.values[group].get(key, (0, 0))
            self.values[group][key] = (some + value[0], of + value[1])
        elif isinstance(value, int):
            self.values[group][key] = self.values[group].get(key, 0) + value
        else:
            self.values[group].setdefault(key, []).extend(value)

    async def _ticket(self, row: Ticket) -> None:
        if not self.counts(row):
            return
        if self.inside(row.received_at):
            group = self.ticket_key(row, row.received_at)
            had_result = row.resolved_at is not None or row.opening > 1
            lines = self.lines[row.id]
            moved = sum(each.kind == "transferred" for each in lines) if row.transferred_at else 0
            self.add(group, "requests", 1)
            self.add(group, "top_types", [row.category.value])
            if row.close_reason != "imported":
                self.add(group, "unanswered", int(row.first_response_at is None))
                self.add(group, "overdue_requests", (int(row.overdue_count > 0), 1))
                self.add(group, "urgings", row.urged_count)
                self.add(group, "urged", (int(row.urged_count > 0), 1))
                self.add(group, "handed_on", (int(row.transferred_at is not None), 1))
                self.add(group, "transfers", moved)
                self.add(group, "reopened", (int(row.opening > 1), 1) if had_result else (0, 0))
            await self._took(row, "first_response", group, row.first_response_at)
            self._accepted(row, group)
        if self.inside(row.resolved_at):
            assert row.resolved_at
            group = self.ticket_key(row, row.resolved_at)
            written = [each.at for each in self.lines[row.id] if each.kind == "customer_wrote"]
            again = any(at <= row.resolved_at for at in written)
            trouble = row.opening > 1 or row.urged_count or row.waits or row.transferred_at or again
            self.add(group, "results", 1)
            if row.close_reason != "imported":
                self.add(group, "one_contact", (int(not trouble), 1))
            if row.close_reason != "imported" or row.resolved_at > row.received_at:
                await self._took(row, "resolution", group, row.resolved_at)

    def _accepted(self, row: Ticket, group: Any) -> None:
        given, taken = row.assigned_at, row.accepted_at
        since = given is not None and taken is not None and taken >= given
        if since:
            assert given
            assert taken
            self.add(group, "acceptance", [(taken - given).total_seconds()])
        over = row.first_response_at or row.resolved_at or row.closed_at
        self.add(group, "unaccepted", int(given is not None and not since and over is None))

    async def _took(self, row: Ticket, clock: str, group: Any, end: datetime | None) -> None:
        if end is None:
            return
        policy = await self.uow.policy_of(row.policy_version_id)
        team = self.read.teams.get(row.team_id or row.id)
        name = (
            team.name if team else policy.assignment(row.category, None, None, row.priority, row.channel).team
        )
        own = policy.for_case(Case(row.priority, category=row.category, team=name, channel=row.channel))
        worked = end - row.received_at
        if not own.around_the_clock(row.priority):
            worked = own.calendar.between(row.received_at, end)
        self.add(group, clock, [(end - row.received_at).total_seconds()])
        self.add(group, f"{clock}_working", [worked.total_seconds()])

    def _clocks(self) -> None:
        chains: dict[Any, bool] = {}
        for row in self.read.deadlines:
            ticket = self.read.tickets[row.ticket_id]
            if row.state.value in ("met", "breached") and self.inside(row.limit_at) and self.counts(ticket):
                assert row.limit_at
                chain = (self.ticket_key(ticket, row.limit_at), row.ticket_id, row.kind.value, row.started_at)
                chains[chain] = chains.get(chain, False) or row.state.value == "breached"
        for (group, _, kind, _), missed in chains.items():
            self.add(group, f"overdue_{kind}", (int(missed), 1))

    def _satisfaction(self) -> None:
        newest: dict[UUID, SurveyAnswer] = {}
        for row in self.read.answers:
            if row.survey_id is not None and row.final:
                known = newest.get(row.survey_id)
                if known is None or known.version < row.version:
                    newest[row.survey_id] = row
        for ident, row in newest.items():
            survey = self.read.surveys[ident]
            if self.inside(survey.answered_at) and self.survey_counts(survey):
                assert survey.answered_at
                self._scores(self.survey_key(survey, survey.answered_at), row)
        for row in self.read.answers:
            if row.survey_id is None and self.inside(row.at) and self._tells_nobody(row):
                self._scores(self.key(row.at, {Group.CATEGORY: row.category.value}), row)

    def _tells_nobody(self, row: SurveyAnswer) -> bool:
        """Whether an anonymous answer can be counted in what is asked: it knows its category and its day."""
        w = self.wanted
        others = (w.team_id, w.staff_id, w.priority, w.channel, w.customer_group, w.policy_version_id)
        if any(others) or w.special is Special.ONLY:
            return False
        if self.group in (Group.TEAM, Group.STAFF, Group.PRIORITY, Group.CHANNEL, Group.CUSTOMER_GROUP):
            return False
        return w.category in (None, row.category)

    def _scores(self, group: Any, row: SurveyAnswer) -> None:
        self.add(group, "answers", 1)
        for dimension, score in row.scores.items():
            self.add(group, f"csat_{dimension}", [score])

    def _care(self) -> None:
        for survey in self.read.surveys.values():
            asked = survey.state in ("invited", "answered") and survey.reason != "imported"
            if asked and self.inside(survey.invited_at) and self.survey_counts(survey):
                group = self.survey_key(survey, survey.invited_at)
                self.add(group, "surveys", 1)
                self.add(group, "response_rate", (int(survey.state == "answered"), 1))
        now = self.uow.clock.now()
        for row in self.read.followups.values():
            survey = self.read.surveys[row.survey_id]
            if self.survey_counts(survey) and self.inside(row.opened_at):
                group = self.survey_key(survey, row.opened_at)
                self.add(group, "followups", 1)
                self.add(group, "followup_causes", [row.cause or "unknown"])
                if row.started_at or (row.start_by <= now and row.state.value != "ended"):
                    in_time = row.started_at is not None and row.started_at <= row.start_by
                    self.add(group, "followups_in_time", (int(in_time), 1))
        for line in self.read.entries:
            if line.kind == "followup_evaluated" and self.inside(line.at) and line.followup_id:
                survey = self.read.surveys[self.read.followups[line.followup_id].survey_id]
                if self.survey_counts(survey):
                    self.add(
                        self.survey_key(survey, line.at), "reevaluations_met", (int(line.facts["met"]), 1)
                    )

    def _messages(self) -> None:
        w = self.wanted
        for row in self.read.messages:
            ticket = self.read.tickets.get(row.ticket_id) if row.ticket_id else None
            if not self.inside(row.created_at) or w.channel not in (None, row.channel):
                continue
            of_request = (
                w.team_id,
                w.staff_id,
                w.category,
                w.priority,
                w.customer_group,
                w.policy_version_id,
            )
            asks = any(of_request) or w.special is Special.ONLY
            parts = (Group.DAY, Group.WEEK, Group.MONTH, Group.QUARTER)
            asks = asks or self.group not in (None, Group.CHANNEL, *parts)
            if asks and (ticket is None or not self._without_channel(ticket)):
                continue
            if self.group is Group.CHANNEL or ticket is None:
                group = self.key(row.created_at, {Group.CHANNEL: row.channel.value})
            else:
                group = self.ticket_key(ticket, row.created_at)
            self.add(group, "messages", 1)
            self.add(group, "messages_by_state", [row.state.value])
            self.add(group, "messages_by_reason", [row.reason] if row.reason else [])
            if row.sent_at:
                self.add(group, "delivery", [(row.sent_at - row.created_at).total_seconds()])

    def _without_channel(self, ticket: Ticket) -> bool:
        kept, self.wanted = self.wanted, _no_channel(self.wanted)
        try:
            return self.counts(ticket, apart=False)
        finally:
            self.wanted = kept


def _no_channel(wanted: Narrowing) -> Narrowing:

    return replace(wanted, channel=None)


def _midnight(day: Any, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def percentile(values: Sequence[float], portion: float) -> float:
    """Between the two values around place portion × (n − 1) in order."""
    ordered = sorted(values)
    place = portion * (len(ordered) - 1)
    below = int(place)
    return ordered[below] + (ordered[min(below + 1, len(ordered) - 1)] - ordered[below]) * (place - below)


def frequent(codes: Iterable[str]) -> list[tuple[str, int]]:
    """Codes by how often they come, most first, equals by name."""
    return sorted(Counter(codes).items(), key=lambda each: (-each[1], each[0]))
