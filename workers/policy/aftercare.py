"""What happens after the work: survey, confirmation, chasing, follow-up. Moments are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from workers.calendars import Calendar
from workers.policy.aftercare_parts import ChasePart, FollowupPart, SurveyPart
from workers.policy.asking_parts import EVERYBODY, RETURN_VISIT, AskRule, Scale, Service
from workers.policy.quiet import QuietHours


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """What is asked: dimension codes, overall first, and open questions in the reader's language.

    `own` are the team's own scored questions: code → words. On a scale of `three` only 5, 3 and 1 are given.
    """

    dimensions: tuple[str, ...]
    open_questions: tuple[str, ...]
    own: Mapping[str, str] = field(default_factory=dict)
    scale: Scale = "five"

    @property
    def scored(self) -> tuple[str, ...]:
        """The codes of all that is given a score, in the order of asking."""
        return (*self.dimensions, *self.own)

    @property
    def scores(self) -> tuple[int, ...]:
        """The scores that can be given, the lowest first."""
        return (1, 3, 5) if self.scale == "three" else (1, 2, 3, 4, 5)


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

    def steps(self, asked_at: datetime) -> tuple[tuple[datetime, str], ...]:
        """What is done when about a question that is not answered: reminder, task, give_up."""
        task_at = self.task_at(asked_at)
        end = self.close_at(task_at)
        return (self.reminder_at(asked_at), "reminder"), (task_at, "task"), (end, "give_up")

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

    def asking(self, service: Service) -> AskRule:
        """The first `[[survey.ask]]` rule that fits; where none does, everybody is asked."""
        return next((rule for rule in self.rules.ask if rule.fits(service)), EVERYBODY)

    def invite_at(self, ended_at: datetime, rule: AskRule = EVERYBODY) -> datetime:
        """When the invitation is due; for periodic services some working days later."""
        if rule.periodic:
            limit = rule.periodic_delay or self.rules.periodic_delay
            return limit.end(self.calendar, ended_at)
        return ended_at + (self.rules.delay if rule.delay is None else rule.delay)

    def questionnaire_of(self, rule: AskRule) -> str | None:
        """The name of the questionnaire that a rule asks; None: that of the category."""
        return rule.questionnaire or (RETURN_VISIT if rule.periodic else None)

    def expires_at(self, invited_at: datetime) -> datetime:
        """Until when the link takes an answer."""
        return self.rules.link_expires.end(self.calendar, invited_at)

    def close_unrated_at(self, task_at: datetime) -> datetime:
        """When an unrated ticket is closed as 未评价(已跟进)."""
        return self.close_at(task_at)

    def questionnaire(self, category: str | None, locale: str | None = None) -> Questionnaire:
        """The questions for a category (or `return_visit` 回访); others get the default questionnaire."""
        part = self.rules.questionnaires.get(category or "", self.rules.questionnaires["default"])
        read_in = locale or self.locale
        questions = tuple(question.for_locale(read_in) for question in part.open_questions)
        own = {question.code: question.for_locale(read_in) for question in part.own}
        return Questionnaire(tuple(each.value for each in part.dimensions), questions, own, part.scale)

    def nearest(self, score: int, scale: Scale) -> int:
        """A score of 1 to 5 as it is given on this scale: 满意 5, 一般 3, 不满意 1 on one of three."""
        return (
            {"satisfied": 5, "fair": 3, "dissatisfied": 1}[self.verdict(score)] if scale == "three" else score
        )

    def verdict(self, score: int) -> str:
        """`satisfied` 满意, `fair` 一般 or `dissatisfied` 不满意 for a score of 1 to 5."""
        if score >= self.rules.satisfied_from:
            return "satisfied"
        return "fair" if score >= self.rules.fair_from else "dissatisfied"


@dataclass(frozen=True, slots=True)
class Followup:
    """The follow-up of a low score. The clock until its start is elapsed time, or working time if chosen."""

    calendar: Calendar
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
        return self._after(opened_at, self.rules.start_within)

    def reminders_at(self, opened_at: datetime) -> tuple[datetime, ...]:
        """The moments of the reminders, in order."""
        return tuple(self._after(opened_at, after) for after in self.reminders)

    def _after(self, moment: datetime, time: timedelta) -> datetime:
        return self.calendar.add(moment, time) if self.rules.start_clock == "working" else moment + time

    def measure_by(self, moment: datetime) -> datetime:
        """Until when a measure is to be set, after the first contact or after one that was not met."""
        return moment + self.rules.measure_within

    def due_alarms(self, now: datetime, due_at: datetime) -> tuple[tuple[datetime, str], ...]:
        """When whoever owns what is due at `due_at` hears of it, in order, and why: soon, due or overdue."""
        soon = [(due_at - before, "soon") for before in sorted(self.rules.due_reminders, reverse=True)]
        late = [(due_at + after, "overdue") for after in sorted(self.rules.overdue_reminders)]
        return (*(each for each in soon if each[0] > now), (due_at, "due"), *late)

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
