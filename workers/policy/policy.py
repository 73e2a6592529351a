"""A loaded policy: all the steps may ask it. Pure: no clock, no database; moments in and out are UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from models.vocabulary import Priority
from workers.policy import plan
from workers.policy.aftercare import Chase, Followup, Questionnaire, Survey
from workers.policy.hours import Hours
from workers.policy.informing import Informing
from workers.policy.limit_parts import (
    ByPriority,
    Case,
    CategoryLimits,
    LimitsFor,
    OtherLimits,
    by_weight,
    fits,
)
from workers.policy.limits import Limit
from workers.policy.plan import Alarm, SlaClock
from workers.policy.waiting import Waiting

_COUNTED = {"reply_to_customer": "answer", "progress_notice": "progress", "result_feedback": "result"}
"""How a policy file calls the messages in a person's words."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Policy(Hours):
    """An SLA policy; two are equal when their content is: `digest`, sha256 in hex, ignores comments.

    `version_text` is the TOML source it was read from: `parse_policy(version_text)` gives the same policy.

    What takes a case goes by that case's calendar; ladders, waits, surveys and follow-ups go by the policy's
    own: ask `for_case(case)` for those of a request.
    """

    digest: str
    version_text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    # -- limits --------------------------------------------------------------------------------------------

    def special_period(self, at: datetime) -> str | None:
        """The label of the special period (a sales festival) the moment lies in, by the policy's own zone."""
        today = self._own_date(at)
        periods = self.document.special_periods
        return next((each.label for each in periods if each.first_day <= today <= each.last_day), None)

    def limit_for(self, clock: SlaClock, about: Case | Priority, start: datetime) -> Limit | None:
        """The limit as written: of the re-opening, of the period `start` lies in, of the table that asks for
        most and fits, else the file's. A bare priority is a case that no such table asks for.
        """
        limit = self._written(clock.value, about, start)
        if limit is None and clock is SlaClock.ACCEPTANCE:
            return self._written(SlaClock.FIRST_RESPONSE.value, about, start)
        return limit

    def _written(self, name: str, about: Case | Priority, start: datetime) -> Limit | None:
        case = _case(about)
        for table in self._others(case, start):
            limit = table.limit(name, case.priority)
            if limit is not None:
                return limit
        general: ByPriority | None = getattr(self.document.limits, name)
        return general.of(case.priority) if general else None

    def _others(self, case: Case, start: datetime) -> Iterator[OtherLimits]:
        """The tables of other limits that a case falls under, the one that counts first."""
        document = self.document
        if case.reopened:
            yield document.reopening
        fitting: list[CategoryLimits | LimitsFor] = []
        if document.limits_for or document.category_limits:
            tables = by_weight((*document.limits_for, *document.category_limits))
            fitting = [table for table in tables if fits(table, case)]
        if document.special_periods:
            today = self._own_date(start)
            periods = [each for each in document.special_periods if each.first_day <= today <= each.last_day]
            firm = [each for each in fitting if isinstance(each, LimitsFor) and each.in_special_periods]
            yield from (*firm, *periods) if periods else ()
        yield from fitting

    def _own_date(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def limit_at(self, clock: SlaClock, about: Case | Priority, start: datetime) -> datetime | None:
        """The moment the limit of a clock started at `start` ends; None: this policy has no such limit.

        The resolution clock of a policy that only promises at acceptance (`support-response`) has none here:
        use `expected_resolution`.
        """
        return self._end(self.limit_for(clock, about, start), about, start)

    def expected_resolution(self, about: Case | Priority, accepted_at: datetime) -> datetime:
        """The resolution time a handler promises by default when accepting."""
        end = self._end(self._written("expected_resolution", about, accepted_at), about, accepted_at)
        assert end is not None  # [limits.expected_resolution] is there in every policy
        return end

    def _end(self, limit: Limit | None, about: Case | Priority, start: datetime) -> datetime | None:
        own = self.for_case(about)
        around = own.around_the_clock(_case(about).priority)
        return limit.end(own.calendar, start, around_the_clock=around) if limit else None

    def alarms(
        self, clock: SlaClock, about: Case | Priority, start: datetime, *, limit: datetime | None = None
    ) -> tuple[Alarm, ...]:
        """Warnings and breach of a clock, for `acceptance` its reminders too, in time order; empty without a
        limit. Nobody misses a limit of acceptance that is only borrowed.

        `limit` replaces the policy's own: a promised, extended or re-planned moment.
        """
        rule, priority = self.limit_for(clock, about, start), _case(about).priority
        own = self.for_case(about)
        limit = limit or self._end(rule, about, start)
        if limit is None:
            return ()
        measure = plan.ruler(own.calendar, rule, own.around_the_clock(priority))
        breach = Alarm(limit, "breach", self.document.escalation.at_breach)
        if clock is SlaClock.ACCEPTANCE:
            reminders = plan.acceptance(self.document.acceptance_reminders, measure, start, limit)
            borrowed = self._written(clock.value, about, start) is None
            return reminders if borrowed else (*reminders, breach)
        rules = self.document.warnings
        leads: tuple[timedelta, ...] = getattr(rules, clock.value)
        return (*plan.warnings(rules, leads, priority, measure, start, limit), breach)

    @property
    def informing(self) -> Informing:
        """Word to customers whose request stays open."""
        return Informing(self.calendar, self.document.progress)

    @property
    def waiting(self) -> Waiting:
        """What stands still while the customer is waited for."""
        return Waiting(self.calendar, self.document.waiting)

    def after_pauses(
        self,
        clock: SlaClock,
        about: Case | Priority,
        start: datetime,
        limit: datetime,
        pauses: Iterable[tuple[datetime, datetime]],
    ) -> datetime:
        """Where `limit` of a clock started at `start` lies after these waits for the customer, in time order.

        What was left stays left, measured in the kind of time that the limit runs in; the limit itself where
        this policy does not pause the clock.
        """
        if clock.value not in self.document.waiting.pauses:
            return limit
        own = self.for_case(about)
        around = own.around_the_clock(_case(about).priority)
        measure = plan.ruler(own.calendar, self.limit_for(clock, about, start), around)
        for begun_at, ended_at in pauses:
            if ended_at > start:
                limit = plan.moved(measure, limit, max(begun_at, start), ended_at)
        return limit

    def counts_as_first_response(self, message: str) -> bool:
        """Whether a message to the customer of this kind (a notification's) is a first response."""
        counted = _COUNTED.get(message)
        return counted is not None and counted in self.document.first_response.counts

    @property
    def reopening_clocks(self) -> tuple[str, ...]:
        """Which clocks begin anew when a customer opens a ticket again."""
        return self.document.reopening.clocks

    # -- after a breach ------------------------------------------------------------------------------------

    def ladder(self, priority: Priority, breached_at: datetime) -> tuple[Alarm, ...]:
        """The rungs after a breach (levels 1, 2, 3 …), in time order; the breach itself is level 0."""
        around = self.around_the_clock(priority)
        return plan.ladder(self.document.escalation, self.calendar, around, breached_at)

    def ladder_repeat(self, priority: Priority, last_at: datetime) -> Alarm:
        """The daily repetition after the last rung, or after the last repetition."""
        around = self.around_the_clock(priority)
        return plan.next_daily(self.document.escalation, self.calendar, around, last_at)

    def tell_at(self, priority: Priority, at: datetime) -> datetime:
        """When a breach found at `at` is told: at once, or, at night and not urgent, at opening time."""
        if self.around_the_clock(priority) or not self.document.escalation.night_digest:
            return at
        return self.calendar.next_opening(at) if self.after_hours(at) else at

    def after_hours(self, at: datetime) -> bool:
        """Whether nobody is at work at `at`."""
        # The closing moment itself is when most limits end; people are still there.
        closing = self.calendar.next_closing(at - timedelta(microseconds=1))
        return closing != at and not self.calendar.is_open(at)

    # -- after the work ------------------------------------------------------------------------------------

    @property
    def survey(self) -> Survey:
        return Survey(self.calendar, self.document.survey, self.locale)

    @property
    def confirmation(self) -> Chase:
        """Chasing a customer who neither confirms nor rejects a result."""
        return Chase(self.calendar, self.document.confirmation)

    def confirm_by(self, asked_at: datetime) -> datetime:
        """Until when a result can be confirmed before the ticket is closed unconfirmed."""
        return self.confirmation.close_at(self.confirmation.task_at(asked_at))

    @property
    def followup(self) -> Followup:
        return Followup(self.calendar, self.document.followup)

    def questionnaire(self, category: str | None, locale: str | None = None) -> Questionnaire:
        """Short for `survey.questionnaire`."""
        return self.survey.questionnaire(category, locale)


def _case(about: Case | Priority) -> Case:
    return Case(about) if isinstance(about, Priority) else about
