"""The smallest things a policy file is made of: time zones, opening hours, roles, codes, words."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from workers.calendars.wall_clock import Interval, problem_in

RungRole = Literal["handler", "supervisor", "substitute", "head", "administrator"]
Roles = Annotated[tuple[RungRole, ...], Field(min_length=1)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
CountryCode = Annotated[str, Field(pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?|auto|none)$")]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[int, Field(ge=1, le=30, strict=True)]
Score = Annotated[int, Field(ge=1, le=5, strict=True)]


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as problem:
        raise ValueError(
            f"there is no time zone {text!r}; write one like Asia/Shanghai or Europe/Berlin"
        ) from problem
    return text


def _interval(text: object) -> object:
    if not isinstance(text, str):
        return text
    start, dash, end = text.replace("–", "-").partition("-")
    try:
        closing = "00:00" if end.strip() == "24:00" else end.strip()
        return (time.fromisoformat(start.strip()), time.fromisoformat(closing)) if dash else text
    except ValueError as problem:
        raise ValueError(f"{text!r} are no opening hours; write 09:00-18:00") from problem


def _in_order(intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
    if problem := problem_in(intervals):
        raise ValueError(f"{problem}; write them in order, a night shift last: 09:00-12:00, 22:00-06:00")
    return intervals


Zone = Annotated[str, AfterValidator(_zone)]
Hours = Annotated[
    tuple[Annotated[tuple[time, time], BeforeValidator(_interval)], ...], AfterValidator(_in_order)
]


class Part(BaseModel):
    """A table of the file. Unknown keys are mistakes; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wording(Part):
    """One text in the languages the service speaks."""

    en: str
    zh: str = Field(alias="zh_CN")

    def for_locale(self, locale: str) -> str:
        """Chinese for any zh locale, else English."""
        return self.zh if locale.lower().startswith("zh") else self.en
