"""What must be known of a request before its result is given, and which acts confirm it (row B2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator

from workers.policy.fields import Part

CoreField = Literal["customer_name", "industry", "category", "priority", "occurred_at", "background"]
Act = Literal["acceptance", "result"]
CONFIRMED: tuple[CoreField, ...] = ("category", "priority")
"""Fields that always hold something: they count once a person has confirmed them."""


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each may be named once")
    return names


class TriagePart(Part):
    """`[triage]`: the core fields, and which acts confirm category and priority as they stand.

    The customer (by ID) and the description are always there and need no name here.
    """

    fields: Annotated[tuple[CoreField, ...], AfterValidator(_once)] = CONFIRMED
    confirmed_by: Annotated[tuple[Act, ...], AfterValidator(_once)] = ("acceptance", "result")


TRIAGE_WORDS: Mapping[str, tuple[str, str]] = {
    "fields": ("core fields", "必填核心字段"),
    "confirmed_by": ("confirmed as they stand by", "以下操作视为确认"),
    "customer_name": ("customer's name", "客户姓名"),
    "industry": ("industry", "行业"),
    "occurred_at": ("when it began", "发生时间"),
    "background": ("background", "问题背景"),
}
"""What the codes of this table are called, in English and Chinese."""
