"""When the next action is due, as people write it: "24小时内回访", "within 2 days", or ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_DIGITS = {word: value for value, word in enumerate("零一二三四五六七八九十")} | {"两": 2, "半": 0.5}
_UNITS = {
    "minutes": ("分钟", "minutes", "minute", "mins", "min"),
    "hours": ("个小时", "小时", "个钟头", "hours", "hour", "hrs", "hr", "h"),
    "days": ("天", "日", "days", "day", "d"),
    "weeks": ("周", "个星期", "星期", "weeks", "week"),
}
_UNIT_OF = {spelling: unit for unit, spellings in _UNITS.items() for spelling in spellings}
_SPAN = re.compile(
    r"(?P<count>\d{1,4}(?:\.\d)?|[零一二三四五六七八九十两半]{1,3})\s*(?P<unit>"
    + "|".join(sorted(map(re.escape, _UNIT_OF), key=len, reverse=True))
    + r")(?![a-z])(?!\s*(?:之前|以前|前|ago))",
    re.I,
)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?")
_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d{1,3})W)?(?:(?P<days>\d{1,4})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?)?"
)
LONGEST = timedelta(days=366)


def time_in(text: str, since: datetime, zone: str) -> datetime | None:
    """The moment (aware, UTC offset as written) that `text` names, counted from `since`; None for none.

    A moment without offset is one of `zone` (IANA). Spans longer than a year are taken for no time.
    """
    moment = _MOMENT.search(text)
    if moment is not None:
        return read_moment(moment[0], zone)
    span = _duration(text.strip()) or _spoken(text)
    return since + span if span is not None and timedelta() < span <= LONGEST else None


def read_moment(text: str, zone: str) -> datetime | None:
    """A date and time in ISO 8601 (also with a blank, or slashes), of `zone` where it has no offset."""
    try:
        found = datetime.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(zone))


def _duration(text: str) -> timedelta | None:
    """ISO 8601 §5.5.2, without years and months, whose length nobody knows."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    return timedelta(**{unit: int(count) for unit, count in found.groupdict().items() if count})


def _spoken(text: str) -> timedelta | None:
    found = _SPAN.search(text)
    if found is None:
        return None
    count = _number(found["count"])
    return None if count is None else timedelta(**{_UNIT_OF[found["unit"].lower()]: count})


def _number(text: str) -> float | None:
    """Digits, or a Chinese numeral up to ninety-nine (二十四)."""
    if text[0].isdecimal() and text.isascii():
        return float(text)
    if "十" in text:
        tens, _, ones = text.partition("十")
        if any(len(part) > 1 or part in ("十", "半") for part in (tens, ones)):
            return None
        return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)
    return float(_DIGITS[text]) if len(text) == 1 else None
