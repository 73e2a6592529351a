"""A loaded policy: all the steps may ask it. Pure: no clock, no database; moments in and out are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.vocabulary import Category, Priority
from workers.calendars import Calendar
from workers.policy import plan
from workers.policy.aftercare import Chase, Followup, Questionnaire, Survey
from workers.policy.desk import Desk
from workers.policy.document import ByPriority, SomePriorities
from workers.policy.limits import Limit
from workers.policy.plan import Alarm, SlaClock


@dataclass(frozen=True, slots=True, eq=False)
class Policy(Desk):
    """An SLA policy; two are equal when their content is: `digest`, sha256 in hex, ignores comments.

    `version_text` is the TOML source it was read from: `parse_policy(version_text)` gives the same policy.
    """

    calendar: Calendar
    digest: str
    version_text: str
    country_unknown: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    # -- limits --------------------------------------------------------------------------------------------

    def around_the_clock(self, priority: Priority) -> bool:
        """Whether nights and weekends count for this priority."""
        return priority in self.document.calendar.around_the_clock

    def special_period(self, at: datetime) -> str | None:
        """The label of the special period (a sales festival) the moment lies in, by local date."""
        today = self.calendar.local_date(at)
        periods = self.document.special_periods
        return next((each.label for each in periods if each.first_day <= today <= each.last_day), None)

    def limit_for(
        self, clock: SlaClock, priority: Priority, start: datetime, category: Category | None = None
    ) -> Limit | None:
        """The limit as written: of the period `start` lies in, else the category's, else the file's."""
        name = SlaClock.FIRST_RESPONSE.value if clock is SlaClock.ACCEPTANCE else clock.value
        today = self.calendar.local_date(start)
        overrides: list[SomePriorities] = [
            getattr(period, name)
            for period in self.document.special_periods
            if period.first_day <= today <= period.last_day
        ]
        overrides += [
            getattr(part, name) for part in self.document.category_limits if part.category == category
        ]
        for override in overrides:
            limit: Limit | None = getattr(override, priority.value)
            if limit is not None:
                return limit
        table: ByPriority | None = getattr(self.document.limits, name)
        return table.of(priority) if table else None

    def limit_at(
        self, clock: SlaClock, priority: Priority, start: datetime, category: Category | None = None
    ) -> datetime | None:
        """The moment the limit of a clock started at `start` ends; None: this policy has no such limit.

        The resolution clock of a policy that only promises at acceptance (`support-response`) has none here:
        use `expected_resolution`.
        """
        limit = self.limit_for(clock, priority, start, category)
        if limit is None:
            return None
        return limit.end(self.calendar, start, around_the_clock=self.around_the_clock(priority))

    def expected_resolution(self, priority: Priority, accepted_at: datetime) -> datetime:
        """The resolution time a handler promises by default when accepting."""
        limit = self.document.limits.expected_resolution.of(priority)
        return limit.end(self.calendar, accepted_at, around_the_clock=self.around_the_clock(priority))

    def alarms(
        self,
        clock: SlaClock,
        priority: Priority,
        start: datetime,
        category: Category | None = None,
        *,
        limit: datetime | None = None,
    ) -> tuple[Alarm, ...]:
        """Warning and breach of a clock (reminders, for `acceptance`), in time order; empty without a limit.

        `limit` replaces the policy's own: a promised, extended or re-planned moment.
        """
        rule = self.limit_for(clock, priority, start, category)
        around = self.around_the_clock(priority)
        if limit is None and rule is not None:
            limit = rule.end(self.calendar, start, around_the_clock=around)
        if limit is None:
            return ()
        measure = plan.ruler(self.calendar, rule, around)
        if clock is SlaClock.ACCEPTANCE:
            return plan.acceptance(self.document.acceptance_reminders, measure, start, limit)
        rules = self.document.warnings
        lead: timedelta = getattr(rules, clock.value)
        ahead = plan.warning(rules, lead, priority, measure, start, limit)
        breach = Alarm(limit, "breach", self.document.escalation.at_breach)
        return (ahead, breach) if ahead else (breach,)

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
        # The closing moment itself is when most limits end; people are still there.
        closing = self.calendar.next_closing(at - timedelta(microseconds=1))
        return at if closing == at else self.calendar.next_opening(at)

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
        return Followup(self.document.followup)

    def questionnaire(self, category: str | None, locale: str | None = None) -> Questionnaire:
        """Short for `survey.questionnaire`."""
        return self.survey.questionnaire(category, locale)

    def notices(self, from_year: int, to_year: int) -> tuple[str, ...]:
        """What an administrator should know about this policy: years without published holidays, mainly."""
        found = []
        if self.country_unknown:
            found.append(f"no country is known for time zone {self.zone}, so no public holidays are kept")
        for year in self.calendar.years_without_data(from_year, to_year):
            found.append(f"the public holidays and make-up days of {year} are not published yet")
        return tuple(found)
