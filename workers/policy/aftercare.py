"""What happens after the work: survey, confirmation, chasing, follow-up. Moments are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from workers.calendars import Calendar
from workers.policy.aftercare_parts import ChasePart, FollowupPart, SurveyPart
from workers.policy.quiet import QuietHours


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """What is asked: dimension codes, overall first, and open questions in the reader's language."""

    dimensions: tuple[str, ...]
    open_questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chase:
    """Asking again when somebody does not answer: a reminder, a task for a person, then closing."""

    calendar: Calendar
    rules: ChasePart

    def reminder_at(self, asked_at: datetime) -> datetime:
        """When the reminder leaves: on the set working day after asking, some time after opening."""
        return self._on_day(asked_at, self.rules.remind_on_day)

    def task_at(self, asked_at: datetime) -> datetime:
        """When a person gets the task to ask in person."""
        return self._on_day(asked_at, self.rules.task_on_day)

    def close_at(self, task_at: datetime) -> datetime:
        """When it is closed without an answer (未评价(已跟进), or unconfirmed with its reason)."""
        return self.rules.close_after.end(self.calendar, task_at)

    def _on_day(self, asked_at: datetime, day: int) -> datetime:
        opening = self.calendar.opening_of_working_day(asked_at, day)
        return self.calendar.add(opening, self.rules.at_opening_plus)


@dataclass(frozen=True, slots=True)
class Survey(Chase):
    """The CSAT survey of a policy."""

    rules: SurveyPart
    locale: str

    @property
    def delay(self) -> timedelta:
        """From the confirmed resolution to the invitation; 24 hours at most."""
        return self.rules.delay

    @property
    def edit_within(self) -> timedelta:
        """How long after the answer a customer may still change it; nothing: not at all."""
        return self.rules.edit_within

    @property
    def sms_answer(self) -> str:
        """What an SMS offers beside replying with a number: link, code or reply (nothing else)."""
        return self.rules.sms_answer

    @property
    def quiet_hours(self) -> QuietHours:
        """The part of the customer's day in which no survey leaves."""
        return self.rules.quiet_hours

    @property
    def fatigue_cap(self) -> tuple[int, timedelta]:
        """How many invitations a customer gets at most in how long a time; no time: no cap."""
        return self.rules.fatigue_cap, timedelta(days=self.rules.fatigue_days)

    def invite_at(self, ended_at: datetime, *, periodic: bool = False) -> datetime:
        """When the invitation is due; for periodic services some working days later."""
        return (
            self.rules.periodic_delay.end(self.calendar, ended_at)
            if periodic
            else ended_at + self.rules.delay
        )

    def expires_at(self, invited_at: datetime) -> datetime:
        """Until when the link takes an answer."""
        return self.rules.link_expires.end(self.calendar, invited_at)

    def close_unrated_at(self, task_at: datetime) -> datetime:
        """When an unrated ticket is closed as 未评价(已跟进)."""
        return self.close_at(task_at)

    def questionnaire(self, category: str | None, locale: str | None = None) -> Questionnaire:
        """The questions for a category (or `return_visit` 回访); others get the default questionnaire."""
        part = self.rules.questionnaires.get(category or "", self.rules.questionnaires["default"])
        questions = tuple(question.for_locale(locale or self.locale) for question in part.open_questions)
        return Questionnaire(tuple(each.value for each in part.dimensions), questions)

    def verdict(self, score: int) -> str:
        """`satisfied` 满意, `fair` 一般 or `dissatisfied` 不满意 for a score of 1 to 5."""
        if score >= self.rules.satisfied_from:
            return "satisfied"
        return "fair" if score >= self.rules.fair_from else "dissatisfied"


@dataclass(frozen=True, slots=True)
class Followup:
    """The follow-up of a low score. Its clock is plain elapsed time."""

    rules: FollowupPart

    @property
    def low_overall(self) -> int:
        """An overall score up to this one opens a follow-up."""
        return self.rules.low_overall

    @property
    def low_dimension(self) -> int:
        """A score of any other dimension up to this one flags that dimension."""
        return self.rules.low_dimension

    @property
    def reminders(self) -> tuple[timedelta, ...]:
        """How long after the opening the owner is reminded, in order."""
        return tuple(sorted(self.rules.reminders))

    def start_by(self, opened_at: datetime) -> datetime:
        """Until when the first contact must have been logged."""
        return opened_at + self.rules.start_within

    def reminders_at(self, opened_at: datetime) -> tuple[datetime, ...]:
        """The moments of the reminders, in order."""
        return tuple(opened_at + after for after in self.reminders)

    def opens(self, scores: Mapping[str, int]) -> bool:
        """Whether these scores (dimension → 1…5) open a follow-up."""
        return "overall" in scores and scores["overall"] <= self.low_overall

    def flagged(self, scores: Mapping[str, int]) -> tuple[str, ...]:
        """The dimensions other than overall that are to be looked at."""
        return tuple(
            dimension
            for dimension, score in scores.items()
            if dimension != "overall" and score <= self.low_dimension
        )
