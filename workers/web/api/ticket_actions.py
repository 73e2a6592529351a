"""What is done to a ticket while it is open: answer, hand over, plan, ask for more time or help."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response
from pydantic import Field

from models.vocabulary import Medium
from workers import escalations, tickets
from workers.errors import Conflict
from workers.people import team_exactly
from workers.web.api.common import Caller, Calling, Given, acting_on, etag, person_named
from workers.web.api.resource import Resource
from workers.web.api.ticket_models import TicketShown
from workers.web.api.ticket_views import shown_ticket
from workers.web.api.values import Moment
from workers.web.api.words import category_named, priority_named
from workers.web.parts import Parts, WebParts

router = Resource("/tickets/{number}", "tickets")

WORDS = 20_000


class FirstResponse(Given):
    """A contact that reached the customer just now, outside this system. It has no time: it is now."""

    channel: Medium = Field(default=Medium.PHONE, examples=["phone"])
    evidence: str | None = Field(
        default=None, max_length=128, description="Call record or chat reference", examples=["call-88213"]
    )
    note: str = Field(default="", max_length=WORDS)


class Transfer(Given):
    """Hand the ticket to somebody else."""

    to: str = Field(description="Staff number or mail address", examples=["CS002"])
    reason: str = Field(max_length=WORDS, examples=["涉及支付网关,需技术支持"])
    team: str | None = Field(default=None, description="Team that leads from now on; default: the receiver's")


class Progress(Given):
    """What was done or agreed."""

    text: str = Field(max_length=WORDS)
    tell_customer: bool = Field(default=False, description="Send it to the customer as well")
    plan: bool = Field(default=False, description="This is the handling plan 处理方案: meets the plan limit")
    next_at: Moment | None = Field(default=None, description="When the customer hears again")


class Accept(Given):
    """The handler takes it on."""

    expected_at: Moment | None = Field(
        default=None, description="Expected resolution; default (and latest): the policy's"
    )
    priority: str | None = Field(default=None, description="Corrects it; else it is confirmed as it stands")
    category: str | None = Field(default=None, description="Corrects it; else it is confirmed as it stands")


class Extend(Given):
    """More time, before the time is up."""

    reason: str = Field(max_length=WORDS)
    until: Moment


class Escalate(Given):
    """An escalation request 升级申请."""

    reason: str = Field(max_length=WORDS)
    resources: str = Field(default="", max_length=WORDS)
    until: Moment | None = Field(default=None, description="New expected resolution, if asked for")


class Decision(Given):
    """Why."""

    note: str = Field(default="", max_length=WORDS)


class AnswerGiven(Given):
    """Words to the customer, as if the handler had answered the mail."""

    text: str = Field(max_length=WORDS)


class Wait(Given):
    """The customer has to answer before work goes on."""

    question: str = Field(
        default="",
        max_length=WORDS,
        description="What the customer was asked; reminders to them quote it",
        examples=["请把报错页面的截图发给我们"],
    )


class Cooperation(Given):
    """Who leads a request across departments, and who helps."""

    lead: str = Field(description="Team name", examples=["software"])
    cooperating: list[str] = Field(default=[], max_length=20, description="Team names")


@router.post("/first-response", summary="Log the first contact that reached the customer")
async def first_response(
    number: str, given: FirstResponse, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """It happened now: nothing is dated back (row A4). 409 when there was a first response already."""
    async with acting_on(parts, number, calling) as act:
        await tickets.record_first_response(
            act.uow, act.ticket, act.by, given.channel, evidence=given.evidence, note=given.note
        )
    return await answered(parts, number, response, calling)


@router.post("/answer", summary="Answer the customer")
async def answer(
    number: str, given: AnswerGiven, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """Passed on after the hold in which it can be taken back. 409 when the customer can only be rung up."""
    async with acting_on(parts, number, calling) as act:
        if await tickets.answer(act.uow, act.ticket, act.by, given.text) is None:
            raise Conflict(
                "this customer has no written address", hint="ring them up and log it with first-response"
            )
    return await answered(parts, number, response, calling)


@router.post("/transfer", summary="Hand over")
async def transfer(
    number: str, given: Transfer, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """The log keeps when, from whom, to whom and why (row A5)."""
    async with acting_on(parts, number, calling) as act:
        to = await person_named(act.uow, given.to)
        team = await team_exactly(act.uow, given.team) if given.team else None
        await tickets.transfer(act.uow, act.ticket, act.by, to, given.reason, team=team)
    return await answered(parts, number, response, calling)


@router.post("/progress", summary="Log progress or the plan")
async def progress(
    number: str, given: Progress, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """With `plan` it meets the plan limit; with `tell_customer` the customer hears of it."""
    async with acting_on(parts, number, calling) as act:
        await tickets.progress(
            act.uow,
            act.ticket,
            act.by,
            given.text,
            tell_customer=given.tell_customer,
            plan=given.plan,
            next_at=given.next_at,
        )
    return await answered(parts, number, response, calling)


@router.post("/accept", summary="Accept with an expected time")
async def accept(
    number: str, parts: Parts, calling: Calling, response: Response, given: Accept | None = None
) -> TicketShown:
    """接单 (row B6). A later time than the policy's is an extension and needs a reason.

    It confirms priority and category too, where the policy's [triage] says so (row B2).
    """
    given = given or Accept()
    async with acting_on(parts, number, calling) as act:
        await tickets.accept(
            act.uow,
            act.ticket,
            act.by,
            given.expected_at,
            priority=priority_named(act.uow, given.priority),
            category=category_named(act.uow, given.category),
        )
    return await answered(parts, number, response, calling)


@router.post("/extend", summary="Ask for more time")
async def extend(
    number: str, given: Extend, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """Before the time is up; a supervisor's own is approved at once, others become a request."""
    async with acting_on(parts, number, calling) as act:
        entry = await tickets.extend(act.uow, act.ticket, act.by, given.reason, given.until)
    _place(response, number, entry.id)
    return await answered(parts, number, response, calling)


