"""What an event turned out to be."""

from dataclasses import dataclass
from uuid import UUID

from models.vocabulary import EventState
from workers.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Filed:
    """The result of handling an event: state, kind, why nothing more came of it, its ticket."""

    state: EventState = EventState.DONE
    kind: str | None = None
    reason: str | None = None
    ticket_id: UUID | None = None


class NotYet(Unavailable):
    """What the event needs will come, though perhaps in hours: it is held, and looked at again and again."""
