"""What leaving test mode means here: how much is held, whom it concerns, what the domain's records lack."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.settings import Settings
    from workers.unit_of_work import UnitOfWork

PATIENCE = 5.0
ENDED = "held_in_test_mode"
AT_ONCE = 500


async def look(settings: Settings) -> dict[str, Any]:
    """How many messages test mode holds, tickets are open, people work here."""
    from sqlalchemy import func, select

    from models.people import Staff
    from models.tickets import Ticket
    from models.vocabulary import TicketState
    from workers.cli.opening import workshop_of

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        count = select(func.count())
        return {
            "held": await uow.session.scalar(_held(count)),
            "open_tickets": await uow.session.scalar(
                count.select_from(Ticket).where(Ticket.state != TicketState.CLOSED)
            ),
            "staff": await uow.session.scalar(count.select_from(Staff).where(Staff.active.is_(True))),
        }


def _held(query: Any) -> Any:
    from sqlalchemy import literal_column

    from models.notifications import Notification

    # The word itself, so that the partial index on rare states is used.
    return query.select_from(Notification).where(
        Notification.state == literal_column("'held'"), Notification.reason == "test_mode"
    )


async def held_messages(settings: Settings, limit: int) -> list[dict[str, Any]]:
    """The newest held messages: when made, ticket, message, channel, recipient masked."""
    from sqlalchemy import select

    from models.notifications import Notification
    from models.tickets import Ticket
    from workers.cli.opening import workshop_of

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        query = _held(select(Notification, Ticket.number)).outerjoin(
            Ticket, Ticket.id == Notification.ticket_id
        )
        found = await uow.session.execute(query.order_by(Notification.id.desc()).limit(limit))
        return [await _row(uow, row, number) for row, number in found]


async def _row(uow: UnitOfWork, row: Any, number: str | None) -> dict[str, Any]:
    from zoneinfo import ZoneInfo

    at = row.created_at.astimezone(ZoneInfo(uow.settings.timezone))
    return {
        "id": row.id,
        "made": at.strftime("%Y-%m-%d %H:%M:%S"),
        "ticket": number,
        "message": row.kind,
        "channel": row.channel.value,
        "to": await _masked(uow, row),
    }


async def _masked(uow: UnitOfWork, row: Any) -> str:
    from models.crypto import Erased, UnknownKey
    from workers.text import mask_contact

    with suppress(Erased, UnknownKey):  # the message is listed all the same
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
        return mask_contact(sealer.text(row.recipient_sealed, "notifications.recipient"))
    return "…"


async def end_held(settings: Settings) -> int:
    """End what test mode held, for good and with its reason, some hundreds at a time; gives how many."""
    from sqlalchemy import select, update

    from models.notifications import Notification
    from models.vocabulary import NotificationState
    from workers.cli.opening import workshop_of

    ended = 0
    async with workshop_of(settings) as workshop:
        while True:
            async with workshop.begin() as uow:
                ids = list(await uow.session.scalars(_held(select(Notification.id)).limit(AT_ONCE)))
                if not ids:
                    return ended
                await uow.session.execute(
                    update(Notification)
                    .where(Notification.id.in_(ids), Notification.state == NotificationState.HELD)
                    .values(state=NotificationState.SUPPRESSED, reason=ENDED, due_at=None, free_at=None)
                )
                ended += len(ids)


def dns_warnings(settings: Settings) -> list[str]:
    """What receivers of mail will miss in the sender domain's records (SPF, RFC 7208; DMARC, RFC 7489).

    Nothing is warned of where names cannot be looked up, nor for relays on this machine.
    """
    from workers.settings.values import stays_here

    if stays_here(settings.smtp_url, (), ()):
        return []
    domain = settings.mail_from.rpartition("@")[2]
    lacking = []
    for name, mark, what in (
        (domain, "v=spf1", "SPF: say in a TXT record which relays may send for it"),
        (f"_dmarc.{domain}", "v=DMARC1", "DMARC: without it many providers distrust your mail"),
    ):
        found = _texts(name)
        if found is None:
            return [f"the records of {domain} could not be looked up: are SPF and DMARC in place?"]
        if not any(text.lower().startswith(mark.lower()) for text in found):
            lacking.append(f"{domain} has no {what}")
    if not settings.dkim:
        lacking.append(f"mails are not signed here (CLOSELOOP_DKIM): let your relay sign for {domain}")
    return lacking


def _texts(name: str) -> list[str] | None:
    """The TXT records of a name; none where there is no such name, None where nobody answers."""
    from dns.exception import DNSException
    from dns.resolver import NXDOMAIN, NoAnswer, resolve

    try:
        answer = resolve(name, "TXT", lifetime=PATIENCE)
    except (NXDOMAIN, NoAnswer):
        return []
    except (DNSException, OSError):
        return None
    return [b"".join(row.strings).decode("utf-8", "replace") for row in answer]
