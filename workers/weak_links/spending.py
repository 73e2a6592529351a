"""What the time of one ticket was spent on, read from its append-only log. Pure.

At each moment a ticket is in one phase: its spans add up to its elapsed time. What the clocks of a policy
make of that time (pauses, opening hours) is another matter: here all of it counts, as for the customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """What a ticket waits for; `work` is the rest: somebody has it in hand."""

    ASSIGNMENT = "assignment"
    ACCEPTANCE = "acceptance"
    TRANSFER = "transfer"
    OTHER_TEAMS = "other_teams"
    CUSTOMER = "customer"
    CONFIRMATION = "confirmation"
    WORK = "work"


PHASES = tuple(Phase)
WEAK = tuple(each for each in Phase if each is not Phase.WORK)
"""The phases in which nobody of the team who has the ticket works on it."""

_TAKEN_UP = frozenset({"accepted", "first_response", "progress", "plan_given", "answer_written", "resolved"})
"""Whoever does one of these has taken the ticket up, whether they said so or not."""
_OVER = frozenset({"confirmed", "unconfirmed", "closed", "dismissed", "merged"})
TOLD = tuple(
    sorted(
        _TAKEN_UP
        | _OVER
        | {
            "assigned",
            "transferred",
            "cooperation_named",
            "waiting",
            "resumed",
            "reopened",
            "dismissal_undone",
            "merge_undone",
        }
    )
)
"""The kinds of lines that begin or end a phase."""

Line = tuple[str, datetime, Mapping[str, Any]]
"""Kind, moment (UTC), facts."""


@dataclass(slots=True)
class _State:
    """What is known of a ticket after the lines so far."""

    handled: bool = False
    taken_up: bool = False
    handed_on: bool = False
    helped: bool = False
    waits: bool = False
    resolved: bool = False
    over: bool = False
    spans: dict[Phase, timedelta] = field(default_factory=dict)

    def phase(self) -> Phase | None:
        """What it waits for now; None: nothing any more."""
        known = (
            (self.over, None),
            (self.resolved, Phase.CONFIRMATION),
            (self.waits, Phase.CUSTOMER),
            (not self.handled, Phase.ASSIGNMENT),
            (not self.taken_up, Phase.TRANSFER if self.handed_on else Phase.ACCEPTANCE),
            (self.helped, Phase.OTHER_TEAMS),
        )
        return next((phase for holds, phase in known if holds), Phase.WORK)

    def pass_time(self, by: timedelta) -> None:
        phase = self.phase()
        if phase is not None:
            self.spans[phase] = self.spans.get(phase, timedelta()) + by

    def read(self, kind: str, facts: Mapping[str, Any]) -> None:
        if kind in ("assigned", "transferred"):
            self.handed_on = kind == "transferred" and self.handled
            self.handled, self.taken_up = True, False
        elif kind in _TAKEN_UP:
            self.handled = self.taken_up = True
            self.resolved = self.resolved or kind == "resolved"
        elif kind == "cooperation_named":
            self.helped = bool(facts.get("cooperating"))
        elif kind in ("waiting", "resumed"):
            self.waits = kind == "waiting"
        elif kind == "reopened":
            self.resolved = self.over = self.waits = self.helped = False
        elif kind in ("dismissal_undone", "merge_undone"):
            self.over = False
        elif kind in _OVER:
            self.over = True


def spent(received_at: datetime, lines: Iterable[Line], until: datetime) -> Mapping[Phase, timedelta]:
    """How long a ticket was in each phase from `received_at` until it was over, or until `until` (UTC).

    `lines` are those of its log in the order in which they were written. A line about an earlier moment (a
    call that is entered late) counts from the line before it on: what was written first stays as it was.
    """
    state, now = _State(), received_at
    for kind, at, facts in lines:
        moment = max(now, min(at, until))
        state.pass_time(moment - now)
        now = moment
        state.read(kind, facts)
    if until > now:
        state.pass_time(until - now)
    return state.spans
