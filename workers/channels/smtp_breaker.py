"""A relay that does not work is left alone for a while, the longer the more often it fails."""

from __future__ import annotations

import time

import structlog

from workers.channels.smtp_open import CannotConnect
from workers.channels.smtp_url import Relay
from workers.metrics import Metrics

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LOGIN_PAUSE, LONGEST_LOGIN_PAUSE = 30.0, 900.0
"""A wrong password does not get right by itself, and too many wrong ones get an account locked."""
ALARMING = 3


class Breaker:
    """What is known of one relay: closed (works), open (left alone), half open (one connection probes it).

    All times are moments of `time.monotonic()`.
    """

    def __init__(self, relay: Relay, metrics: Metrics | None = None) -> None:
        self.error: CannotConnect | None = None
        self._relay = relay
        self._failures = 0
        self._until = 0.0
        self._failed_at = 0.0
        self._probing = False
        self._alarmed = False
        self._gauge = metrics.relay_down.labels(relay.name) if metrics is not None else None
        self._tell(down=False)

    def may_try(self) -> bool:
        """Whether a connection may be opened now. True for one at a time once a pause is over."""
        if self.error is None:
            return True
        return not self._probing and time.monotonic() >= self._until

    def begin(self) -> float:
        """Note that a connection is being opened; what it gives goes to `failed`."""
        self._probing = self.error is not None
        return time.monotonic()

    def let_go(self) -> None:
        """The opening was broken off by us: nothing was learnt."""
        self._probing = False

    def worked(self) -> None:
        """A session came about."""
        if self._alarmed:
            log.warning("relay_works_again", relay=self._relay.name, failures=self._failures)
        self.error, self._failures, self._probing, self._alarmed = None, 0, False, False
        self._tell(down=False)

    def failed(self, error: CannotConnect, reason: str, began: float) -> None:
        """None came about, or it was lost before it was of any use. `began`: what `begin` gave.

        Openings that were under way together are one failure, not as many as there are connections.
        """
        self._probing = False
        self.error = error
        if began < self._failed_at:
            return
        self._failures += 1
        self._failed_at = time.monotonic()
        login = reason == "authentication_failed"
        first, longest = (LOGIN_PAUSE, LONGEST_LOGIN_PAUSE) if login else (FIRST_PAUSE, LONGEST_PAUSE)
        pause = min(longest, first * 2.0 ** min(self._failures - 1, 20))
        self._until = self._failed_at + pause
        if not self._alarmed and (login or self._failures >= ALARMING):
            self._alarmed = True
            self._tell(down=True)
            log.error("relay_does_not_work", relay=self._relay.name, reason=reason, pause=pause)

    def _tell(self, *, down: bool) -> None:
        if self._gauge is not None:
            self._gauge.set(int(down))
