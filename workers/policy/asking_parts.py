"""The tables of a policy file about who is asked for a rating, when, by which way, and what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from models.vocabulary import Category, Dimension, Medium
from workers.policy.fields import Code, Part, Wording
from workers.policy.limits import DurationField, LimitField

Touchpoint = Literal["pre_sales", "ordering", "after_sales", "complaint", "return_visit", "other"]
"""Where in the service somebody is asked: 售前咨询, 售中下单, 售后服务, 售后投诉, 定期回访, 其他."""
Way = Literal["email", "sms", "push", "phone"]
Scale = Literal["five", "three"]
Word = Annotated[str, Field(min_length=1, max_length=24)]

ORDERING = "ordering"
"""The kind (`kinds.ordering`, in any category) that makes a request one about placing an order."""
RETURN_VISIT = "return_visit"
LONGEST_DELAY = timedelta(hours=24)
CONDITIONS = (
    "touchpoint",
    "category",
    "kind",
    "customer_group",
    "customer_level",
    "team",
    "channel",
)
_BY_CATEGORY: Mapping[Category, Touchpoint] = {
    Category.PRE_SALES: "pre_sales",
    Category.AFTER_SALES_TECHNICAL: "after_sales",
    Category.AFTER_SALES_REQUEST: "after_sales",
    Category.COMPLAINT: "complaint",
    Category.OTHER: "other",
}


@dataclass(frozen=True, slots=True)
class Service:
    """What a rule may ask of a service that has ended; `team` names the team that gave the result."""

    touchpoint: Touchpoint
    category: Category
    kind: str | None = None
    customer_group: str | None = None
    customer_level: str | None = None
    team: str | None = None
    channel: Medium | None = None


def touchpoint_of(category: Category, kind: str | None) -> Touchpoint:
    """Where in the service a request of this category and kind stands."""
    return "ordering" if kind == ORDERING else _BY_CATEGORY[category]


class OwnQuestion(Wording):
    """`[[survey.questionnaires.x.own]]`: a scored question of the team's own, in both languages."""

    code: Code

    @model_validator(mode="after")
    def _a_name_of_its_own(self) -> Self:
        if self.code in {each.value for each in Dimension} or self.code in ("comment", "anonymous"):
            raise ValueError(f'"{self.code}" is taken; choose another code for this question')
        if len(self.code) > 24:
            raise ValueError("the code is longer than 24 characters")
        return self


class AskRule(Part):
    """`[[survey.ask]]`: whether and how services of one kind are asked about; what is left out fits all.

    `periodic` makes it a return visit 定期回访: asked some working days later, with its questionnaire.
    """

    touchpoint: Touchpoint | None = None
    category: Category | None = None
    kind: Code | None = None
    customer_group: Word | None = None
    customer_level: Word | None = None
    team: Code | None = None
    channel: Medium | None = None
    ask: bool = True
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    questionnaire: Code | None = None
    ways: tuple[Way, ...] = ()
    delay: DurationField | None = None
    periodic: bool = False
    periodic_delay: LimitField | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.delay is not None and self.delay > LONGEST_DELAY:
            raise ValueError("delay must be 24h at most; a later visit is periodic = true")
        if self.periodic and self.delay is not None:
            raise ValueError("a periodic service is asked about after periodic_delay, so leave out delay")
        if self.periodic_delay is not None and not self.periodic:
            raise ValueError("periodic_delay is for periodic = true")
        if len(set(self.ways)) != len(self.ways):
            raise ValueError("ways names one twice")
        return self

    @property
    def conditions(self) -> Mapping[str, object]:
        """What it asks of a service."""
        asked = {name: getattr(self, name) for name in CONDITIONS}
        return {name: value for name, value in asked.items() if value is not None}

    def fits(self, service: Service) -> bool:
        """Whether it is about such a service."""
        return all(getattr(service, name) == value for name, value in self.conditions.items())

    def takes(self, key: bytes) -> bool:
        """Whether the request with this id is in the sample: the same answer however often it is asked."""
        drawn = int.from_bytes(blake2b(key, digest_size=8, person=b"survey sample").digest(), "big")
        return drawn < self.share * 2**64


EVERYBODY = AskRule()
"""What holds where no rule fits: everybody is asked."""
