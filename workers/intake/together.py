"""Many new requests in one transaction, with a tenth of the statements. In doubt each goes alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import select

from models.intake import IntakeBody, IntakeEvent
from models.vocabulary import Lane
from workers.delivery.identity import TAG
from workers.errors import CloseloopError
from workers.intake.filed import file_event
from workers.intake.guard import Limits
from workers.intake.looking_ahead import look_ahead
from workers.intake.mail import InboundMail, parse_mail
from workers.intake.mail_route import addressees, mail_in
from workers.intake.outside import Outside
from workers.intake.own_marks import OwnMarks
from workers.intake.provider_mail import FETCHED, mail_bytes
from workers.intake.store import Event, opened
from workers.settings import Settings
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

FEWEST = 3
QUICK = Limits(seconds=0.05)
"""A mail that takes longer to read is left to be read alone …"""
SHARE_SECONDS = 0.3
"""… and so is the rest of a batch that has taken this long: nobody waits for mails made to be slow."""
_READ = (
    IntakeEvent.id,
    IntakeEvent.source,
    IntakeEvent.external_id,
    IntakeEvent.kind,
    IntakeEvent.data_key_id,
    IntakeBody.envelope_sealed,
    IntakeBody.raw_sealed,
)
Claimed = tuple[UUID, UUID | None]


@dataclass(frozen=True, slots=True)
class ReadMail:
    """A stored event, and the mail in it."""

    event: Event
    mail: InboundMail


async def file_together(workshop: Workshop, outside: Outside, claimed: Sequence[Claimed]) -> set[UUID]:
    """File those of the claimed events that are plain new mails; gives which. The others are left alone.

    All or none: whatever goes wrong, one by one each mail finds its own fate.
    """
    if len(claimed) < FEWEST:
        return set()
    try:
        plain = await _plain(workshop, outside, [ident for ident, _ in claimed])
        if len(plain) < FEWEST:
            return set()
        async with workshop.begin() as uow:
            uow.ahead = await look_ahead(uow, [each.mail for each in plain.values()])
            rows = await _ours(uow, claimed, plain)
            for number, row in enumerate(rows):
                uow.ahead.left = len(rows) - number
                read = plain[row.id]
                with workshop.tracer.span("intake", row.trace, source=row.source):
                    file_event(uow, row, await mail_in(uow, row, read.event, read.mail))
    except Exception as error:
        log.warning("mails_one_by_one", events=len(claimed), error=type(error).__name__)
        return set()
    return {row.id for row in rows}


async def _plain(workshop: Workshop, outside: Outside, idents: Sequence[UUID]) -> Mapping[UUID, ReadMail]:
    events = await _load(workshop, idents)
    return await asyncio.to_thread(_read, workshop.settings, outside, events)


async def _load(workshop: Workshop, idents: Sequence[UUID]) -> Mapping[UUID, Event]:
    """The mails among these events whose keys can be unwrapped, by three queries."""
    found: dict[UUID, Event] = {}
    async with workshop.read() as uow:
        query = select(*_READ).join(IntakeBody, IntakeBody.event_id == IntakeEvent.id)
        query = query.where(IntakeEvent.id.in_(idents), IntakeEvent.kind == "mail")
        query = query.where(IntakeEvent.lane != Lane.BULK, IntakeEvent.source.not_in(FETCHED))
        rows = (await uow.session.execute(query)).all()
        await uow.vault.warm(uow.session, [row.data_key_id for row in rows])
        for row in rows:
            found[row.id] = opened(row, row, await uow.vault.sealer(uow.session, row.data_key_id))
    return found


def _read(settings: Settings, outside: Outside, events: Mapping[UUID, Event]) -> Mapping[UUID, ReadMail]:
    found: dict[UUID, ReadMail] = {}
    own = OwnMarks.of(settings)
    ends = time.thread_time() + SHARE_SECONDS
    for ident, event in events.items():
        if time.thread_time() > ends:
            break
        try:
            mail = parse_mail(mail_bytes(event, settings.email_hooks, outside), QUICK)
        except CloseloopError:
            continue  # alone it is refused, put behind or held, with its reason
        if _is_plain(own, event, mail):
            found[ident] = ReadMail(event, mail)
    return found


def _is_plain(own: OwnMarks, event: Event, mail: InboundMail) -> bool:
    """Whether nothing in this mail refers to another one: it is no reply and was not sent to an address of
    one ticket or notification.
    """
    if mail.in_reply_to or mail.references or TAG.search(mail.subject):
        return False
    return not any(own.reply_tokens(address) for address in addressees(event, mail))


async def _ours(uow: UnitOfWork, claimed: Sequence[Claimed], plain: Collection[UUID]) -> list[IntakeEvent]:
    """The events, held, whose lease is still ours, oldest first."""
    tokens = {token for ident, token in claimed if ident in plain}
    query = select(IntakeEvent).where(IntakeEvent.id.in_(plain), IntakeEvent.lease_token.in_(tokens))
    return list(await uow.session.scalars(query.order_by(IntakeEvent.id).with_for_update()))
