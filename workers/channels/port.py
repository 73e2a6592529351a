"""The port every channel implements: a batch goes in, each item is reported exactly once.

A channel knows nothing of rows, tickets or tries. It sends, and says honestly what it knows about the result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one recipient.

    `payload` is a finished MIME mail (7-bit, CRLF) or, for SMS and chat, UTF-8 text. `recipient` is an
    address, a number, or the name of a chat group. `sender` is the envelope sender of a mail ("" = null
    return path) or the sender of an SMS ("" = the account's own).
    """

    id: UUID
    recipient: str
    sender: str
    payload: bytes
    lane: str = "normal"


class Verdict(StrEnum):
    """What is known after a try."""

    SENT = "sent"
    """The other side took responsibility."""
    RETRY = "retry"
    """Certainly not sent; the same message may succeed later."""
    REJECTED = "rejected"
    """Certainly not sent; the same message will be refused again."""
    UNKNOWN = "unknown"
    """It may have been sent: the answer was lost after the point of no return."""
    NOT_STARTED = "not_started"
    """No byte of the message left (its SMTP envelope at most): this does not count as a try."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one item.

    `reason` is snake case, fit for grouping; `code` the SMTP or HTTP status (None when there was no answer);
    `text` the other side's words, at most 500 characters and without addresses or phone numbers; `host` the
    relay or API that was talked to ("" if none was); `accepted_at` promise time (UTC) of the acceptance;
    `seconds` machine time spent; `retry_after` seconds that the other side asked to wait.
    """

    id: UUID
    verdict: Verdict
    reason: str
    code: int | None
    text: str
    host: str
    tls: bool
    provider_id: str | None
    accepted_at: datetime | None
    seconds: float
    retry_after: float | None = None


Report = Callable[[Outcome], Awaitable[None]]


class Channel(Protocol):
    """A way to send. One instance belongs to one event loop; `deliver` may run several times at once."""

    name: str
    batch_size: int
    """How many items one `deliver` handles well."""
    timeout: float
    """The longest time one send may take, in seconds."""

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Send the batch and report each item exactly once, as it finishes.

        `until` is a moment of `time.monotonic()`: a send that might not have ended by then is not begun and
        is reported as NOT_STARTED. When the call is cancelled, what has not begun is NOT_STARTED, what is
        under way is broken off as RETRY or UNKNOWN, all are reported, and then the cancellation goes on. If
        `report` raises, nothing new is begun, the rest is reported as NOT_STARTED and the first error is
        raised.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections. The channel may not be used afterwards."""
        ...
