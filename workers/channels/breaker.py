"""A relay or provider that does not work is left alone for a while, the longer the more often it fails."""

from __future__ import annotations

import time
from typing import Generic, TypeVar

import structlog

from workers.metrics import Metrics

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LOGIN_PAUSE, LONGEST_LOGIN_PAUSE = 30.0, 900.0
"""A wrong password does not get right by itself, and too many wrong ones get an account locked."""
ALARMING = 3
ACCOUNT_TROUBLE = frozenset({"authentication_failed", "out_of_credit"})
"""Reasons of a kind that a person has to see to."""

Trouble = TypeVar("Trouble")


class Breaker(Generic[Trouble]):
    """What is known of one relay or provider: closed (works), open (left alone), half open (one probes it).

    `name` is how logs and metrics call it. `after`: failures in a row that open it; trouble with the account
    opens it at once. All times are moments of `time.monotonic()`.
    """

    def __init__(self, name: str, metrics: Metrics | None = None, *, after: int = 1) -> None:
        self.error: Trouble | None = None
        self._name = name
        self._after = after
        self._failures = 0
        self._until = 0.0
        self._failed_at = 0.0
        self._probing = False
        self._alarmed = False
        self._gauge = metrics.relay_down.labels(name) if metrics is not None else None
        self._tell(down=False)

    def may_try(self) -> bool:
        """Whether it may be asked now. True for one at a time once a pause is over."""
        if self.error is None:
            return True
        return not self._probing and time.monotonic() >= self._until

    def begin(self) -> float:
        """Note that it is being asked; what it gives goes to `failed`."""
        self._probing = self.error is not None
        return time.monotonic()

    def let_go(self) -> None:
        """The opening was broken off by us: nothing was learnt."""
        self._probing = False

    def worked(self) -> None:
        """A session came about, or a request was answered."""
        if self._alarmed:
            log.warning("relay_works_again", relay=self._name, failures=self._failures)
        self.error, self._failures, self._probing, self._alarmed = None, 0, False, False
        self._tell(down=False)

    def failed(self, error: Trouble, reason: str, began: float) -> None:
        """None came about, or it was lost before it was of any use. `began`: what `begin` gave.

        Openings that were under way together are one failure, not as many as there are connections.
        """
        self._probing = False
        account = reason in ACCOUNT_TROUBLE
        if self.error is not None or account or self._failures + 1 >= self._after:
            self.error = error
        if began < self._failed_at:
            return
        self._failures += 1
        self._failed_at = time.monotonic()
        if self.error is None:
            return
        first, longest = (LOGIN_PAUSE, LONGEST_LOGIN_PAUSE) if account else (FIRST_PAUSE, LONGEST_PAUSE)
        pause = min(longest, first * 2.0 ** min(max(0, self._failures - self._after), 20))
        self._until = self._failed_at + pause
        if not self._alarmed and (account or self._failures >= ALARMING):
            self._alarmed = True
            self._tell(down=True)
            log.error("relay_does_not_work", relay=self._name, reason=reason, pause=pause)

    def _tell(self, *, down: bool) -> None:
        if self._gauge is not None:
            self._gauge.set(int(down))
