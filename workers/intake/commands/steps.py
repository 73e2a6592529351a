"""What each command does: the words become arguments of the step that API and links call as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Medium, NoRequest, Role
from workers import escalations, tickets
from workers.directory import policy_for
from workers.intake.commands.naming import receiver_in
from workers.intake.commands.refusal import Refused
from workers.intake.commands.words import NO_REQUEST, NOT_CONFIRMED, fields_of, plain, time_of, trimmed
from workers.policy import Limit
from workers.unit_of_work import UnitOfWork

LONGEST_REFERENCE = 128


@dataclass(frozen=True, slots=True)
class Task:
    """One command with all that a step needs."""

    uow: UnitOfWork
    ticket: Ticket
    by: Staff
    words: str


@dataclass(frozen=True, slots=True)
class Result:
    """What was done: a label of `command_done`, and what is filled into its words."""

    code: str
    at: datetime | None = None
    value: str = ""


async def _accept(task: Task) -> Result:
    expected = None
    if task.words:
        limit, rest = _time(task.words)
        if rest:
            raise Refused("time_not_understood")
        expected = await _end(task, limit, task.uow.clock.now())
    try:
        return Result("accept", at=await tickets.accept(task.uow, task.ticket, task.by, expected))
    except tickets.TooLate as error:
        raise Refused("too_late", at=error.latest.isoformat()) from error


async def _ack(task: Task) -> Result:
    """They take it on: all ladders of the ticket stop."""
    if not await escalations.acknowledge(task.uow, task.ticket, task.by):
        raise Refused("nothing_climbs")
    return Result("ack")


async def _progress(task: Task) -> Result:
    await tickets.progress(task.uow, task.ticket, task.by, task.words)
    return Result("progress")


async def _inform(task: Task) -> Result:
    """Progress that the customer is told at once."""
    await tickets.progress(task.uow, task.ticket, task.by, task.words, tell_customer=True)
    return Result("inform")


async def _plan(task: Task) -> Result:
    await tickets.progress(task.uow, task.ticket, task.by, task.words, plan=True)
    return Result("plan")


async def _extend(task: Task) -> Result:
    """So much longer than promised until now."""
    ticket, now = task.ticket, task.uow.clock.now()
    limit, reason = _time(task.words)
    if ticket.expected_resolution_at is None:
        raise Refused("not_accepted")
    promised = await tickets.promised_time(task.uow, ticket)
    if now >= promised:
        raise Refused("time_is_up")
    until = await _end(task, limit, promised)
    await tickets.extend(task.uow, ticket, task.by, reason, until)
    return Result("extended" if ticket.expected_resolution_at == until else "extend", at=until)


async def _escalate(task: Task) -> Result:
    fields = fields_of("escalate", task.words)
    until = None
    if fields.get("time"):
        limit, _ = _time(fields["time"])
        now = task.uow.clock.now()
        until = await _end(task, limit, max(now, task.ticket.expected_resolution_at or now))
    await tickets.request_escalation(
        task.uow, task.ticket, task.by, fields.get("reason", ""), fields.get("resources", ""), until
    )
    return Result("escalate_own" if task.by.role in (Role.SUPERVISOR, Role.ADMINISTRATOR) else "escalate")


async def _transfer(task: Task) -> Result:
    to = await receiver_in(task.uow, task.words, task.ticket.subkind)
    if to.person.id == task.ticket.handler_id:
        raise Refused("theirs_already", name=to.person.name)
    await tickets.transfer(task.uow, task.ticket, task.by, to.person, to.reason, team=to.team)
    return Result("transfer", value=f"{to.person.name} ({to.person.number})")


async def _resolve(task: Task) -> Result:
    given = fields_of("resolve", task.words)
    result = (given.get("cause", ""), given.get("solution", ""), given.get("precautions", ""))
    try:
        await tickets.resolve(task.uow, task.ticket, task.by, *result)
    except tickets.NeedsTriage as error:
        raise Refused("needs_triage", name=" ".join(error.missing)) from error
    return Result("resolve")


async def _priority(task: Task) -> Result:
    found = task.uow.policy.priority_of(task.words)
    if found is None:
        raise Refused("no_priority", name=_labels(task, task.uow.policy.priorities))
    await tickets.triage(task.uow, task.ticket, task.by, priority=found)
    return Result("priority", value=found.value)


async def _category(task: Task) -> Result:
    found = task.uow.policy.category_of(task.words)
    if found is None:
        raise Refused("no_category", name=_labels(task, task.uow.policy.categories))
    await tickets.triage(task.uow, task.ticket, task.by, category=found)
    return Result("category", value=found.value)


async def _phone(task: Task) -> Result:
    """A call that connected just now: the first response, or, once there is a result, its telling."""
    reference, note = _reference(task.words)
    if task.ticket.resolved_at is not None and task.ticket.feedback_at is None:
        await tickets.phone_feedback(task.uow, task.ticket, task.by, reference)
        if note:
            await tickets.note(task.uow, task.ticket, task.by, note)
        return Result("phone_feedback")
    await tickets.record_first_response(
        task.uow, task.ticket, task.by, Medium.PHONE, evidence=reference, note=note
    )
    return Result("phone")


async def _wait(task: Task) -> Result:
    """The customer has to answer first."""
    entry = await tickets.wait(task.uow, task.ticket, task.by, task.words)
    return Result("wait", at=datetime.fromisoformat(entry.facts["until"]))


async def _resume(task: Task) -> Result:
    await tickets.resume(task.uow, task.ticket, task.by)
    return Result("resume")


async def _junk(task: Task) -> Result:
    """It is no request; the first word may say why."""
    first, _, rest = task.words.partition(" ")
    reason = NO_REQUEST.get(plain(first.rstrip(":：,，")))
    note = trimmed(rest) if reason else task.words
    await tickets.dismiss(task.uow, task.ticket, task.by, reason or NoRequest.OTHER, note=note)
    return Result("junk")


async def _ticket(task: Task) -> Result:
    """It is a request after all."""
    await tickets.undo_dismissal(task.uow, task.ticket, task.by, task.words)
    return Result("ticket")


async def _unconfirmed(task: Task) -> Result:
    """Why the customer has not confirmed the result; words that are no reason are the note of `other`."""
    first, _, rest = task.words.partition(" ")
    reason = NOT_CONFIRMED.get(plain(first.rstrip(":：,，")))
    note = trimmed(rest) if reason else task.words
    reason = reason or tickets.Unconfirmed.OTHER
    await tickets.note_unconfirmed(task.uow, task.ticket, task.by, reason, note)
    return Result("unconfirmed", value=reason.value)


async def _close(task: Task) -> Result:
    try:
        await tickets.close(task.uow, task.ticket, task.by)
    except tickets.NotComplete as error:
        raise Refused("not_complete", name=" ".join(error.missing)) from error
    return Result("close")


async def _help(_: Task) -> Result:
    return Result("help")


def _labels(task: Task, parts: Mapping[Any, Any]) -> str:
    """The words that this policy has for its priorities or categories, in the language of who asked."""
    chinese = (task.by.locale or task.uow.settings.locale).startswith("zh")
    return ", ".join(part.label.zh if chinese else part.label.en for part in parts.values())


def _reference(words: str) -> tuple[str | None, str]:
    """The call record's reference (the first word, if a digit is in it) and the words after it."""
    first, _, rest = words.partition("\n")
    reference, _, more = first.partition(" ")
    if not any(letter.isdigit() for letter in reference) or len(reference) > LONGEST_REFERENCE:
        return None, words
    return reference, "\n".join(part for part in (more.strip(), rest) if part)


def _time(words: str) -> tuple[Limit, str]:
    found = time_of(words)
    if found is None:
        raise Refused("time_not_understood")
    return found


async def _end(task: Task, limit: Limit, start: datetime) -> datetime:
    """When this much time after `start` is over, counted as the ticket's policy counts."""
    policy = await policy_for(task.uow, task.ticket)
    around = policy.around_the_clock(task.ticket.priority)
    return limit.end(policy.calendar, start, around_the_clock=around)


STEPS: Mapping[str, Callable[[Task], Awaitable[Result]]] = MappingProxyType(
    {
        "accept": _accept,
        "ack": _ack,
        "progress": _progress,
        "inform": _inform,
        "plan": _plan,
        "extend": _extend,
        "transfer": _transfer,
        "escalate": _escalate,
        "resolve": _resolve,
        "priority": _priority,
        "category": _category,
        "phone": _phone,
        "wait": _wait,
        "resume": _resume,
        "junk": _junk,
        "ticket": _ticket,
        "unconfirmed": _unconfirmed,
        "close": _close,
        "help": _help,
    }
)
