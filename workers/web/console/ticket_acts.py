"""What the forms of a ticket's page do: each reads its fields and calls one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from models.notifications import Notification
from models.people import Customer, Team
from models.vocabulary import Category, Medium, Priority
from workers import escalations, tickets
from workers.errors import InvalidInput, NotFound
from workers.people import describe_customer, team_exactly
from workers.web.api.common import person_named, uuid_of
from workers.web.console.forms import Wrong
from workers.web.console.ticket_doing import Act, Doing
from workers.web.console.ticket_offers import CONTACTS
from workers.web.console.ticket_sorting import merge, no_request, split, undo, unmerge

SHORT, MEDIUM = 100, 2_000


async def accept(do: Doing) -> None:
    """Take it on, with the time it will be resolved by."""
    expected = do.form.moment("expected_at")
    looked = _looked_over(do)
    do.form.check()
    try:
        await tickets.accept(do.uow, do.ticket, do.by, expected, **looked)
    except tickets.TooLate as error:  # by the priority as it is corrected here
        raise Wrong({"expected_at": "too_late"}, {"latest": error.latest.isoformat()}) from error


class _Looked(TypedDict):
    priority: Priority | None
    category: Category | None


def _looked_over(do: Doing) -> _Looked:
    """The priority and category that the form asks for as long as nobody has confirmed them."""
    return {
        "priority": do.form.one_of("priority", list(Priority)),
        "category": do.form.one_of("category", list(Category)),
    }


async def answer(do: Doing) -> None:
    """Words to the customer."""
    text = do.form.text("text", required=True)
    do.form.check()
    if await tickets.answer(do.uow, do.ticket, do.by, text) is None:
        raise InvalidInput("this answer was queued before")


async def first_response(do: Doing) -> None:
    """A contact outside this system that reached the customer just now."""
    channel = do.form.one_of("channel", CONTACTS, required=True)
    evidence = do.form.text("evidence", limit=128)
    note = do.form.text("note")
    do.form.check()
    await tickets.record_first_response(
        do.uow, do.ticket, do.by, channel or Medium.PHONE, evidence=evidence or None, note=note
    )


async def progress(do: Doing) -> None:
    """What was done or agreed; perhaps the plan, perhaps told to the customer."""
    text = do.form.text("text", required=True)
    next_at = do.form.moment("next_at")
    do.form.check()
    await tickets.progress(
        do.uow,
        do.ticket,
        do.by,
        text,
        tell_customer=do.form.ticked("tell_customer"),
        plan=do.form.ticked("plan"),
        next_at=next_at,
    )


async def note(do: Doing) -> None:
    """A remark 备注 that only staff read."""
    text = do.form.text("text", required=True)
    do.form.check()
    await tickets.note(do.uow, do.ticket, do.by, text)


async def transfer(do: Doing) -> None:
    """To a person, and perhaps another team."""
    reason = do.form.text("reason", required=True, limit=MEDIUM)
    name = do.form.text("to", required=True, limit=254)
    do.form.check()
    team = await _team(do, "team")
    try:
        to = await person_named(do.uow, name)
    except NotFound as error:
        raise Wrong({"to": "not_staff"}) from error
    await tickets.transfer(do.uow, do.ticket, do.by, to, reason, team=team)


async def wait(do: Doing) -> None:
    """The customer has to answer first."""
    question = do.form.text("question")
    do.form.check()
    await tickets.wait(do.uow, do.ticket, do.by, question)


async def resume(do: Doing) -> None:
    """The customer is waited for no longer."""
    await tickets.resume(do.uow, do.ticket, do.by)


async def extend(do: Doing) -> None:
    """More time, with a reason."""
    reason = do.form.text("reason", required=True, limit=MEDIUM)
    until = do.form.moment("until", required=True)
    do.form.check()
    if until is not None:
        await tickets.extend(do.uow, do.ticket, do.by, reason, until)


async def escalate(do: Doing) -> None:
    """An escalation request 升级申请."""
    reason = do.form.text("reason", required=True, limit=MEDIUM)
    resources = do.form.text("resources", limit=MEDIUM)
    until = do.form.moment("until")
    do.form.check()
    await tickets.request_escalation(do.uow, do.ticket, do.by, reason, resources, until)


async def decide(do: Doing) -> None:
    """A supervisor's yes or no."""
    decision = do.form.one_of("decision", ("approve", "decline"), required=True)
    words = do.form.text("note", limit=MEDIUM)
    do.form.check()
    request = uuid_of(do.form.fields.get("request", ""), "request")
    approved = decision == "approve"
    await tickets.decide_request(do.uow, do.ticket, do.by, request, approved=approved, note=words)


async def acknowledge(do: Doing) -> None:
    """The ladder stops."""
    await escalations.acknowledge(do.uow, do.ticket, do.by)


