"""What is no request: a ticket that staff dismiss, and how it is taken up again."""

from __future__ import annotations

from fastapi import Response
from pydantic import Field

from models.vocabulary import NoRequest
from workers import tickets
from workers.web.api.common import Calling, Given, acting_on
from workers.web.api.resource import Resource
from workers.web.api.ticket_actions import WORDS, answered
from workers.web.api.ticket_models import TicketShown
from workers.web.api.values import Moment
from workers.web.parts import Parts

router = Resource("/tickets/{number}/not-a-ticket", "tickets")


class Dismissal(Given):
    """Why a ticket is none."""

    reason: NoRequest = NoRequest.OTHER
    note: str = Field(default="", max_length=WORDS)
    block_sender: bool = Field(
        default=False, description="Take no requests from this customer's addresses any more"
    )
    block_until: Moment | None = Field(
        default=None, description="When the block ends by itself; default: when it is lifted"
    )


class Undoing(Given):
    """Why it is a request after all."""

    note: str = Field(default="", max_length=WORDS)


@router.post("", summary="Dismiss a ticket that is no request")
async def dismiss(
    number: str, parts: Parts, calling: Calling, response: Response, given: Dismissal | None = None
) -> TicketShown:
    """An advertisement, a wrong address: closed without survey, its deadlines and messages withdrawn.

    409 when it was closed as a request or rated by its customer.
    """
    given = given or Dismissal()
    async with acting_on(parts, number, calling) as act:
        await tickets.dismiss(
            act.uow,
            act.ticket,
            act.by,
            given.reason,
            note=given.note,
            block_sender=given.block_sender,
            block_until=given.block_until,
        )
    return await answered(parts, number, response, calling)


@router.post("/undo", summary="Take a dismissed ticket up again")
async def undo(
    number: str, parts: Parts, calling: Calling, response: Response, given: Undoing | None = None
) -> TicketShown:
    """It stands where it stood, its clocks as if they had never stopped. A block is lifted separately."""
    async with acting_on(parts, number, calling) as act:
        await tickets.undo_dismissal(act.uow, act.ticket, act.by, given.note if given else "")
    return await answered(parts, number, response, calling)
