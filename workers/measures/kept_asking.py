"""A question to the figures as it is kept, so that it can be asked again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from models.vocabulary import Category, Medium, Priority
from workers.measures.narrowing import Group, Narrowing, Special, Viewer
from workers.measures.period import Period, days_between, named_period

FORM = 1
"""Rises when answers are written in another way: those of before are found no more."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A question that may have been asked before. `before`: of the period before `period`. `group` None: all
    together.
    """

    viewer: Viewer
    period: Period
    narrowing: Narrowing
    measures: tuple[str, ...]
    before: bool = False
    group: Group | None = None

    @property
    def days(self) -> Period:
        """The period that it is about."""
        return self.period.before() if self.before else self.period

    def as_json(self) -> dict[str, Any]:
        """The question as it is kept: a named period by its name, so that it can be asked again tomorrow."""
        period = self.period
        days = [] if period.name else [period.first_day.isoformat(), period.last_day.isoformat()]
        wanted = self.narrowing
        return {
            "own": _hex(self.viewer.own),
            "period": period.name,
            "days": days,
            "zone": period.zone.key,
            "before": self.before,
            "team_id": _hex(wanted.team_id),
            "staff_id": _hex(wanted.staff_id),
            "category": wanted.category,
            "priority": wanted.priority,
            "channel": wanted.channel,
            "customer_group": wanted.customer_group,
            "policy_version_id": _hex(wanted.policy_version_id),
            "special": wanted.special,
            "measures": list(self.measures),
            "group": self.group,
        }

    @property
    def key(self) -> bytes:
        """What its answer is kept under."""
        told = json.dumps([FORM, self.as_json()], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(told.encode()).digest()


def asking_of(told: Mapping[str, Any], now: datetime) -> Asking:
    """The question that a row keeps, as it would be asked now."""
    zone = ZoneInfo(told["zone"])
    if told["period"]:
        period = named_period(told["period"], now, zone)
    else:
        first, last = map(date.fromisoformat, told["days"])
        period = days_between(first, last, zone)
    narrowing = Narrowing(
        team_id=_uuid(told["team_id"]),
        staff_id=_uuid(told["staff_id"]),
        category=Category(told["category"]) if told["category"] else None,
        priority=Priority(told["priority"]) if told["priority"] else None,
        channel=Medium(told["channel"]) if told["channel"] else None,
        customer_group=told["customer_group"],
        policy_version_id=_uuid(told["policy_version_id"]),
        special=Special(told["special"]),
    )
    return Asking(
        viewer=Viewer(_uuid(told["own"])),
        period=period,
        narrowing=narrowing,
        measures=tuple(told["measures"]),
        before=told["before"],
        group=Group(told["group"]) if told["group"] else None,
    )


def _hex(ident: UUID | None) -> str | None:
    return ident.hex if ident else None


def _uuid(told: str | None) -> UUID | None:
    return UUID(told) if told else None
