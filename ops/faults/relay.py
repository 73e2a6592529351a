"""A relay in a bad temper: now and then, at random, it refuses, hangs, or hangs up."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from tests.fakes_smtp import Action, Rule, Script, close_with, cut, delay, drip, hang, refuse

BUSY = "450 4.3.2 please come back later"
REFUSED = "554 5.5.0 not this one"
CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Mood:
    """`action` at `step`, with this `chance`; for the step `body` up to `after` bytes are read first.

    `only`: a part of the recipients' addresses whom it may befall.
    """

    name: str
    step: str
    action: Action
    chance: float
    after: int = 0
    only: str = ""


MOODS = (
    Mood("421 at connect", "connect", close_with("421 4.3.2 too many connections"), 0.05),
    Mood("cut at connect", "connect", cut(), 0.03),
    Mood("cut at EHLO", "ehlo", cut(), 0.03),
    Mood("451 at MAIL", "mail", refuse("451 4.3.0 out of order"), 0.02),
    Mood("421 at MAIL", "mail", close_with("421 4.3.2 shutting down"), 0.02),
    Mood("cut at MAIL", "mail", cut(), 0.02),
    Mood("cut at RCPT", "rcpt", cut(), 0.02),
    Mood("451 at RCPT", "rcpt", refuse("451 4.3.0 local trouble"), 0.02),
    Mood("421 at DATA", "data", close_with("421 4.3.2 shutting down"), 0.02),
    Mood("cut at DATA", "data", cut(), 0.02),
    Mood("554 at DATA", "data", refuse(REFUSED), 0.02, only=CUSTOMER),
    Mood("cut within the body", "body", cut(), 0.03, after=700),
    Mood("450 after the final dot", "dot", refuse(BUSY), 0.02),
    Mood("421 after the final dot", "dot", close_with("421 4.3.2 shutting down"), 0.02),
    Mood("cut after the 250", "dot", Action(cut=True), 0.03),
    Mood("cut after the final dot", "dot", cut(), 0.04),
    Mood("silence after the final dot", "dot", hang(), 0.01),
    Mood("drip after the final dot", "dot", drip(0.01), 0.02),
)


@dataclass
class Moody(Script):
    """A script that throws dice. `slowness`: longest time (seconds) it takes over a mail it accepts."""

    dice: random.Random = field(default_factory=random.Random)
    slowness: float = 0.02
    played: Counter[str] = field(default_factory=Counter)
    calm: bool = False
    """Behave: nothing but the usual answers."""

    def rule(self, step: str, recipient: str) -> Rule | None:
        """What happens at this step."""
        if self.calm:
            return None
        for mood in MOODS:
            if mood.step == step and mood.only in recipient and self.dice.random() < mood.chance:
                self.played[mood.name] += 1
                return Rule(step, mood.action, after=mood.after)
        if step == "dot":
            return Rule(step, delay(self.dice.uniform(0, self.slowness)))
        return None
