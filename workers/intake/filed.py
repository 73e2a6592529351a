"""What an event turned out to be."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.intake import IntakeEvent
from models.vocabulary import EventState
from workers.errors import Unavailable
from workers.promises import release, settle
from workers.unit_of_work import UnitOfWork


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


def file_event(uow: UnitOfWork, row: IntakeEvent, filed: Filed) -> None:
    """Write down on the claimed event what became of it, and let go of it."""
    if filed.again_at is not None:
        release(row)
        row.due_at = filed.again_at
        uow.ring("intake", row.lane, filed.again_at)
        return
    row.state, row.reason = filed.state, filed.reason
    row.kind = filed.kind or row.kind
    row.ticket_id = filed.ticket_id or row.ticket_id
    settle(row)
