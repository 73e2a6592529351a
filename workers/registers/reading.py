"""Cells of a team's own spreadsheet as what they mean; each raises InvalidInput that says what was meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from models.vocabulary import Category, Dimension, Priority
from workers.errors import InvalidInput
from workers.importing import read_duration, read_moment
from workers.registers.wording import codes_of
from workers.unit_of_work import UnitOfWork

SLACK = timedelta(seconds=60)
"""By so much a duration may differ from its two moments: many tables say no seconds."""
_TYPES: Mapping[str, Category] = {
    "咨询": Category.PRE_SALES,
    "投诉": Category.COMPLAINT,
    "建议": Category.COMPLAINT,
    "技术": Category.AFTER_SALES_TECHNICAL,
    "故障": Category.AFTER_SALES_TECHNICAL,
    "售后": Category.AFTER_SALES_REQUEST,
    "退": Category.AFTER_SALES_REQUEST,
    "物流": Category.AFTER_SALES_REQUEST,
    "其他": Category.OTHER,
    "其它": Category.OTHER,
}
"""What stands in the name of a type, the first one that does, where it is none of the policy's own."""
_KINDS = {"软件": "software", "software": "software", "硬件": "hardware", "hardware": "hardware"}
_SCORE = re.compile(r"([1-5])(?:\.0+)?\s*(?:分|星|/\s*5)?", re.ASCII)
_VERDICTS = {
    "非常不满意": 1, "很不满意": 1, "不满意": 2, "一般": 3, "满意": 4,
    "满意,有小瑕疵": 4, "非常满意": 5, "很满意": 5,
    "very dissatisfied": 1, "dissatisfied": 2, "fair": 3, "satisfied": 4, "very satisfied": 5,
}  # fmt: skip # packed, to be read at a glance
EMPTY = frozenset({"", "-", "–", "—", "/", "无", "n/a", "暂无"})


def moment(uow: UnitOfWork, cells: Mapping[str, str], name: str, title: str) -> datetime | None:
    """The time in a cell, of the team's zone; None where there is none."""
    text = cells.get(name, "")
    if text.lower() in EMPTY:
        return None
    found = read_moment(text, uow.settings.timezone)
    if found is None:
        raise InvalidInput(f"{title}: {text[:32]!r} is no time", hint="write 2026-05-20 15:00:00")
    if found > uow.clock.now() and name not in ("expected_at",):
        raise InvalidInput(f"{title}: {text[:32]} lies in the future", hint="is the day right?")
    return found


def after(start: datetime, given: datetime | None, length: str, title: str) -> tuple[datetime | None, str]:
    """The moment that a duration ends: as given, else counted from it; and a warning where both differ."""
    span = read_duration(length) if length.lower() not in EMPTY else None
    if given is None:
        return (start + span if span is not None else None), ""
    if given < start:
        raise InvalidInput(f"{title}: it lies before the request was received", hint="is one of them wrong?")
    if span is not None and abs(given - start - span) > SLACK:
        return given, f"{title}: the duration {length} does not fit the times; the times count"
    # Tables often say times to the minute, and the duration to the second.
    return (start + span if span is not None and not given.second else given), ""


def category_of(uow: UnitOfWork, text: str) -> tuple[Category, str | None, str]:
    """Type, kind of a technical fault, and a warning where the type had to be guessed or is none of ours."""
    if text.lower() in EMPTY:
        return Category.OTHER, None, ""
    kind = next((code for word, code in _KINDS.items() if word in text.lower()), None)
    main = re.split(r"[/、,，(（\s-]+", text.strip())[0]
    found = uow.policy.category_of(text) or uow.policy.category_of(main)
    if found is None:
        found = next((each for word, each in _TYPES.items() if word in text), None)
    if found is None:
        return Category.OTHER, None, f"type {text[:32]!r} is taken for 其他"
    return found, kind if found is Category.AFTER_SALES_TECHNICAL else None, ""


def priority_of(uow: UnitOfWork, text: str) -> Priority | None:
    """The priority; None where the cell says nothing. Raises InvalidInput."""
    if text.lower() in EMPTY:
        return None
    found = uow.policy.priority_of(text) or uow.policy.priority_of(text.removesuffix("优先级"))
    if found is None:
        raise InvalidInput(f"{text[:32]!r} is no priority", hint="紧急, 高, 中 or 低")
    return found


def reason_of(text: str) -> str | None:
    """The code of a reason for "not confirmed"; `other` for words of their own; None where there is none."""
    if text.lower() in EMPTY:
        return None
    return codes_of("unconfirmed").get(text.lower(), "other")


def score_of(text: str, dimension: Dimension) -> int | None:
    """A score from 1 to 5: 5, 4分, 非常满意; None where the cell says nothing. Raises InvalidInput."""
    if text.lower() in EMPTY:
        return None
    found = _SCORE.fullmatch(text)
    score = int(found[1]) if found else _VERDICTS.get(text.lower().replace("，", ","))
    if score is None:
        raise InvalidInput(f"{dimension.value}: {text[:32]!r} is no score", hint="1 to 5")
    return score
