"""Carry out an agent's commands, each wholly or not at all, by the steps that API and links call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category, Medium, Priority, Role
from workers import tickets
from workers.errors import CloseloopError
from workers.intake.commands.naming import receiver_in
from workers.intake.commands.reading import Command
from workers.intake.commands.refusal import Refused, refusal_of
from workers.intake.commands.words import fields_of, time_of
from workers.policy import Limit
from workers.text import excerpt, one_line
from workers.unit_of_work import UnitOfWork

MOST = 20
LONGEST = 20_000
LONGEST_REFERENCE = 128
SHOWN = 120


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one command. `code` is a label of `command_done`, or of `command_refused` if not `ok`;
    `at` (ISO 8601) and `value` are filled into its words.
    """

    name: str
    line: str
    ok: bool
    code: str
    at: str | None = None
    value: str = ""


@dataclass(frozen=True, slots=True)
class _Task:
    """One command with all that a step needs."""

    uow: UnitOfWork
    ticket: Ticket
    by: Staff
    words: str


@dataclass(frozen=True, slots=True)
class _Result:
    code: str
    at: datetime | None = None
    value: str = ""


async def carry_out(
    uow: UnitOfWork, ticket: Ticket, by: Staff, commands: Sequence[Command], forbidden: Callable[[str], bool]
) -> list[Done]:
    """Carry out `commands` in their order, as `by`; gives what became of each.

    A command that fails leaves no trace, and those before and after it count. `forbidden` says of words that
    they quote a mail of ours and must not be passed on. Raises Unavailable when nothing can be said yet.
    """
    done = []
    for number, command in enumerate(commands):
        shown = shown_line(command.line)
        try:
            _check(command, number, forbidden)
            result = await _one(uow, ticket, by, command)
        except Refused as no:
            done.append(Done(command.name or "unknown", shown, False, no.code, no.at, no.name))
        else:
            at = result.at.isoformat() if result.at else None
            assert command.name
            done.append(Done(command.name, shown, True, result.code, at, result.value))
    return done


def shown_line(line: str) -> str:
    """A line of the agent's mail as the answer to it quotes it."""
    return excerpt(one_line(line), SHOWN)


def _check(command: Command, number: int, forbidden: Callable[[str], bool]) -> None:
    if command.name is None:
        raise Refused("unknown")
    if number >= MOST:
        raise Refused("too_many", name=str(MOST))
    if len(command.words) > LONGEST:
        raise Refused("too_long")
    if forbidden(command.words):
        raise Refused("quotation")


async def _one(uow: UnitOfWork, ticket: Ticket, by: Staff, command: Command) -> _Result:
    """One command in a savepoint of its own. Raises Refused; what can be tried again goes on as it is."""
    assert command.name
    try:
        async with uow.session.begin_nested():
            return await STEPS[command.name](_Task(uow, ticket, by, command.words))
    except CloseloopError as error:
        if error.retryable:
            raise
        # The savepoint's end has expired what the step had changed; the next command reads it anew.
        await uow.session.refresh(ticket)
        await uow.session.refresh(by)
        raise refusal_of(command.name, error, ticket) from error


async def _accept(task: _Task) -> _Result:
    expected = None
    if task.words:
        limit, rest = _time(task.words)
        if rest:
            raise Refused("time_not_understood")
        expected = await _end(task, limit, task.uow.clock.now())
        latest = await tickets.latest_resolution(task.uow, task.ticket, task.uow.clock.now())
        if expected > latest and task.ticket.resolved_at is None:
            raise Refused("too_late", at=latest.isoformat())
    return _Result("accept", at=await tickets.accept(task.uow, task.ticket, task.by, expected))


async def _progress(task: _Task) -> _Result:
    await tickets.progress(task.uow, task.ticket, task.by, task.words)
    return _Result("progress")


async def _plan(task: _Task) -> _Result:
    await tickets.progress(task.uow, task.ticket, task.by, task.words, plan=True)
    return _Result("plan")


