"""Envelopes that leave together with the end of the mail before: whose they are, which relays lose them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import structlog

from workers.channels.smtp_session import Mail, Session
from workers.channels.smtp_url import Relay

log = structlog.get_logger(__name__)

ONE_BY_ONE = 3600.0
"""Seconds for which a relay that has lost an envelope gets each by itself."""


class Ahead(NamedTuple):
    """A mail whose envelope has left already, with the end of the mail before it."""

    session: Session
    mail: Mail

    def abort(self) -> None:
        """Its turn never came: the connection is of no more use."""
        self.session.abort()


class Losers:
    """Relays that drop what comes behind a final dot, against RFC 2920 §3.2.

    Some offer PIPELINING and empty their buffer when a mail has ended. What they lose was an envelope: no
    mail is at stake, but the wait for an answer is spent. So it is spent once, not with each mail.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._until: dict[Relay, float] = {}

    def may(self, relay: Relay) -> bool:
        """Whether an envelope may leave ahead of its turn to this relay."""
        return not self._until or self._until.get(relay, 0.0) <= self._now()

    def lost_one(self, relay: Relay | None) -> None:
        """An envelope that had left ahead was not answered, although the mail before it was."""
        if relay is None:
            return
        if self.may(relay):
            log.warning("relay_loses_what_follows_a_mail", relay=relay.name, one_by_one_for=ONE_BY_ONE)
        self._until[relay] = self._now() + ONE_BY_ONE
