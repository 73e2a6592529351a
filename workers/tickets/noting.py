"""What stays inside: notes of the staff, and what became of the commands in their mails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.people import Staff
from models.tickets import Ticket, TicketEntry
from workers import deadlines
from workers.errors import InvalidInput
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.unit_of_work import UnitOfWork


async def note(uow: UnitOfWork, ticket: Ticket, by: Staff, text: str) -> TicketEntry:
    """Log words that only staff read. Raises InvalidInput when there are none."""
    if not text.strip():
        raise InvalidInput("a note needs words")
    return await record(uow, ticket, "note", by=by, words={"text": text})


async def tell_commands(
    uow: UnitOfWork,
    ticket: Ticket,
    to: Staff,
    results: Sequence[Mapping[str, Any]],
    *,
    answer: str,
    text: str,
    event: str,
) -> None:
    """Tell one of the staff what became of the commands in their mail, once for each mail (`event`).

    A result has `name`, `line`, `ok`, `code`, `at`, `value` (see `workers.intake.commands.Done`).
    `answer` is what became of the other words: a code of the labels `command_answer`. `text` is what was not
    sent, empty otherwise. What was not carried out or not sent stands in the ticket's log.
    """
    refused = [{"command": each["name"], "why": each["code"]} for each in results if not each["ok"]]
    if refused:
        await record(uow, ticket, "commands_refused", by=to, facts={"refused": refused})
    if text:
        await record(uow, ticket, "answer_not_sent", by=to, facts={"why": answer}, words={"text": text})
    facts = {
        **await staff_ticket_facts(uow, ticket),
        "done": [dict(each) for each in results if each["ok"]],
        "refused": [dict(each) for each in results if not each["ok"]],
        "answer": answer,
        "text": text,
        "help": bool(refused) or any(each["name"] == "help" for each in results),
    }
    notice = Notice(
        kind="commands_read", fact=event, ticket=ticket, facts=facts, lane=deadlines.lane_of(ticket)
    )
    await notify(uow, staff_recipient(uow, to), notice)
