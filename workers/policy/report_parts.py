"""When the reports of a week, a month and a quarter are sent, to whom, and in which form (row A9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from workers.policy.fields import Part

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LATEST_DAY = 28
"""The last day that each month has."""
NONE = "none"
ReportKind = Literal["weekly", "monthly", "quarterly"]
REPORT_WORDS: Mapping[str, tuple[str, str]] = {
    "weekly": ("weekly", "周报"),
    "monthly": ("monthly", "月报"),
    "quarterly": ("quarterly", "季报"),
    "on_working_days": ("on working days only", "仅工作日发送"),
    "to": ("to", "收件人"),
    "attach": ("attached", "附件"),
    "readers": ("for", "个人设置"),
    "send": ("reports wanted", "接收的报告"),
    "quality": ("quality staff", "质检"),
}
"""What the keys of the table are called in English and Chinese."""
KINDS: tuple[ReportKind, ...] = ("weekly", "monthly", "quarterly")
Reader = Literal["supervisor", "quality", "administrator"]
Attached = Literal["none", "pdf", "xlsx"]
Tongue = Literal["", "en", "zh_CN"]


def _at(text: str, day_of: Callable[[str], str | None], example: str) -> str:
    day, _, at = text.strip().lower().partition(" ")
    if day == NONE and not at:
        return NONE
    known = day_of(day)
    try:
        clock = time.fromisoformat(at.strip())
    except ValueError:
        clock = None
    if known is None or clock is None or clock.tzinfo is not None:
        raise ValueError(f'{text!r} is no time of a report; write "{example}", or "none"')
    return f"{known} {clock:%H:%M}"


def _weekday(text: str) -> str | None:
    return text[:3] if text[:3] in DAYS and len(text) >= len(DAYS[0]) else None


def _day_of_month(text: str) -> str | None:
    return str(int(text)) if text.isascii() and text.isdigit() and 1 <= int(text) <= LATEST_DAY else None


def _weekly(text: str) -> str:
    return _at(text, _weekday, "mon 08:30")


def _by_day(text: str) -> str:
    return _at(text, _day_of_month, "1 09:00")


OnWeekday = Annotated[str, AfterValidator(_weekly)]
OnDay = Annotated[str, AfterValidator(_by_day)]


class ReportsFor(Part):
    """`[reports.for.SV001]`: what one reader wants otherwise. `send` empty: no report at all."""

    send: tuple[ReportKind, ...] = KINDS
    attach: Attached | None = None
    locale: Tongue = ""


class ReportsPart(Part):
    """`[reports]`: each report tells of the last week, month or quarter that is over.

    Without `locale` everybody reads their own language, or the team's.
    """

    weekly: OnWeekday = "mon 08:30"
    monthly: OnDay = "1 09:00"
    quarterly: OnDay = "1 09:00"
    on_working_days: bool = True
    to: tuple[Reader, ...] = ("supervisor", "quality", "administrator")
    attach: Attached = "none"
    locale: Tongue = ""
    readers: Annotated[
        dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,23}$")], ReportsFor],
        Field(alias="for"),
    ] = {}

    def at(self, kind: ReportKind) -> time | None:
        """The time of day of a report; None: it is not sent."""
        written: str = getattr(self, kind)
        return None if written == NONE else time.fromisoformat(written.partition(" ")[2])

    def falls_on(self, kind: ReportKind, day: date) -> bool:
        """Whether `day` is the day of a report as written, be it a working day or not."""
        written: str = getattr(self, kind).partition(" ")[0]
        if written == NONE:
            return False
        if kind == "weekly":
            return DAYS[day.weekday()] == written
        first_of_quarter = day.month % 3 == 1
        return day.day == int(written) and (kind == "monthly" or first_of_quarter)

    def wants(self, number: str, kind: ReportKind) -> bool:
        """Whether a member of staff, by their number, wants this kind of report."""
        own = self.readers.get(number)
        return own is None or kind in own.send

    def attach_for(self, number: str) -> Attached:
        """What is attached for a member of staff."""
        own = self.readers.get(number)
        return self.attach if own is None or own.attach is None else own.attach

    def locale_for(self, number: str) -> str:
        """The language chosen for a member of staff; empty: their own."""
        own = self.readers.get(number)
        return (own.locale if own else "") or self.locale
