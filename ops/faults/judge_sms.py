"""The books of the SMS: what the providers have taken against what the ledger says.

A mail of unknown fate goes again, for its Message-ID tells a second one; an SMS does not, unless a person
says so. Each customer of the harness has a number of their own and is written to once: it tells a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from models.notifications import DeliveryAttempt, Notification
from models.vocabulary import NotificationState


@dataclass(frozen=True, slots=True)
class SmsBooks:
    """Rows of the ledger; `arrived`: how often a message was taken, by its recipient's keyed hash.

    `again`: how often a person has sent it again, by the id of the notification.
    """

    notifications: Sequence[Notification]
    attempts: Sequence[DeliveryAttempt]
    arrived: Counter[bytes]
    again: Counter[UUID]

    def lost(self) -> list[str]:
        """Messages that nobody got and nobody knows of.

        Sent is what a provider has taken; refused for good is what none has; of the rest a person is told.
        """
        return [
            f"SMS {row.id} is {row.state.value}, and arrived {self.arrived[row.recipient_hash]} times"
            for row in self.notifications
            if not self._as_booked(row)
        ]

    def doubled(self) -> list[str]:
        """What arrived more often than once, and once more for each time that a person sent it again."""
        known = {row.recipient_hash: row.id for row in self.notifications}
        return [
            f"SMS {known.get(hashed, 'of nobody')} arrived {count} times"
            for hashed, count in self.arrived.items()
            if hashed not in known or count > 1 + self.again[known[hashed]]
        ]

    def unfinished(self) -> list[str]:
        """Attempts of which nobody knows how they ended."""
        return [str(row.id) for row in self.attempts if row.outcome is None]

    def unknown(self) -> list[Notification]:
        """What waits for a person."""
        return [row for row in self.notifications if row.state is NotificationState.UNKNOWN]

    def refused(self) -> int:
        """How many no provider would take."""
        return sum(1 for row in self.notifications if row.state is NotificationState.FAILED)

    def _as_booked(self, row: Notification) -> bool:
        match row.state:
            case NotificationState.SENT:
                return self.arrived[row.recipient_hash] > 0
            case NotificationState.UNKNOWN:
                return True
            case NotificationState.FAILED:
                rejected = {each.notification_id for each in self.attempts if each.outcome == "rejected"}
                return row.id in rejected and self.arrived[row.recipient_hash] <= self.again[row.id]
            case _:
                return False
