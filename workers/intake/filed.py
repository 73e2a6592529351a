"""What an event turned out to be."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.vocabulary import EventState
from workers.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Filed:
    """The result of handling an event: state, kind, why nothing more came of it, its ticket.

    With `again_at` (promise time) nothing was done yet: it is looked at again then, or sooner with others.
    """

    state: EventState = EventState.DONE
    kind: str | None = None
    reason: str | None = None
    ticket_id: UUID | None = None
    again_at: datetime | None = None


class NotYet(Unavailable):
    """What the event needs will come, though perhaps in hours: it is held, and looked at again and again."""
