"""What a bell says: where, in which lane and by when something is due. Never which rows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog

from models.vocabulary import Lane

SLOT = timedelta(milliseconds=50)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLY = {"deadlines": timedelta(milliseconds=250)}
"""So long before its time a bell for this desk is given to whoever hears it, who waits for the rest of it.

A broker is asked for bells that are due every 100 ms, and twice for one that was delayed.
"""


class Bell(NamedTuple):
    """At `due` (promise time, UTC) `desk` ("intake", "deadlines", "delivery") has work in `lane`.

    Whoever hears it may begin to look there. What is due already and was missed is rung for by the sweep,
    with the slot of what has waited longest.
    """

    desk: str
    lane: Lane
    due: datetime


Ring = Callable[[Collection[Bell]], None]
"""Rings bells: returns at once, never raises, may lose some (the sweep makes up for lost ones)."""


def ring_after(ring: Ring, bells: Collection[Bell]) -> None:
    """Ring for what has just been committed: a bell that fails must not turn success into an error."""
    if not bells:
        return
    try:
        ring(bells)
    except Exception:
        structlog.get_logger(__name__).exception("ring_failed", bells=len(bells))


def slot_of(moment: datetime) -> datetime:
    """The end of the 50 ms slot that `moment` lies in: what was due in the slot is due by then."""
    return EPOCH - (EPOCH - moment) // SLOT * SLOT
