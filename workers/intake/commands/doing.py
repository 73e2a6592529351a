"""Carry out an agent's commands, each wholly or not at all, by the steps that API and links call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.people import Staff
from models.tickets import Ticket
from workers.errors import CloseloopError
from workers.intake.commands.reading import Command
from workers.intake.commands.refusal import Refused, refusal_of
from workers.intake.commands.steps import STEPS, Result, Task
from workers.text import excerpt, one_line
from workers.unit_of_work import UnitOfWork

MOST = 20
LONGEST = 20_000
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


async def carry_out(
    uow: UnitOfWork, ticket: Ticket, by: Staff, commands: Sequence[Command], forbidden: Callable[[str], bool]
) -> list[Done]:
    """Carry out `commands` in their order, as `by`; gives what became of each.

    A command that fails leaves no trace, and those before and after it count. `forbidden` says of words that
    they quote a mail of ours and must not be passed on. Raises Unavailable when nothing can be said yet.
    """
    done = []
    for number, command in enumerate(commands[: MOST + 1]):
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


async def _one(uow: UnitOfWork, ticket: Ticket, by: Staff, command: Command) -> Result:
    """One command in a savepoint of its own. Raises Refused; what can be tried again goes on as it is."""
    assert command.name
    try:
        async with uow.session.begin_nested():
            return await STEPS[command.name](Task(uow, ticket, by, command.words))
    except CloseloopError as error:
        if error.retryable:
            raise
        # The savepoint's end has expired what the step had changed; the next command reads it anew.
        await uow.session.refresh(ticket)
        await uow.session.refresh(by)
        raise refusal_of(command.name, error, ticket) from error
