"""Opening hours in words, as customers read them in a receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workers.calendars.wall_clock import MIDNIGHT, Interval, over_midnight

_DAYS = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_ALWAYS = {"zh": "全天 24 小时，每周 7 天", "en": "around the clock, every day"}
_RANGE = {"zh": "至", "en": "–"}
_BETWEEN = {"zh": "、", "en": ", "}
_TOMORROW = {"zh": "次日", "en": ""}
_GROUPS = {"zh": "；", "en": "; "}


def hours_text(week: Mapping[int, Sequence[Interval]], locale: str) -> str:
    """The week in words; neighbouring days with the same hours are joined, all but zh* read English."""
    language = "zh" if locale.lower().startswith("zh") else "en"
    if all(tuple(week.get(day, ())) == ((MIDNIGHT, MIDNIGHT),) for day in range(7)):
        return _ALWAYS[language]
    parts = []
    for first, last, intervals in _runs(week):
        names = _DAYS[language]
        days = names[first]
        if last > first:
            # Two days read better side by side than as a range.
            days += (_BETWEEN if last == first + 1 else _RANGE)[language] + names[last]
        hours = _BETWEEN[language].join(_interval_text(each, language) for each in intervals)
        parts.append(f"{days} {hours}")
    return _GROUPS[language].join(parts)


def _runs(week: Mapping[int, Sequence[Interval]]) -> list[tuple[int, int, Sequence[Interval]]]:
    runs: list[tuple[int, int, Sequence[Interval]]] = []
    for day in range(7):
        hours = week.get(day, ())
        if not hours:
            continue
        if runs and runs[-1][1] == day - 1 and runs[-1][2] == hours:
            runs[-1] = (runs[-1][0], day, hours)
        else:
            runs.append((day, day, hours))
    return runs


def _interval_text(interval: Interval, language: str) -> str:
    start, end = interval
    tomorrow = _TOMORROW[language] if over_midnight(interval) else ""
    return f"{start:%H:%M}–{tomorrow}{'24:00' if end == MIDNIGHT else format(end, '%H:%M')}"
