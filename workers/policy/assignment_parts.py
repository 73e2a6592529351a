"""The tables of a policy file about who gets which request."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.vocabulary import Category, Medium, Priority
from workers.policy.fields import Code, Part

Way = Literal["round_robin", "load", "skill_then_load"]
Count = Annotated[int, Field(ge=1, le=1_000, strict=True)]
Weight = Annotated[int, Field(ge=1, le=100, strict=True)]
Skill = Annotated[str, Field(min_length=1, max_length=40)]

ROUND_ROBIN: Way = "round_robin"


class Rule(Part):
    """Who gets which request; what is left out fits everything.

    `skill` and `senior` say who of the team gets it where somebody of that kind is there, `by` in which way.
    """

    team: Code
    category: Category | None = None
    technical_kind: Code | None = None
    customer_level: Code | None = None
    priority: Priority | None = None
    channel: Medium | None = None
    together_with: tuple[Code, ...] = ()
    skill: Skill | None = None
    senior: bool = False
    by: Way | None = None


class Weights(Part):
    """`[assignment.weights]`: how much an open ticket weighs when the work is shared out by load."""

    urgent: Weight = 4
    high: Weight = 3
    medium: Weight = 2
    low: Weight = 1


class TeamDesk(Part):
    """`[assignment.in_team.x]`: how one team shares out its requests."""

    by: Way | None = None
    open_limit: Count | None = None


class AssignmentPart(Part):
    """`[assignment]`: the default team, the rules, and how a team shares out its requests."""

    default_team: Code
    first_contact_owns: bool
    by: Way = ROUND_ROBIN
    open_limit: Count | None = None
    weights: Weights = Weights()
    in_team: dict[Code, TeamDesk] = {}
    rules: tuple[Rule, ...] = ()
