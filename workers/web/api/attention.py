"""What a person must look at: somebody was not told, an event cannot be read, an SMS may have arrived."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from workers.attention import What, look_around
from workers.web.api.common import Calling, reader
from workers.web.api.resource import Resource
from workers.web.parts import Parts

router = Resource("/attention", "attention")


class Item(BaseModel):
    """One thing to look at."""

    what: What
    since: datetime
    id: UUID = Field(
        description="Of the notification, of the event (poison_event), of the deadline (stuck_deadline, "
        "chat_late), of the ticket (breached, unassigned, needs_triage), of the endpoint (webhook), of the "
        "errand (stuck_errand)"
    )
    ticket: str | None = Field(description="Ticket number")
    reason: str | None
    kind: str | None = Field(
        description="Of the notification, event or errand; a ticket's priority", examples=["breach"]
    )
    staff: str | None = Field(default=None, description="Whom it did not reach (broken_rung)")
    passed_on_to: list[str] = Field(default=[], description="Who was told instead (broken_rung)")


class Attention(BaseModel):
    """Everything there is to look at now: how many of each, and the newest of them."""

    counts: dict[What, int]
    items: list[Item] = Field(description="Newest first")


@router.get("", summary="What needs a person's attention")
async def get_attention(
    parts: Parts,
    calling: Calling,
    limit: Annotated[int, Query(ge=1, le=200, description="Items of each kind at most")] = 50,
    what: Annotated[list[What] | None, Query(description="Only these kinds")] = None,
) -> Attention:
    """Requests that missed a limit until they are answered, and those nobody has in hand; those that were
    answered and lack core fields (row B2), until they are complete; broken rungs and
    tickets with nobody to tell until the ticket is closed; posts to the chat group that came late; poison
    until it is read again; SMS of unknown outcome until somebody retries or a receipt comes; messages that
    were tried three times and have not left; what test mode holds; messages whose customer's key is not in
    the ring until it is back; deadlines whose alarm has failed three times until it is heard, and errands
    (reports, reminders) that have failed as often until they are done; mailboxes until
    they are fetched again; endpoints of other systems that are switched off or have failed for an hour until
    they take something; a provider's question whether it may forward a mailbox here for a week
    (`closeloop intake show` tells its code and link). An agent sees those of their own tickets.
    """
    async with parts.workshop.read() as uow:
        counts, items = await look_around(uow, await reader(uow, calling), limit, what or tuple(What))
    return Attention(counts=counts, items=[Item(**asdict(item)) for item in items])
