"""What a mail is about: a request, a customer's reply, an agent's answer, a rating, a bounce, or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from models.intake import IntakeEvent
from models.links import Link
from models.people import Customer
from models.tickets import Ticket, TicketMessage
from models.vocabulary import EventState, Medium
from workers import tickets
from workers.delivery.identity import returned_notification
from workers.directory import Contact, is_email, staff_by_email, writes_from
from workers.history import record
from workers.intake.bounces import is_daemon, read_bounce, read_returned
from workers.intake.colleague_route import from_colleague
from workers.intake.complaints import read_complaint
from workers.intake.doubts import DMARC_FAILED, SENDER_DISOWNED, disowned_by, doubted
from workers.intake.filed import Filed
from workers.intake.filters import Traits, classify
from workers.intake.finding import reply_link, ticket_of_messages
from workers.intake.forwards import Forwarded, read_forward
from workers.intake.junk import junk_told
from workers.intake.mail import InboundMail
from workers.intake.own_marks import OwnMarks
from workers.intake.rating_reply import answers_survey, rating_in
from workers.intake.receipt_route import bounce_in, complaint_in
from workers.intake.staff_route import from_staff
from workers.intake.store import Event
from workers.intake.subject_tags import tagged_link
from workers.intake.turned_away import blocked_words
from workers.unit_of_work import UnitOfWork

NEVER_A_REQUEST = frozenset({"auto_reply", "out_of_office", "complaint", "read_receipt", "list"})
DELIVERED_TO = ("delivered-to", "x-original-to", "envelope-to", "x-forwarded-to")


async def mail_in(uow: UnitOfWork, row: IntakeEvent, event: Event, mail: InboundMail) -> Filed:
    """Act on one mail and say what it was."""
    link = await _reply_link(uow, event, mail)
    traits = classify(
        mail,
        envelope_from=event.envelope.get("from"),
        own_domains={uow.settings.mail_domain},
        own_addresses={uow.settings.mail_from.lower()},
        junk=junk_told(event.envelope),
        # Only we give out reply addresses: an answer to us is none, whatever a filter thinks of it.
        vouched=link is not None or event.wanted,
    )
    settled = await _returned(uow, row, event, mail, traits, link)
    if settled is not None:
        return settled
    complaint = read_complaint(mail) if traits.kind == "complaint" else None
    if complaint is not None:
        return await complaint_in(uow, row, complaint, addressees(event, mail))
    if not traits.take_in:
        return Filed(EventState.REJECTED, kind=traits.kind, reason=_why(traits))
    copied = await _seen_before(uow, mail)
    if copied is not None:
        return Filed(EventState.DONE, kind=traits.kind, reason="copy", ticket_id=copied.ticket_id)
    if link is not None and link.staff_id is not None:
        return await from_staff(uow, row, event, mail, traits, link)
    ticket = await _ticket_of(uow, link, mail)
    if not event.wanted:
        blocked = await blocked_words(uow, (mail.from_email, (await _answer_to(uow, mail))[1]), ticket)
        if blocked is not None:
            return blocked
    if ticket is not None:
        known = link is not None or await _is_customer(uow, ticket, mail.from_email)
        return await _from_customer(uow, row, mail, traits, ticket, known=known)
    if traits.kind in NEVER_A_REQUEST and not event.wanted:
        return Filed(EventState.DONE, kind=traits.kind, reason=_why(traits))
    return await _new_request(uow, row, event, mail, traits)


async def _returned(
    uow: UnitOfWork, row: IntakeEvent, event: Event, mail: InboundMail, traits: Traits, link: Link | None
) -> Filed | None:
    """Settle a delivery report, or a colleague's answer that came to no reply address; None for other mails.

    From nobody to one of our return paths is a report in whatever words, and never a request.
    """
    returned = returned_notification(uow.vault, uow.settings, addressees(event, mail))
    nobody = event.envelope.get("from") == "" or mail.header("return-path").strip() == "<>"
    blind = returned is not None and nobody and traits.kind in ("person", "reply")
    bounce = read_returned(mail) if blind else read_bounce(mail) if traits.kind == "bounce" else None
    if bounce is not None and _from_a_person(event, mail):
        return Filed(EventState.REJECTED, kind="bounce", reason="not_from_a_mail_system")
    if bounce is not None:
        return await bounce_in(uow, row, bounce, returned)
    if blind:
        return Filed(EventState.DONE, kind="bounce", reason="not_understood")
    return await from_colleague(uow, row, event, mail, traits, returned) if link is None else None


def _from_a_person(event: Event, mail: InboundMail) -> bool:
    """Whether a report has an ordinary sender: RFC 3464 section 2 wants the null one, some use a daemon's.

    Whoever got our mail knows its id, and could undo the answer in it by a report of their own making. Where
    nobody tells the envelope, nobody is suspected.
    """
    told = event.envelope.get("from")
    sender = mail.header("return-path") if told is None else f"<{told}>"
    return sender.strip("<> ") != "" and not is_daemon(mail)


async def _seen_before(uow: UnitOfWork, mail: InboundMail) -> TicketMessage | None:
    """Where a copy of this mail was filed: it came on another way, or to two of our addresses."""
    hashed = uow.vault.lookup("message-id", mail.message_id)
    if not mail.message_id or uow.lacks("ticket_messages", [hashed]):
        return None
    return await uow.session.get(TicketMessage, hashed)


async def _is_customer(uow: UnitOfWork, ticket: Ticket, address: str) -> bool:
    return await writes_from(uow, await uow.session.get_one(Customer, ticket.customer_id), address)


def _why(traits: Traits) -> str:
    return ", ".join(traits.reasons)[:200] or traits.kind


def addressees(event: Event, mail: InboundMail) -> Iterable[str]:
    """Whom a mail was for: by its envelope, its headers, and what mail servers have noted."""
    yield str(event.envelope.get("to") or "")
    for _, address in (*mail.to, *mail.cc):
        yield address
    for name in DELIVERED_TO:
        yield from mail.headers.get(name, ())


async def _reply_link(uow: UnitOfWork, event: Event, mail: InboundMail) -> Link | None:
    """The reply address this mail was sent to: it names the ticket and the one person it was given to."""
    own = OwnMarks.of(uow.settings)
    tokens = (token for address in addressees(event, mail) for token in own.reply_tokens(address))
    return await reply_link(uow, tokens) or await tagged_link(uow, mail)


async def _ticket_of(uow: UnitOfWork, link: Link | None, mail: InboundMail) -> Ticket | None:
    """The ticket by reply address, else by In-Reply-To and References, the last first (RFC 5322 §3.6.4)."""
    if link is not None and link.ticket_id is not None:
        return await tickets.goes_on_in(uow, await tickets.ticket_by_id(uow, link.ticket_id))
    return await ticket_of_messages(uow, [mail.in_reply_to, *reversed(mail.references)])


async def _from_customer(
    uow: UnitOfWork, row: IntakeEvent, mail: InboundMail, traits: Traits, ticket: Ticket, *, known: bool
) -> Filed:
    """A reply on a ticket: a rating, or words for its handler; what is automatic is only noted.

    `known`: it came to the customer's reply address, or from the customer. Others may speak, not decide.
    """
    if await staff_by_email(uow, mail.from_email) is not None:
        return Filed(
            EventState.REJECTED, kind="answer", reason="staff_without_reply_address", ticket_id=ticket.id
        )
    if traits.automatic or traits.kind in NEVER_A_REQUEST:
        await record(uow, ticket, "automatic_mail", actor="customer", facts={"kind": traits.kind})
        return Filed(EventState.DONE, kind=traits.kind, reason=_why(traits), ticket_id=ticket.id)
    text = OwnMarks.of(uow.settings).strip(mail.reply or mail.text)
    if known and await answers_survey(uow, mail.in_reply_to):
        rating = await rating_in(uow, ticket, text, Medium.EMAIL)
        if rating is not None:
            return rating
    if known and await tickets.begins_anew(uow, ticket, text):
        return await _new_after_closing(uow, row, mail, traits, ticket)
    await tickets.customer_wrote(
        uow, ticket, text, message_id=mail.message_id, event=row.id.hex, decides=known
    )
    return Filed(EventState.DONE, kind="reply", ticket_id=ticket.id)


async def _new_after_closing(
    uow: UnitOfWork, row: IntakeEvent, mail: InboundMail, traits: Traits, earlier: Ticket
) -> Filed:
    """A reply long after closing is a request of its own, with its own clocks, linked to the old one."""
    customer = await uow.session.get_one(Customer, earlier.customer_id)
    request = replace(
        await _request(uow, row, mail),
        contact=Contact(code=customer.code),
        description=OwnMarks.of(uow.settings).strip(mail.reply or mail.text),
        silence=None if traits.may_answer else "loop_guard",
        earlier=earlier,
    )
    ticket = await tickets.open_ticket(uow, request)
    await record(uow, earlier, "taken_further", actor="customer", facts={"ticket": ticket.number})
    return Filed(EventState.DONE, kind=traits.kind, ticket_id=ticket.id)


async def _new_request(
    uow: UnitOfWork, row: IntakeEvent, event: Event, mail: InboundMail, traits: Traits
) -> Filed:
    request = await _request(uow, row, mail)
    disowned = disowned_by(uow, event, mail) or DMARC_FAILED in traits.reasons
    if disowned:
        request = doubted(uow, request)
    elif not traits.may_answer:
        request = replace(request, silence="loop_guard")
    colleague = await staff_by_email(uow, mail.from_email)
    if colleague is not None or mail.from_email.lower() == uow.settings.mail_from.lower():
        passed_on = read_forward(mail)
        if passed_on is not None and not traits.automatic:
            request = _passed_on(uow, request, passed_on, silence="loop_guard" if disowned else None)
    same = await tickets.first_of_same(uow, str(request.contact.email), request.subject)
    if same is not None:
        await tickets.collect(
            uow, same, request.description, message_id=mail.message_id or None, event=row.id.hex
        )
        return Filed(EventState.DONE, kind=traits.kind, reason="same_subject", ticket_id=same.id)
    ticket = await tickets.open_ticket(uow, request)
    if disowned:
        await record(uow, ticket, SENDER_DISOWNED)
    if mail.message_id and request.message_id is None:
        await tickets.remember_message(uow, ticket, mail.message_id)
    return Filed(EventState.DONE, kind=traits.kind, ticket_id=ticket.id)


async def _request(uow: UnitOfWork, row: IntakeEvent, mail: InboundMail) -> tickets.Request:
    """The request of whom the mail wants its answers sent to.

    Where that is somebody in another domain, only a person answers: a stranger must not have our receipts
    sent to whom he likes.
    """
    name, address = await _answer_to(uow, mail)
    elsewhere = address.rpartition("@")[2].lower() != mail.from_email.rpartition("@")[2].lower()
    return tickets.Request(
        contact=Contact(email=address, name=name or mail.from_name or None),
        channel=Medium.EMAIL,
        subject=mail.subject,
        description=OwnMarks.of(uow.settings).strip(mail.text),
        received_at=row.received_at,
        message_id=mail.message_id or None,
        silence="reply_to_elsewhere" if elsewhere else None,
        claimed=address.lower() != mail.from_email.lower(),
    )


async def _answer_to(uow: UnitOfWork, mail: InboundMail) -> tuple[str, str]:
    """Name and address of a usable Reply-To (RFC 5322 §3.6.2), else From; never ourselves or a colleague."""
    for name, address in mail.reply_to[:1]:
        if not is_email(address):
            continue
        ours = address.lower() == uow.settings.mail_from.lower() or OwnMarks.of(uow.settings).in_text(address)
        if address and not ours and await staff_by_email(uow, address) is None:
            return name, address
    return mail.from_name, mail.from_email


def _passed_on(
    uow: UnitOfWork, request: tickets.Request, inner: Forwarded, *, silence: str | None
) -> tickets.Request:
    """A colleague passed a mail on by hand: it is its writer's request, the sender only claimed."""
    return replace(
        request,
        contact=Contact(email=inner.from_email, name=inner.from_name or None),
        subject=inner.subject or request.subject,
        description=OwnMarks.of(uow.settings).strip(inner.text),
        background=inner.note,
        message_id=None,
        silence=silence,
        claimed=True,
    )
