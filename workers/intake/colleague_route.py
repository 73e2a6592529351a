"""What colleagues answer to mails of ours that climb: "got it", or nothing but that they are away.

Somebody who is away was not reached: the next person hears it at once. RFC 3834 section 4 has such answers go
to the return path, others send them to where replies go; both find the message they answer.
"""

from __future__ import annotations

from uuid import UUID

from models.intake import IntakeEvent
from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import EventState
from workers import escalations, rungs, tickets
from workers.delivery.digests import DIGEST
from workers.directory import staff_by_email
from workers.intake.authentication import sender_failed
from workers.intake.commands.reading import Command, Instructions, read_commands
from workers.intake.commands.words import BARE_ACK, plain
from workers.intake.filed import Filed
from workers.intake.filters import Traits
from workers.intake.mail import InboundMail
from workers.intake.signatures import is_signature
from workers.intake.store import Event
from workers.unit_of_work import UnitOfWork

AWAY = "out_of_office"
AWAY_KINDS = frozenset({"auto_reply", AWAY})
CLIMBS = frozenset({"breach", "followup_overdue", DIGEST})
_TRIMMINGS = " \t\r\xa0\u3000,，.。!！~～"


async def answered(uow: UnitOfWork, mail: InboundMail, returned: UUID | None = None) -> Notification | None:
    """The message of ours to the sender of this mail, a colleague, that the mail answers; None otherwise."""
    person = await staff_by_email(uow, mail.from_email)
    if person is None:
        return None
    idents = [returned, *(_ident(name) for name in (mail.in_reply_to, *reversed(mail.references)))]
    for ident in idents:
        message = await uow.session.get(Notification, ident) if ident else None
        if message is not None and message.staff_id == person.id:
            return message
    return None


def _ident(message_id: str) -> UUID | None:
    try:
        return UUID(hex=message_id.strip().strip("<>").partition("@")[0])
    except ValueError:
        return None


async def from_colleague(
    uow: UnitOfWork, row: IntakeEvent, event: Event, mail: InboundMail, traits: Traits, returned: UUID | None
) -> Filed | None:
    """An answer that came to no reply address: that somebody is away, or "got it" to a digest.

    None when it is neither.
    """
    message = await answered(uow, mail, returned)
    if message is None:
        return None
    if traits.kind in AWAY_KINDS:
        await _away(uow, message)
        return Filed(EventState.DONE, kind=traits.kind, reason="colleague_away", ticket_id=message.ticket_id)
    if message.kind != DIGEST or traits.automatic or message.staff_id is None:
        return None
    person = await uow.session.get_one(Staff, message.staff_id)
    if sender_failed(mail.headers, event.envelope.get("verdicts"), uow.settings.auth_servers):
        return Filed(EventState.REJECTED, kind="answer", reason="auth_failed")
    said = with_bare_ack(read_commands(mail.reply), person)
    if not any(command.name == "ack" for command in said.commands):
        return Filed(EventState.REJECTED, kind="answer", reason="digest_takes_no_answer")
    stopped = await escalations.acknowledge_digest(uow, message.id, person)
    return Filed(EventState.DONE, kind="commands", reason=None if stopped else "nothing_climbs")


async def _away(uow: UnitOfWork, message: Notification) -> None:
    if message.kind == DIGEST:
        await rungs.digest_broken(uow, message, AWAY)
    elif message.ticket_id is not None:
        ticket = await tickets.ticket_by_id(uow, message.ticket_id)
        await rungs.rung_broken(uow, ticket, message, AWAY)


async def away_from(uow: UnitOfWork, ticket: Ticket, person: Staff, mail: InboundMail) -> None:
    """An automatic answer came to a colleague's reply address, and from their own address: they are away."""
    sender = await staff_by_email(uow, mail.from_email)
    if sender is None or sender.id != person.id:
        return
    message = await answered(uow, mail) or await rungs.told_last(uow, ticket, person)
    if message is not None:
        await rungs.rung_broken(uow, ticket, message, AWAY)


async def acknowledges(uow: UnitOfWork, mail: InboundMail) -> bool:
    """Whether this mail answers one about a breach: a bare "got it" is for us there, not for the customer."""
    message = await answered(uow, mail)
    return message is not None and message.kind in CLIMBS


def with_bare_ack(said: Instructions, person: Staff) -> Instructions:
    """The instructions, with "收到", "got it" and the like as the only words read as `#ack`."""
    first, _, rest = said.text.partition("\n")
    bare = plain(first.strip(_TRIMMINGS)) in BARE_ACK
    if said.commands or not bare or (rest.strip() and not is_signature(rest, person.name)):
        return said
    return Instructions((Command("ack", "", first),), "", said.note, said.misplaced)
