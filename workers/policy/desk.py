"""Who and where: teams, categories, priorities and their words, assignment. A policy without its clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from models.vocabulary import Category, Medium, Priority
from workers.policy.assignment_parts import ROUND_ROBIN, Way
from workers.policy.document import BrakesPart, CategoryPart, Document, PriorityPart
from workers.policy.fields import Wording
from workers.policy.triage_parts import TriagePart

CHAT_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who gets a request: the leading team, those that help it, and who of the team in which way.

    `skill` and `senior` are wishes: where nobody of that kind is there, the others of the team get it.
    """

    team: str
    together_with: tuple[str, ...] = ()
    skill: str | None = None
    senior: bool = False
    by: Way = ROUND_ROBIN


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """What a policy says about the service desk, apart from its clocks."""

    document: Document

    @property
    def name(self) -> str:
        return self.document.name

    @property
    def zone(self) -> str:
        """Name of the team's time zone."""
        return self.document.zone

    @property
    def locale(self) -> str:
        """Locale for whoever has none of their own: `en` or `zh_CN`."""
        return self.document.locale

    @property
    def default_priority(self) -> Priority:
        """What a mail starts at until a person confirms it."""
        return self.document.default_priority

    @property
    def reply_hold(self) -> timedelta:
        """How long an agent's answer waits, so that it can be taken back."""
        return self.document.replies.hold

    @property
    def chat_within(self) -> timedelta:
        """How soon after receipt a request is posted to its team's chat group, where there is one."""
        return self.document.replies.chat_within or CHAT_WITHIN

    @property
    def reopen_within(self) -> timedelta:
        """How long after closing a customer's reply opens the ticket again; later ones begin a new one."""
        return self.document.replies.reopen_within

    @property
    def brakes(self) -> BrakesPart:
        """How much is too much from, and for, one sender."""
        return self.document.brakes

    @property
    def triage(self) -> TriagePart:
        """Which fields must be complete before a result is given, and what confirms them."""
        return self.document.triage

    @property
    def first_contact_owns(self) -> bool:
        """首问负责制: the first team stays owner across departments and hears of breaches."""
        return self.document.assignment.first_contact_owns

    @property
    def default_team(self) -> str:
        return self.document.assignment.default_team

    @property
    def teams(self) -> Mapping[str, Wording]:
        """Names of teams and how they are shown."""
        return self.document.teams

    @property
    def categories(self) -> Mapping[Category, CategoryPart]:
        """Each category's `label` (`.for_locale(locale)`), `aliases` and `kinds`."""
        return self.document.categories

    @property
    def priorities(self) -> Mapping[Priority, PriorityPart]:
        """Each priority's `label`, `meaning` (its definition), `aliases` and `respond_by` media."""
        return self.document.priorities

    @property
    def review_on(self) -> date | None:
        """The date on which the standards are to be looked at again, if one is set."""
        return self.document.review.standards_on

    def reviews_between(self, first: date, last: date) -> tuple[tuple[date, tuple[str, ...]], ...]:
        """The dates from `first` to `last` (both included) on which something is to be reviewed, and what:
        `standards` on their own date, or else like the `survey` on the first day of every so many months.
        """
        found = []
        day = first
        while day <= last:
            regular = day.day == 1 and (day.month - 1) % self.document.review.every_months == 0
            what = ("survey",) if regular else ()
            if day == self.review_on or (regular and self.review_on is None):
                what = ("standards", *what)
            if what:
                found.append((day, what))
            day += timedelta(days=1)
        return tuple(found)

    def category_of(self, text: str) -> Category | None:
        """The category a word means (code, label or alias, case ignored); None when nothing fits."""
        return next((code for code, part in self.categories.items() if _means(text, code, part)), None)

    def priority_of(self, text: str) -> Priority | None:
        """The priority a word means (code, label or alias, case ignored); None when nothing fits."""
        return next((code for code, part in self.priorities.items() if _means(text, code, part)), None)

    def respond_by(self, priority: Priority) -> tuple[Medium, ...]:
        """The media a first response of this priority is asked for; empty: any."""
        return self.priorities[priority].respond_by

    def urged(self, priority: Priority) -> Priority:
        """The priority after the customer has urged (催单); the caller raises a ticket once."""
        return self.document.urging_raises.get(priority, priority)

    def assignment(
        self,
        category: Category | None,
        technical_kind: str | None = None,
        customer_level: str | None = None,
        priority: Priority | None = None,
        channel: Medium | None = None,
    ) -> Assignment:
        """The first rule of the file that fits, else the default team; with the way to choose a person."""
        part = self.document.assignment
        facts = (category, technical_kind, customer_level, priority, channel)
        for rule in part.rules:
            wanted = (rule.category, rule.technical_kind, rule.customer_level, rule.priority, rule.channel)
            if all(want is None or want == fact for want, fact in zip(wanted, facts, strict=True)):
                way = rule.by or self.way_of(rule.team)
                return Assignment(rule.team, rule.together_with, rule.skill, rule.senior, way)
        return Assignment(self.default_team, by=self.way_of(self.default_team))

    def way_of(self, team: str) -> Way:
        """How this team shares out its requests, where no rule says otherwise."""
        part = self.document.assignment
        own = part.in_team.get(team)
        return own.by if own and own.by else part.by

    def open_limit(self, team: str) -> int | None:
        """How many tickets one person of this team may have in progress before they get no new one."""
        part = self.document.assignment
        own = part.in_team.get(team)
        return own.open_limit if own and own.open_limit else part.open_limit

    def weight(self, priority: Priority) -> int:
        """How much an open ticket weighs when requests are shared out by load."""
        weight: int = getattr(self.document.assignment.weights, priority.value)
        return weight

    def assign(
        self,
        category: Category | None,
        technical_kind: str | None = None,
        customer_level: str | None = None,
        priority: Priority | None = None,
    ) -> str:
        """Name of the team that gets such a request."""
        return self.assignment(category, technical_kind, customer_level, priority).team


def _means(text: str, code: str, part: CategoryPart | PriorityPart) -> bool:
    word = text.strip().casefold()
    return word in {each.casefold() for each in (code, part.label.en, part.label.zh, *part.aliases)}
