"""The form of the link to accept a ticket: until when it will be resolved, and what it is (rows B2, B6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category, Priority
from workers import tickets
from workers.directory import policy_for
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork

MOST_CHOICES = 3
SOON = timedelta(minutes=30)
Code = TypeVar("Code", Priority, Category)


class Refused(InvalidInput):
    """It cannot be accepted so: `errors` are codes of the labels' group `error` by field.

    `latest`: until when it may be promised as the form has it, None where that is not known.
    """

    def __init__(self, errors: Mapping[str, str], latest: datetime | None = None) -> None:
        super().__init__("the form has mistakes")
        self.errors = dict(errors)
        self.latest = latest


async def facts(
    uow: UnitOfWork, ticket: Ticket, given: Mapping[str, str], latest: datetime | None = None
) -> dict[str, Any]:
    """What the form offers, filled in as `given`; once priority and category are confirmed, times alone."""
    offered: dict[str, Any] = {"expected_choices": await _times(uow, ticket, latest), "looked_over": None}
    if tickets.to_look_over(uow, ticket):
        offered["looked_over"] = {
            "priority": _one_of(Priority, given.get("priority", "")) or ticket.priority,
            "category": _one_of(Category, given.get("category", "")) or ticket.category,
            "codes": {"priority": list(Priority), "category": list(Category)},
        }
    return offered


def check(now: datetime, given: Mapping[str, str]) -> None:
    """Raises Refused for what was none of what the form offers, or has passed while the page lay open."""
    kinds: Mapping[str, type[StrEnum]] = {"priority": Priority, "category": Category}
    wrong = {name: "required" for name, kind in kinds.items() if given.get(name, "") not in ("", *kind)}
    try:
        moment = _moment(given.get("expected_at", ""))
    except ValueError:
        wrong["expected_at"] = "required"
    else:
        if moment is not None and moment <= now:
            wrong["expected_at"] = "required"
    if wrong:
        raise Refused(wrong)


async def accept(uow: UnitOfWork, ticket: Ticket, by: Staff, given: Mapping[str, str]) -> None:
    """Accept it as the form says. Raises Refused for a time beyond what the priority that is given allows,
    and for another priority or category than those that somebody has confirmed since the page was opened.
    """
    priority = _one_of(Priority, given.get("priority", ""))
    category = _one_of(Category, given.get("category", ""))
    wanted = (priority or ticket.priority, category or ticket.category)
    if ticket.triaged_at is not None and wanted != (ticket.priority, ticket.category):
        raise Refused({"triaged": "triaged"})
    expected = _moment(given.get("expected_at", ""))
    try:
        await tickets.accept(uow, ticket, by, expected, priority=priority, category=category)
    except tickets.TooLate as error:
        raise Refused({"expected_at": "too_late_anew"}, error.latest) from error


def _one_of(kind: type[Code], typed: str) -> Code | None:
    return next((code for code in kind if code == typed), None)


def _moment(text: str) -> datetime | None:
    """An ISO 8601 time as the page offered it; None when none was chosen. Raises ValueError."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the expected time has no zone")
    return moment


async def _times(uow: UnitOfWork, ticket: Ticket, latest: datetime | None) -> list[dict[str, Any]]:
    """Times to promise: the closing times of the next working days, and last the latest possible."""
    now = uow.clock.now()
    latest = latest or await tickets.latest_resolution(uow, ticket, now)
    calendar = (await policy_for(uow, ticket)).calendar
    closings = [calendar.close_of_working_day(now, day) for day in range(MOST_CHOICES)]
    times = [*(at for at in closings if now + SOON < at < latest), latest]
    return [{"value": at.isoformat(), "at": at.isoformat(), "chosen": at == latest} for at in times]
