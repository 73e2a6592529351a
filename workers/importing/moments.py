"""Dates, times and durations as teams write them into spreadsheets, in Chinese, English or ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_DATE = r"(?P<year>\d{4})\s*[-/.年]\s*(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})\s*(?:日|号)?"
_NOON = r"(?P<noon>凌晨|早上|上午|中午|下午|晚上|am|pm)?"
_TIME = (
    r"(?P<hour>\d{1,2})\s*[:：时点]\s*"
    r"(?:(?P<minute>\d{1,2})\s*(?:[:：分]\s*(?:(?P<second>\d{1,2})\s*秒?)?)?)?"
)
_MOMENT = re.compile(
    rf"{_DATE}(?:[T\s,，]*(?:周.|星期.|[（(].{{1,3}}[)）])?\s*{_NOON}\s*{_TIME}\s*(?P<late>am|pm)?)?", re.I
)
_AFTERNOON = frozenset({"下午", "晚上", "pm"})
_SERIAL = re.compile(r"[2-7]\d{4}(?:\.\d+)?", re.ASCII)
_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's days have no zone
_DURATION = re.compile(
    r"(?:(?P<days>\d+)\s*(?:天|d(?:ays?)?))?\s*(?:(?P<hours>\d+)\s*(?:个?小时|h(?:ours?|rs?)?))?\s*"
    r"(?:(?P<minutes>\d+)\s*(?:分钟?|min(?:utes?)?|m))?\s*(?:(?P<seconds>\d+)\s*(?:秒钟?|s(?:ec(?:onds?)?)?))?",
    re.I,
)
_CLOCK = re.compile(r"(\d{1,4}):(\d{2}):(\d{2})", re.ASCII)


def read_moment(text: str, zone: str) -> datetime | None:
    """The moment that `text` names, aware, of `zone` (IANA) where it has no offset; None where it names none.

    2024/5/20 9:03, 2024年5月20日 下午3点05分, 2024-05-20T09:03:00+08:00, a spreadsheet's day number 45432.4.
    A day without a time is its beginning.
    """
    text = text.strip()
    found: datetime | None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = _written(text)
    if found is None:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(zone))


def _written(text: str) -> datetime | None:
    if _SERIAL.fullmatch(text):
        moment = _DAY_ZERO + timedelta(days=float(text))
        return (moment + timedelta(milliseconds=500)).replace(microsecond=0)
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    part = {name: int(match[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")}
    half = (match["noon"] or match["late"] or "").lower()
    if half in _AFTERNOON and part["hour"] < 12:
        part["hour"] += 12
    elif half in ("凌晨", "am") and part["hour"] == 12:
        part["hour"] = 0
    try:
        return datetime(**part)  # type: ignore[arg-type]  # noqa: DTZ001 - the caller knows the zone
    except ValueError:
        return None


def read_duration(text: str) -> timedelta | None:
    """A length of time: 3分22秒, 1小时20分, 2 h 5 min, 01:20:00; None where `text` is none."""
    text = text.strip()
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(each) for each in clock.groups())
        return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    found = _DURATION.fullmatch(text)
    if not text or found is None or not any(found.groupdict().values()):
        return None
    given = {unit: int(amount) for unit, amount in found.groupdict().items() if amount}
    return timedelta(**given) if all(amount < 1_000_000 for amount in given.values()) else None
