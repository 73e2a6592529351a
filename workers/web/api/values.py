"""Values as callers may send them: text that every database stores, moments that every calendar knows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
NUL = "\0"


def within_a_lifetime(moment: datetime) -> datetime:
    """The moment, unless it lies before 1970 or after 2099: ValueError.

    The year 1 in Tokyo has no time in UTC, and nobody's holidays are known for the year 9999.
    """
    if not EARLIEST <= moment < LATEST:
        raise ValueError("must lie between the years 1970 and 2099")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(within_a_lifetime)]


def storable(value: Any) -> Any:
    """A JSON value, unless some text in it holds a NUL, which PostgreSQL cannot store: ValueError."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str) and NUL in each:
            raise ValueError("must not hold NUL characters")
        if isinstance(each, Mapping):
            waiting.extend((*each.keys(), *each.values()))
        elif isinstance(each, list):
            waiting.extend(each)
    return value
