"""When the week's frequent problems are told, to whom, and from how many on (rows C4, E8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from workers.policy.fields import Part

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Few = Annotated[int, Field(ge=1, le=1_000, strict=True)]


def _at(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return time.fromisoformat(text.strip())
    except ValueError as problem:
        raise ValueError(f"{text!r} is no time of day; write 09:00") from problem


def _address(text: str) -> str:
    name, at, domain = text.strip().rpartition("@")
    if text and (
        not (name and at and "." in domain) or not text.strip().isprintable() or " " in text.strip()
    ):
        raise ValueError(f"{text!r} is no mail address")
    return text.strip()


class KnowledgePart(Part):
    """`[knowledge]`: the weekly review. `product_address` empty: nobody outside the team is told."""

    weekly_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = (
        "monday"
    )
    weekly_at: Annotated[time, BeforeValidator(_at)] = time(9)
    frequent_from: Few = 5
    repeated_weeks: Few = 3
    repeated_customers: Few = 5
    product_address: Annotated[str, Field(max_length=254), AfterValidator(_address)] = ""

    def weekly_between(self, first: date, last: date, zone: str) -> list[tuple[date, datetime]]:
        """The days of the review from `first` to `last` (both included), each with its moment."""
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return [
            (day, datetime.combine(day, self.weekly_at, ZoneInfo(zone)))
            for day in days
            if DAYS[day.weekday()] == self.weekly_on
        ]


KNOWLEDGE_WORDS: Mapping[str, tuple[str, str]] = {
    "weekly_on": ("on", "每周"),
    "weekly_at": ("at", "时间"),
    "frequent_from": ("frequent from so many cases", "高频问题起点(件)"),
    "repeated_weeks": ("repeated from so many weeks", "重复问题起点(周)"),
    "repeated_customers": ("repeated from so many customers", "重复问题起点(客户)"),
    "product_address": ("product team's address", "产品团队邮箱"),
}
"""What the codes of this table are called, in English and Chinese."""
