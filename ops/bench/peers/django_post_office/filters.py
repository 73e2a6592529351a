"""The template filter `moment`: an instant in the team's zone and the reader's language, as in ours."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from django import template

register = template.Library()
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ZONE = ZoneInfo("Asia/Shanghai")
ZONE_NAME = "UTC+8"


@lru_cache(maxsize=256)
def words(value: str, how: str) -> str:
    """`value` is ISO 8601; `how` is a locale, with ` offset` behind it where the zone is to be named."""
    at = datetime.fromisoformat(value).astimezone(ZONE)
    locale, _, offset = how.partition(" ")
    if locale == "zh_CN":
        return f"{at.month}月{at.day}日 {at:%H:%M}"
    return f"{at.day} {MONTHS[at.month - 1]} {at:%H:%M}" + (f" ({ZONE_NAME})" if offset else "")


register.filter("moment", words)
