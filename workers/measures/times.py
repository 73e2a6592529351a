"""How long first responses and results took, on the clock: mean, median, 90th percentile, distribution."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from models.tickets import Ticket
from workers.measures.asking import OURS, Question
from workers.measures.figure import Figure
from workers.measures.making import count, no_value, number, parts
from workers.measures.sql import seconds_between, spread_of

Found = dict[Any, dict[str, Figure]]
"""Figures by group (None: all together), then by key."""

_M, _H = 60.0, 3600.0
_D = 24 * _H
BUCKETS: dict[str, tuple[tuple[str, float], ...]] = {
    "first_response": (
        ("10m", 10 * _M),
        ("30m", 30 * _M),
        ("1h", _H),
        ("2h", 2 * _H),
        ("4h", 4 * _H),
        ("8h", 8 * _H),
        ("24h", 24 * _H),
    ),
    "resolution": (
        ("1h", _H),
        ("4h", 4 * _H),
        ("8h", 8 * _H),
        ("24h", 24 * _H),
        ("48h", 48 * _H),
        ("3d", 3 * _D),
        ("5d", 5 * _D),
    ),
}
"""Up to which duration (included, in seconds) each bucket goes; what is longer is in the last one, `over`."""
BUCKETS["acceptance"] = BUCKETS["first_response"]
OVER = "over"

_ENDS = {
    "first_response": (Ticket.received_at, Ticket.first_response_at),
    "acceptance": (Ticket.received_at, Ticket.accepted_at),
    "resolution": (Ticket.resolved_at, Ticket.resolved_at),
}
"""By which moment a request belongs to a period, and when what is measured was over."""


async def first_response(asked: Question, wanted: Collection[str]) -> Found:
    """First response − received, of the requests received in the period."""
    return await _elapsed(asked, "first_response", wanted)


async def acceptance(asked: Question, wanted: Collection[str]) -> Found:
    """Accepted − handed to whoever accepted it, of the requests received in the period."""
    return await _elapsed(asked, "acceptance", wanted)


async def resolution(asked: Question, wanted: Collection[str]) -> Found:
    """Result − received, of the results given in the period (that of the last opening)."""
    return await _elapsed(asked, "resolution", wanted)


def timed(clock: str) -> ColumnElement[bool]:
    """Which requests have this duration: of a rating that came in alone from a table nobody knows how long
    its result took, and who has not accepted since the request was handed on has not waited to the end.
    """
    if clock == "acceptance":
        return Ticket.accepted_at >= Ticket.assigned_at
    ended = _ENDS[clock][1].is_not(None)
    return ended if clock != "resolution" else and_(ended, or_(OURS, Ticket.resolved_at > Ticket.received_at))


def ends_of(clock: str) -> tuple[Any, Any]:
    """By which column a request belongs to the period, and by which one the clock ended."""
    return _ENDS[clock]


async def _elapsed(asked: Question, clock: str, wanted: Collection[str]) -> Found:
    session = asked.uow.session
    moment, end = _ENDS[clock]
    start = Ticket.assigned_at if clock == "acceptance" else Ticket.received_at
    value = seconds_between(session, start, end).label("value")
    values = asked.tickets(moment, value).where(timed(clock))
    in_buckets = f"{clock}_distribution" in wanted
    edges = [edge for _, edge in BUCKETS[clock]] if in_buckets else []
    found: Found = {}
    for group, spread in (await spread_of(session, values, asked.group is not None, edges)).items():
        found[group] = spread_figures(clock, (spread.cases, spread.mean, spread.median, spread.p90))
        if in_buckets:
            found[group] |= distribution(clock, clock, list(spread.counts))
    if asked.group is None and in_buckets and not found:
        found[None] = distribution(clock, clock, [])
    return found


def spread_figures(family: str, spread: tuple[int, float, float, float]) -> dict[str, Figure]:
    """Mean, median and 90th percentile as figures."""
    cases, *values = spread
    return {
        f"{family}_{which}": number(f"{family}_{which}", value, cases)
        for which, value in zip(("mean", "median", "p90"), values, strict=True)
    }


def distribution(family: str, clock: str, counts: list[int]) -> dict[str, Figure]:
    """How many cases each bucket has; its value is their sum."""
    key = f"{family}_distribution"
    names = [name for name, _ in BUCKETS[clock]] + [OVER]
    total = sum(counts)
    if not total:
        return {key: no_value(key)}
    return {key: count(key, total, parts(list(zip(names, counts, strict=True))))}
