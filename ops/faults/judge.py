"""The books: what relays and SMS providers hold against what the ledger says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.intake import IntakeEvent
from models.notifications import DeliveryAttempt, Notification
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Medium, NotificationState
from ops.faults.judge_sms import SmsBooks
from tests.fakes_smtp import CaughtMail
from workers.delivery.outcome import WORKER_LOST
from workers.unit_of_work import Workshop


@dataclass(frozen=True, slots=True)
class Books:
    """Rows of the ledger and mails of the relay."""

    notifications: Sequence[Notification]
    attempts: Sequence[DeliveryAttempt]
    mails: Sequence[CaughtMail]

    def refused(self) -> set[UUID]:
        """Messages that are booked as failed, since a relay has refused them for good, and never arrived.

        Unless an earlier try ended unknown, on record: then it may have, and the last word was a refusal.
        """
        arrived = {mail.message_id for mail in self.mails}
        said = {row.notification_id for row in self.attempts if row.outcome == "rejected" and row.code == 554}
        doubtful = {row.notification_id for row in self.attempts if row.outcome == "unknown"}
        failed = [row for row in self.notifications if row.state is NotificationState.FAILED]
        ended = [row for row in failed if row.message_id not in arrived or row.id in doubtful]
        return {row.id for row in ended if row.id in said}

    def lost(self) -> list[str]:
        """Messages that never arrived, or are not booked as sent; those `refused` are neither."""
        arrived = {mail.message_id for mail in self.mails}
        refused = self.refused()
        return [
            f"{row.kind} {row.message_id} is {row.state.value}"
            for row in self.notifications
            if (row.state is not NotificationState.SENT or row.message_id not in arrived)
            and row.id not in refused
        ]

    def booked_twice(self) -> list[str]:
        """Messages that two attempts claim to have sent, none of which was taken for lost before."""
        sent = Counter(
            row.notification_id
            for row in self.attempts
            if row.outcome == "sent" and row.reason != WORKER_LOST
        )
        return [f"{ident} was sent {count} times" for ident, count in sent.items() if count > 1]

    def unsaid(self) -> list[str]:
        """What arrived more often than the ledger admits: for each further time one attempt that is
        `unknown`, or that was taken for lost before its end became known.
        """
        admitted = Counter(
            row.notification_id
            for row in self.attempts
            if row.outcome == "unknown" or row.reason == WORKER_LOST
        )
        notes = {row.message_id: row.id for row in self.notifications}
        times = Counter(mail.message_id for mail in self.mails)
        return [
            f"{message_id} arrived {count} times"
            for message_id, count in times.items()
            if message_id not in notes or count > 1 + admitted[notes[message_id]]
        ]

    def changed(self) -> list[str]:
        """Messages that came a second time with other bytes."""
        bodies = defaultdict(set)
        for mail in self.mails:
            bodies[mail.message_id].add(mail.data)
        return [message_id for message_id, versions in bodies.items() if len(versions) > 1]

    def unfinished(self) -> list[str]:
        """Attempts of which nobody knows how they ended."""
        return [str(row.id) for row in self.attempts if row.outcome is None]

    def doubled(self) -> int:
        """Mails that arrived although they had arrived before."""
        return sum(count - 1 for count in Counter(mail.message_id for mail in self.mails).values())


async def sms_books(workshop: Workshop, numbers: Iterable[str]) -> SmsBooks:
    """The books of the SMS; `numbers`: to whom the providers have taken one, as often as they have."""
    arrived = Counter(workshop.vault.lookup("phone", number) for number in numbers)
    async with workshop.read() as uow:
        rows = list(await uow.session.scalars(select(Notification).where(Notification.channel == Medium.SMS)))
        ours = select(Notification.id).where(Notification.channel == Medium.SMS)
        found = await uow.session.scalars(
            select(DeliveryAttempt).where(DeliveryAttempt.notification_id.in_(ours))
        )
        again = await uow.session.scalars(
            select(TicketEntry.notification_id).where(
                TicketEntry.kind == "message_retried", TicketEntry.notification_id.in_(ours)
            )
        )
        return SmsBooks(rows, list(found), arrived, Counter(ident for ident in again if ident is not None))


async def judge(
    workshop: Workshop, mails: Iterable[CaughtMail], numbers: Iterable[str], requests: int
) -> dict[str, Any]:
    """Compare the database's word with the `mails` at the relays, the `numbers` that the SMS providers have
    taken messages for, and the `requests` that came in.
    """
    sms = await sms_books(workshop, numbers)
    async with workshop.read() as uow:
        by_mail = select(Notification).where(Notification.channel != Medium.SMS)
        theirs = {row.id for row in sms.attempts}
        books = Books(
            notifications=list(await uow.session.scalars(by_mail)),
            attempts=[
                row for row in await uow.session.scalars(select(DeliveryAttempt)) if row.id not in theirs
            ],
            mails=list(mails),
        )
        asked = select(IntakeEvent.id).where(IntakeEvent.source.in_(("raw", "twilio")))
        events = len(list(await uow.session.scalars(asked)))
        tickets = len(list(await uow.session.scalars(select(Ticket.id))))
    decided = _twice([*books.notifications, *sms.notifications])
    faults = {
        "lost": books.lost() + _counted("events", requests, events) + _counted("tickets", requests, tickets),
        "doubled_unsaid": books.unsaid() + books.booked_twice() + decided,
        "doubled_with_other_bytes": books.changed(),
        "sms_lost": sms.lost(),
        "sms_doubled": sms.doubled(),
        "attempts_without_outcome": books.unfinished() + sms.unfinished(),
    }
    return {
        "requests": requests,
        "messages": len(books.notifications),
        "mails_at_the_relays": len(books.mails),
        "refused_for_good": len(books.refused()),
        "attempts": len(books.attempts),
        "outcomes": dict(sorted(Counter(str(row.outcome) for row in books.attempts).items())),
        "doubled_after_unknown": books.doubled(),
        "sms": len(sms.notifications),
        "sms_at_the_providers": sms.arrived.total(),
        "sms_refused_for_good": sms.refused(),
        "sms_unknown": len(sms.unknown()),
        "sms_sent_again_by_a_person": sms.again.total(),
        **{name: found if found else 0 for name, found in faults.items()},
        "honest": not any(faults.values()),
    }


def _counted(what: str, wanted: int, found: int) -> list[str]:
    return [] if found == wanted else [f"{wanted} {what} should be there, {found} are"]


def _twice(rows: Iterable[Notification]) -> list[str]:
    """Decided twice: more than one message of a kind to one person about one ticket."""
    reasons = Counter((row.kind, row.ticket_id, row.recipient_hash) for row in rows)
    return [f"{kind} was decided {count} times" for (kind, _, _), count in reasons.items() if count > 1]
