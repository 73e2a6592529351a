"""An SMS provider in a bad temper: it refuses, hangs, hangs up, and says 502 of what it has taken or not."""

from __future__ import annotations

import random
from collections import Counter
from typing import NamedTuple

from tests.fakes_sms import FakeTwilio, Trouble

HANG_UP_AT_ONCE = 0.04
CONTENT_REJECTED = 21619
"""Twilio's code for a text that it will not send (https://www.twilio.com/docs/api/errors/21619)."""


class Mood(NamedTuple):
    """What happens to a message, with this `chance`."""

    name: str
    trouble: Trouble
    chance: float


MOODS = (
    Mood("429", Trouble(429, 20429, "too many requests"), 0.06),
    Mood("400 for good", Trouble(400, CONTENT_REJECTED, "not this one"), 0.04),
    Mood("503", Trouble(503, message="out of order"), 0.06),
    Mood("502, not taken", Trouble(502, message="nobody there"), 0.04),
    Mood("502 after it was taken", Trouble(502, message="nobody answered", taken=True), 0.05),
    Mood("silence after it was taken", Trouble(hang=True), 0.03),
    Mood("cut after it was taken", Trouble(), 0.06),
)


class MoodyTwilio(FakeTwilio):
    """A provider that throws dice. `slowness`: the longest time (seconds) it takes over a message."""

    def __init__(self, number: int, dice: random.Random, *, slowness: float = 0.05) -> None:
        super().__init__(sid=f"AC{number:032d}", sender=f"+1555010{number}")
        self.played: Counter[str] = Counter()
        self.calm = False
        self._dice = dice
        self._slowness = slowness

    def hangs_up_at_once(self) -> bool:
        """Now and then."""
        if self.calm or self._dice.random() >= HANG_UP_AT_ONCE:
            return False
        self.played["SMS: cut at connect"] += 1
        return True

    def trouble_with(self, to: str) -> Trouble | None:
        """By the dice."""
        if self.calm:
            return None
        for mood in MOODS:
            if self._dice.random() < mood.chance:
                self.played[f"SMS: {mood.name}"] += 1
                return mood.trouble
        return Trouble(201, delay=self._dice.uniform(0, self._slowness))