@router.post("/escalate", status_code=201, summary="Make an escalation request")
async def escalate(
    number: str, given: Escalate, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """升级申请 (row B8). Location ends in the request's id; see `escalation_requests`."""
    async with acting_on(parts, number, calling) as act:
        entry = await tickets.request_escalation(
            act.uow, act.ticket, act.by, given.reason, given.resources, given.until
        )
    _place(response, number, entry.id)
    return await answered(parts, number, response, calling)


@router.post("/escalate/{request_id}/approve", summary="Approve an escalation request")
async def approve(
    number: str,
    request_id: UUID,
    parts: Parts,
    calling: Calling,
    response: Response,
    given: Decision | None = None,
) -> TicketShown:
    """By a supervisor, once; an approved new time moves the resolution limit."""
    await _decide(parts, number, request_id, calling, given, approved=True)
    return await answered(parts, number, response, calling)


@router.post("/escalate/{request_id}/decline", summary="Decline an escalation request")
async def decline(
    number: str,
    request_id: UUID,
    parts: Parts,
    calling: Calling,
    response: Response,
    given: Decision | None = None,
) -> TicketShown:
    """By a supervisor, once; the limit stays."""
    await _decide(parts, number, request_id, calling, given, approved=False)
    return await answered(parts, number, response, calling)


@router.post("/acknowledge", summary="Acknowledge an escalation")
async def acknowledge(number: str, parts: Parts, calling: Calling, response: Response) -> TicketShown:
    """Somebody takes it on: the ladder stops."""
    async with acting_on(parts, number, calling) as act:
        await escalations.acknowledge(act.uow, act.ticket, act.by)
    return await answered(parts, number, response, calling)


@router.post("/wait", summary="Wait for the customer")
async def wait(
    number: str, parts: Parts, calling: Calling, response: Response, given: Wait | None = None
) -> TicketShown:
    """挂起: the clocks that the policy's [waiting] names stand still until the customer writes, `resume` is
    called, the result is given, or the policy's longest wait is over. 409 when it waits already.
    """
    async with acting_on(parts, number, calling) as act:
        await tickets.wait(act.uow, act.ticket, act.by, given.question if given else "")
    return await answered(parts, number, response, calling)


@router.post("/resume", summary="Wait for the customer no longer")
async def resume(number: str, parts: Parts, calling: Calling, response: Response) -> TicketShown:
    """The clocks run on, with as much time left as when they stopped. 409 when the ticket does not wait."""
    async with acting_on(parts, number, calling) as act:
        await tickets.resume(act.uow, act.ticket, act.by)
    return await answered(parts, number, response, calling)


@router.post("/cooperation", summary="Name the lead and the cooperating teams")
async def cooperation(
    number: str, given: Cooperation, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """By a supervisor (row B5)."""
    async with acting_on(parts, number, calling) as act:
        lead = await team_exactly(act.uow, given.lead)
        helping = [(await team_exactly(act.uow, name)).name for name in given.cooperating]
        await tickets.name_cooperation(act.uow, act.ticket, act.by, lead, helping)
    return await answered(parts, number, response, calling)


async def _decide(
    parts: WebParts,
    number: str,
    request_id: UUID,
    calling: Calling,
    given: Decision | None,
    *,
    approved: bool,
) -> None:
    note = given.note if given else ""
    async with acting_on(parts, number, calling) as act:
        await tickets.decide_request(act.uow, act.ticket, act.by, request_id, approved=approved, note=note)


def _place(response: Response, number: str, request_id: UUID) -> None:
    response.headers["Location"] = f"/api/v1/tickets/{number}/escalate/{request_id}"


async def answered(parts: WebParts, number: str, response: Response, calling: Caller) -> TicketShown:
    """The ticket as it stands after the act, as whoever acted may see it, with its ETag."""
    shown = await shown_ticket(parts, number, calling)
    response.headers["ETag"] = etag(shown.version)
    return shown
