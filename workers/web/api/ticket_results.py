"""How a ticket ends: result, feedback, confirmation, closing."""

from __future__ import annotations

from typing import Literal

from fastapi import Response
from pydantic import Field

from workers import tickets
from workers.web.api.common import Calling, Given, acting_on
from workers.web.api.resource import Resource
from workers.web.api.ticket_actions import WORDS, answered
from workers.web.api.ticket_models import TicketShown
from workers.web.api.words import category_named, priority_named
from workers.web.parts import Parts

router = Resource("/tickets/{number}", "tickets")


class Result(Given):
    """The result as the customer hears it (row B9)."""

    cause: str = Field(max_length=WORDS, examples=["支付网关证书过期"])
    solution: str = Field(max_length=WORDS, examples=["已更换证书"])
    precautions: str = Field(default="", max_length=WORDS, examples=["请清除浏览器缓存"])
    priority: str | None = Field(default=None, description="Corrects it; else it is confirmed as it stands")
    category: str | None = Field(default=None, description="Corrects it; else it is confirmed as it stands")


class PhoneFeedback(Given):
    """The result was told by phone just now."""

    evidence: str | None = Field(default=None, max_length=128, examples=["call-88214"])


class Confirmation(Given):
    """Whether it is solved."""

    solved: bool
    by: Literal["customer", "system"] = Field(
        default="customer", description="`system`: verified by our own check"
    )
    note: str = Field(default="", max_length=WORDS, description="If not solved: what is still wrong")


@router.post("/resolve", summary="Give the result")
async def resolve(
    number: str, given: Result, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """The customer hears it by the preferred channel and is asked to confirm; by phone it is a task.

    409 names the core fields of the policy's [triage] that are `missing` (row B2).
    """
    async with acting_on(parts, number, calling) as act:
        await tickets.resolve(
            act.uow,
            act.ticket,
            act.by,
            given.cause,
            given.solution,
            given.precautions,
            priority=priority_named(act.uow, given.priority),
            category=category_named(act.uow, given.category),
        )
    return await answered(parts, number, response, calling)


@router.post("/feedback", summary="Log that the result was told by phone")
async def feedback(
    number: str, parts: Parts, calling: Calling, response: Response, given: PhoneFeedback | None = None
) -> TicketShown:
    """客户反馈时间 is now; it may be the first response too."""
    async with acting_on(parts, number, calling) as act:
        await tickets.phone_feedback(act.uow, act.ticket, act.by, given.evidence if given else None)
    return await answered(parts, number, response, calling)


@router.post("/confirm", summary="Confirm the result, or re-open")
async def confirm(
    number: str, given: Confirmation, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """As the customer said, or as the system verified; `solved: false` opens the ticket again."""
    async with acting_on(parts, number, calling) as act:
        await tickets.confirm(
            act.uow, act.ticket, solved=given.solved, by=given.by, staff=act.by, note=given.note
        )
    return await answered(parts, number, response, calling)


class NotConfirmed(Given):
    """Why the customer has not confirmed the result 未确认原因."""

    reason: tickets.Unconfirmed
    note: str = Field(default="", max_length=WORDS, description="Needed with `other`")


@router.post("/unconfirmed", summary="Note why the result is not confirmed")
async def unconfirmed(
    number: str, given: NotConfirmed, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """At the end of waiting the ticket goes on to closing with this reason (row A8), else `unreachable`."""
    async with acting_on(parts, number, calling) as act:
        await tickets.note_unconfirmed(act.uow, act.ticket, act.by, given.reason, given.note)
    return await answered(parts, number, response, calling)


@router.post("/close", summary="Close")
async def close(number: str, parts: Parts, calling: Calling, response: Response) -> TicketShown:
    """Only when all conditions of row B11 hold; 409 names what is `missing`, with its words."""
    async with acting_on(parts, number, calling) as act:
        await tickets.close(act.uow, act.ticket, act.by)
    return await answered(parts, number, response, calling)