async def triage(do: Doing) -> None:
    """What a person confirms, corrects or completes (row B2)."""
    form = do.form
    priority = form.one_of("priority", list(Priority), required=True)
    category = form.one_of("category", list(Category), required=True)
    occurred_at = form.moment("occurred_at", to_come=False)
    subkind, industry = form.text("subkind", limit=24), form.text("industry", limit=64)
    name = form.text("customer_name", limit=SHORT)
    background, remark = form.text("background"), form.text("note")
    form.check()
    further = [each for each in Category if form.ticked(f"further_{each.value}")]
    found_out: dict[str, str | None] = {"name": name} if name else {}
    if industry != await _industry(do):
        found_out["industry"] = industry or None
    if found_out:
        await describe_customer(do.uow, do.ticket, do.by, found_out)
    await tickets.triage(do.uow, do.ticket, do.by, priority=priority, category=category, subkind=subkind)
    await tickets.complete(
        do.uow, do.ticket, do.by, further=further, occurred_at=occurred_at, background=background
    )
    if remark:
        await tickets.note(do.uow, do.ticket, do.by, remark)


async def _industry(do: Doing) -> str:
    return (await do.uow.session.get_one(Customer, do.ticket.customer_id)).industry or ""


async def cooperation(do: Doing) -> None:
    """Who leads and who helps across departments."""
    lead = await _team(do, "lead")
    if lead is None:
        raise Wrong({"lead": "required"})
    helping = sorted(name.removeprefix("team_") for name in do.form.fields if name.startswith("team_"))
    names = [(await team_exactly(do.uow, name)).name for name in helping]
    await tickets.name_cooperation(
        do.uow, do.ticket, do.by, lead, [each for each in names if each != lead.name]
    )


async def resolve(do: Doing) -> None:
    """The result as the customer hears it."""
    cause = do.form.text("cause", required=True)
    solution = do.form.text("solution", required=True)
    precautions = do.form.text("precautions")
    looked = _looked_over(do)
    do.form.check()
    await tickets.resolve(do.uow, do.ticket, do.by, cause, solution, precautions, **looked)


async def feedback(do: Doing) -> None:
    """The result was told by phone."""
    evidence = do.form.text("evidence", limit=128)
    do.form.check()
    await tickets.phone_feedback(do.uow, do.ticket, do.by, evidence or None)


async def confirm(do: Doing) -> None:
    """Solved, or not."""
    solved = do.form.one_of("solved", ("yes", "no"), required=True)
    by = do.form.one_of("by", ("customer", "system"), required=True)
    words = do.form.text("note")
    do.form.check()
    await tickets.confirm(
        do.uow, do.ticket, solved=solved == "yes", by=by or "customer", staff=do.by, note=words
    )


async def unconfirmed(do: Doing) -> None:
    """Why the customer has not confirmed the result, with which it closes at the end of waiting."""
    reason = do.form.one_of("reason", list(tickets.Unconfirmed), required=True)
    words = do.form.text("note", required=reason is tickets.Unconfirmed.OTHER, limit=MEDIUM)
    do.form.check()
    await tickets.note_unconfirmed(do.uow, do.ticket, do.by, reason or tickets.Unconfirmed.OTHER, words)


async def close(do: Doing) -> None:
    """When nothing is missing any more."""
    await tickets.close(do.uow, do.ticket, do.by)


async def take_back(do: Doing) -> None:
    """An answer that has not left yet."""
    ident = uuid_of(do.form.fields.get("message", ""), "message")
    message = await do.uow.session.get(Notification, ident)
    if message is None or message.ticket_id != do.ticket.id or message.kind != "reply_to_customer":
        raise NotFound("there is no such answer on this ticket")
    await tickets.take_back(do.uow, do.ticket, do.by, message)


async def _team(do: Doing, name: str) -> Team | None:
    given = do.form.text(name, limit=64)
    try:
        return await team_exactly(do.uow, given) if given else None
    except NotFound as error:
        raise Wrong({name: "unknown_team"}) from error


ACTS: Mapping[str, Act] = {
    "accept": accept,
    "answer": answer,
    "first-response": first_response,
    "progress": progress,
    "note": note,
    "transfer": transfer,
    "wait": wait,
    "resume": resume,
    "extend": extend,
    "escalate": escalate,
    "decide": decide,
    "acknowledge": acknowledge,
    "triage": triage,
    "cooperation": cooperation,
    "resolve": resolve,
    "feedback": feedback,
    "confirm": confirm,
    "unconfirmed": unconfirmed,
    "close": close,
    "not-a-ticket": no_request,
    "undo": undo,
    "take-back": take_back,
    "merge": merge,
    "unmerge": unmerge,
    "split": split,
}
"""By the last part of the form's address."""
