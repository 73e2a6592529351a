"""A mail of one of the staff to their own reply address: commands, an answer to the customer, a note."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

from models.intake import IntakeEvent
from models.links import Link
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import EventState
from workers import tickets
from workers.directory import staff_by_email
from workers.errors import Conflict, InvalidInput
from workers.history import record
from workers.intake.authentication import sender_failed
from workers.intake.colleague_route import AWAY_KINDS, acknowledges, away_from, with_bare_ack
from workers.intake.commands import Done, Instructions, carry_out, read_commands
from workers.intake.commands.doing import MOST, shown_line
from workers.intake.filed import Filed
from workers.intake.filters import Traits
from workers.intake.mail import InboundMail
from workers.intake.own_marks import OwnMarks
from workers.intake.signatures import is_signature
from workers.intake.store import Event
from workers.unit_of_work import UnitOfWork


async def from_staff(
    uow: UnitOfWork, row: IntakeEvent, event: Event, mail: InboundMail, traits: Traits, link: Link
) -> Filed:
    """Act on it: only with the reply address given to that person *and* their own From, not disproved.

    Commands are carried out, what is left is the answer. Where anything that looks like a command was not
    understood nothing leaves, and the person is told.
    """
    assert link.ticket_id is not None
    assert link.staff_id is not None
    ticket = await tickets.goes_on_in(uow, await tickets.ticket_by_id(uow, link.ticket_id))
    person = await uow.session.get_one(Staff, link.staff_id)
    if traits.automatic:
        await record(uow, ticket, "automatic_mail", by=person, facts={"kind": traits.kind})
        if traits.kind in AWAY_KINDS:
            await away_from(uow, ticket, person, mail)
        why = ", ".join(traits.reasons)[:200] or traits.kind
        return Filed(EventState.DONE, kind=traits.kind, reason=why, ticket_id=ticket.id)
    foreign = await _not_theirs(uow, event, mail, person)
    if foreign is not None:
        text = OwnMarks.of(uow.settings).strip(mail.reply)
        await tickets.tell_not_sent(uow, ticket, person, foreign, text, row.id.hex)
        return Filed(EventState.REJECTED, kind="answer", reason=foreign, ticket_id=ticket.id)
    said = read_commands(mail.reply)
    if await acknowledges(uow, mail):
        said = with_bare_ack(said, person)
    if said.commands or said.misplaced or (said.note and not said.text):
        return await _commanded(uow, row, mail, ticket, person, said)
    why_not = await _answer(uow, ticket, person, said.text, mail.message_id)
    if why_not is not None:
        text = OwnMarks.of(uow.settings).strip(said.text)
        await tickets.tell_not_sent(uow, ticket, person, why_not, text, row.id.hex)
        return Filed(EventState.REJECTED, kind="answer", reason=why_not, ticket_id=ticket.id)
    await _keep_note(uow, ticket, person, said)
    return Filed(EventState.DONE, kind="answer", ticket_id=ticket.id)


async def _not_theirs(uow: UnitOfWork, event: Event, mail: InboundMail, person: Staff) -> str | None:
    """Why this mail is not taken for the person's own, as a code; None when it is."""
    sender = await staff_by_email(uow, mail.from_email)
    if sender is None or sender.id != person.id:
        return "sender_mismatch"
    if sender_failed(mail.headers, event.envelope.get("verdicts"), uow.settings.auth_servers):
        return "auth_failed"
    return None


async def _commanded(
    uow: UnitOfWork,
    row: IntakeEvent,
    mail: InboundMail,
    ticket: Ticket,
    person: Staff,
    said: Instructions,
) -> Filed:
    """Carry out what was understood, send the answer if all was, and tell the person in one mail."""
    own = OwnMarks.of(uow.settings)
    # First of all: another copy of this mail, on another way, then carries nothing out.
    await tickets.remember_message(uow, ticket, mail.message_id)
    commands = [
        replace(command, words=_without_address(uow, command.words, person)) for command in said.commands
    ]
    results = await carry_out(uow, ticket, person, commands, own.in_text)
    results += [Done("misplaced", shown_line(line), False, "misplaced") for line in said.misplaced[:MOST]]
    if await _keep_note(uow, ticket, person, said):
        results.append(Done("note", "#note", True, "note"))
    answer = await _rest(uow, ticket, person, said)
    unsent = said.text if answer not in ("none", "sent", "signature") else ""
    told = [asdict(each) | {"line": own.strip(each.line)} for each in results]
    await tickets.tell_commands(
        uow, ticket, person, told, answer=answer, text=own.strip(unsent), event=row.id.hex
    )
    if unsent:
        return Filed(EventState.REJECTED, kind="commands", reason=answer, ticket_id=ticket.id)
    why = None if all(each.ok for each in results) else "not_carried_out"
    return Filed(EventState.DONE, kind="commands", reason=why, ticket_id=ticket.id)


async def _rest(uow: UnitOfWork, ticket: Ticket, person: Staff, said: Instructions) -> str:
    """What becomes of the words beside the commands, as a code: none, sent, or why they stay here."""
    if not said.text:
        return "none"
    if not said.understood:
        return "not_understood"
    if is_signature(said.text, person.name):
        return "signature"
    return await _answer(uow, ticket, person, said.text) or "sent"


async def _answer(
    uow: UnitOfWork, ticket: Ticket, person: Staff, text: str, message_id: str = ""
) -> str | None:
    """Pass the answer on; gives the code of why not, None when it is on its way."""
    if OwnMarks.of(uow.settings).in_text(text):
        # Our own address or link in what should be the answer: a quotation that could not be told apart.
        return "quotation_uncut"
    try:
        await tickets.remember_message(uow, ticket, message_id)
        await tickets.answer(uow, ticket, person, _without_address(uow, text, person))
    except InvalidInput:
        return "too_long" if text else "empty"
    except Conflict:
        return "not_possible"
    return None


async def _keep_note(uow: UnitOfWork, ticket: Ticket, person: Staff, said: Instructions) -> bool:
    """Log what stays inside; gives whether there was anything."""
    if not said.note:
        return False
    await tickets.note(uow, ticket, person, OwnMarks.of(uow.settings).strip(said.note))
    return True


def _without_address(uow: UnitOfWork, text: str, person: Staff) -> str:
    """An agent's signature names the team's address: neither side sees the other's own."""
    return re.sub(re.escape(person.email), lambda _: uow.settings.mail_from, text, flags=re.IGNORECASE)