async def _extend(task: _Task) -> _Result:
    """So much longer than promised until now."""
    ticket, now = task.ticket, task.uow.clock.now()
    limit, reason = _time(task.words)
    promised = ticket.expected_resolution_at
    if promised is None:
        raise Refused("not_accepted")
    if now >= promised:
        raise Refused("time_is_up")
    until = await _end(task, limit, promised)
    await tickets.extend(task.uow, ticket, task.by, reason, until)
    return _Result("extended" if ticket.expected_resolution_at == until else "extend", at=until)


async def _escalate(task: _Task) -> _Result:
    fields = fields_of("escalate", task.words)
    until = None
    if fields.get("time"):
        limit, _ = _time(fields["time"])
        now = task.uow.clock.now()
        until = await _end(task, limit, max(now, task.ticket.expected_resolution_at or now))
    await tickets.request_escalation(
        task.uow, task.ticket, task.by, fields.get("reason", ""), fields.get("resources", ""), until
    )
    return _Result("escalate_own" if task.by.role in (Role.SUPERVISOR, Role.ADMINISTRATOR) else "escalate")


async def _transfer(task: _Task) -> _Result:
    to = await receiver_in(task.uow, task.words, task.ticket.subkind)
    if to.person.id == task.ticket.handler_id:
        raise Refused("theirs_already", name=to.person.name)
    await tickets.transfer(task.uow, task.ticket, task.by, to.person, to.reason, team=to.team)
    return _Result("transfer", value=f"{to.person.name} ({to.person.number})")


async def _resolve(task: _Task) -> _Result:
    given = fields_of("resolve", task.words)
    await tickets.resolve(
        task.uow,
        task.ticket,
        task.by,
        given.get("cause", ""),
        given.get("solution", ""),
        given.get("precautions", ""),
    )
    return _Result("resolve")


async def _priority(task: _Task) -> _Result:
    found = task.uow.policy.priority_of(task.words)
    if found is None:
        raise Refused("no_priority", name=", ".join(Priority))
    await tickets.triage(task.uow, task.ticket, task.by, priority=found)
    return _Result("priority", value=found.value)


async def _category(task: _Task) -> _Result:
    found = task.uow.policy.category_of(task.words)
    if found is None:
        raise Refused("no_category", name=", ".join(Category))
    await tickets.triage(task.uow, task.ticket, task.by, category=found)
    return _Result("category", value=found.value)


async def _phone(task: _Task) -> _Result:
    """A call that connected just now: the first response, or, once there is a result, its telling."""
    reference, note = _reference(task.words)
    if task.ticket.resolved_at is not None and task.ticket.feedback_at is None:
        await tickets.phone_feedback(task.uow, task.ticket, task.by, reference)
        if note:
            await tickets.note(task.uow, task.ticket, task.by, note)
        return _Result("phone_feedback")
    await tickets.record_first_response(
        task.uow, task.ticket, task.by, Medium.PHONE, evidence=reference, note=note
    )
    return _Result("phone")


async def _help(_: _Task) -> _Result:
    return _Result("help")


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


async def _end(task: _Task, limit: Limit, start: datetime) -> datetime:
    """When this much time after `start` is over, counted as the ticket's policy counts."""
    policy = await task.uow.policy_of(task.ticket.policy_version_id)
    around = policy.around_the_clock(task.ticket.priority)
    return limit.end(policy.calendar, start, around_the_clock=around)


STEPS: Mapping[str, Callable[[_Task], Awaitable[_Result]]] = MappingProxyType(
    {
        "accept": _accept,
        "progress": _progress,
        "plan": _plan,
        "extend": _extend,
        "transfer": _transfer,
        "escalate": _escalate,
        "resolve": _resolve,
        "priority": _priority,
        "category": _category,
        "phone": _phone,
        "help": _help,
    }
)
