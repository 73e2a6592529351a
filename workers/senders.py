"""Whose new mails and SMS are no requests: blocked addresses and domains, the only writer of their rows.

Kept by keyed hash, as suppressions are: a list of people nobody wants to hear from is personal data too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, or_, select

from models.base import new_id
from models.intake import BlockedSender
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Role
from workers.directory import normal_email, normal_phone, region_of, staff_by_email
from workers.errors import Conflict, Forbidden, InvalidInput
from workers.history import record
from workers.locks import held
from workers.text import mask_contact
from workers.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

ADDRESS, DOMAIN = "address", "domain"
LONGEST_DOMAIN = 253
MOST_ADDRESSES = 8

_EVERYBODYS = (
    "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com icloud.com me.com "
    "aol.com proton.me protonmail.com gmx.com gmx.net gmx.de web.de t-online.de mail.ru yandex.ru yandex.com "
    "zoho.com qq.com vip.qq.com foxmail.com 163.com vip.163.com 126.com yeah.net 188.com sina.com sina.cn "
    "sohu.com aliyun.com 139.com 189.cn wo.cn 21cn.com tom.com naver.com daum.net orange.fr free.fr "
    "laposte.net libero.it comcast.net"
)
EVERYBODYS = frozenset(_EVERYBODYS.split())
"""Where anybody may have a mailbox: to block all of it would shut out customers."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender to be blocked: `scope` address or domain, its keyed hash, and how lists show it."""

    scope: str
    hashed: bytes
    shown: str


def sender_of(uow: UnitOfWork, given: str) -> Sender:
    """What a person typed: a mail address, a phone number, or `@domain`. Raises InvalidInput."""
    text = given.strip()
    if text.startswith("@"):
        domain = _domain(text[1:])
        return Sender(DOMAIN, uow.vault.lookup("sender-domain", domain), f"@{domain}")
    if "@" in text:
        address = normal_email(text)
        return Sender(ADDRESS, uow.vault.lookup("email", address), mask_contact(address))
    number = normal_phone(text, region_of(uow.settings.timezone))
    return Sender(ADDRESS, uow.vault.lookup("phone", number), mask_contact(number))


def _domain(text: str) -> str:
    try:
        domain = normal_email(f"somebody@{text}").partition("@")[2]
    except InvalidInput as error:
        raise InvalidInput("this is no domain", hint="domains look like @ads.example") from error
    return domain[:LONGEST_DOMAIN]


async def block(
    uow: UnitOfWork,
    given: str,
    reason: str,
    *,
    by: Staff,
    until: datetime | None = None,
    ticket: Ticket | None = None,
) -> BlockedSender | None:
    """Take no requests from this sender any more (see `sender_of`); None when that stood already.

    `until` (UTC) is when it ends by itself. Logged on `ticket`. Raises InvalidInput, Conflict for ourselves,
    our staff and mail services that anybody uses, Forbidden for a whole domain by an agent.
    """
    sender = sender_of(uow, given)
    await _may_be_blocked(uow, given.strip(), sender, by)
    now = uow.clock.now()
    if until is not None and until <= now:
        raise InvalidInput("a block cannot end before it begins", hint="give a later time, or none")
    old = await uow.session.scalar(
        select(BlockedSender)
        .where(BlockedSender.sender_hash == sender.hashed, BlockedSender.lifted_at.is_(None))
        .with_for_update()
    )
    if old is not None and (old.until is None or old.until > now):
        old.until = until
        return None
    if old is not None:
        old.lifted_at, old.lift_reason = old.until, "expired"
        await uow.session.flush()
    row = BlockedSender(
        id=new_id(),
        sender_hash=sender.hashed,
        scope=sender.scope,
        shown=sender.shown,
        reason=reason,
        created_at=now,
        until=until,
        made_by=by.id,
        ticket_id=ticket.id if ticket else None,
    )
    if not await uow.insert_new(row):
        return None
    facts = {"scope": row.scope, "reason": reason} | ({"until": until.isoformat()} if until else {})
    log.info("sender_blocked", block=str(row.id), by=by.number, **facts)
    if ticket is not None:
        await record(uow, ticket, "sender_blocked", by=by, facts=facts)
    return row


async def _may_be_blocked(uow: UnitOfWork, given: str, sender: Sender, by: Staff) -> None:
    if sender.scope == ADDRESS:
        ours = "@" in given and normal_email(given) == normal_email(uow.settings.mail_from)
        if ours or ("@" in given and await staff_by_email(uow, given) is not None):
            raise Conflict(
                "this is our own address", hint="block the sender of the mail, not who passed it on"
            )
        return
    if by.role is Role.AGENT:
        raise Forbidden("only a supervisor may block a whole domain", hint="block the address alone")
    domain = sender.shown.removeprefix("@")
    if domain in EVERYBODYS:
        raise Conflict("anybody may have an address at this mail service", hint="block the address alone")
    if uow.settings.mail_domain == domain or uow.settings.mail_domain.endswith(f".{domain}"):
        raise Conflict("this is our own domain")


async def lift(uow: UnitOfWork, row: BlockedSender, why: str, *, by: Staff) -> None:
    """Take requests from this sender again; the row stays as history. Logged where it was made.

    Raises Conflict when it was lifted or is over already.
    """
    ticket = await _held(uow, row)
    await uow.session.refresh(row, with_for_update=True)
    now = uow.clock.now()
    if row.lifted_at is not None or (row.until is not None and row.until <= now):
        raise Conflict("this block is over already")
    row.lifted_at, row.lifted_by, row.lift_reason = now, by.id, why
    log.info("sender_unblocked", block=str(row.id), by=by.number, why=why)
    if ticket is not None:
        await record(uow, ticket, "sender_unblocked", by=by, facts={"scope": row.scope, "why": why})


async def _held(uow: UnitOfWork, row: BlockedSender) -> Ticket | None:
    if row.ticket_id is None:
        return None
    return await uow.session.scalar(held(select(Ticket).where(Ticket.id == row.ticket_id)))


def standing(uow: UnitOfWork) -> tuple[ColumnElement[bool], ...]:
    """WHERE conditions for blocks that hold now: neither lifted nor over."""
    open_end = or_(BlockedSender.until.is_(None), BlockedSender.until > uow.clock.now())
    return (BlockedSender.lifted_at.is_(None), open_end)


async def blocked(uow: UnitOfWork, senders: Collection[str]) -> BlockedSender | None:
    """The block that one of these mail addresses or phone numbers falls under, by itself or by a domain above
    it; what is no address is passed over.
    """
    hashes = {each for sender in list(senders)[:MOST_ADDRESSES] for each in hashes_of(uow, sender)}
    if not hashes or uow.lacks("blocked_senders", hashes):
        return None
    query = select(BlockedSender).where(BlockedSender.sender_hash.in_(hashes), *standing(uow))
    return await uow.session.scalar(query.order_by(BlockedSender.id).limit(1))


def hashes_of(uow: UnitOfWork, sender: str) -> Iterable[bytes]:
    """By what this address or number, or a domain above it, is blocked; nothing for what is neither."""
    try:
        if "@" not in sender:
            yield uow.vault.lookup("phone", normal_phone(sender, region_of(uow.settings.timezone)))
            return
        address = normal_email(sender)
    except InvalidInput:
        return
    yield uow.vault.lookup("email", address)
    labels = address.rpartition("@")[2].split(".")
    for start in range(max(0, len(labels) - 5), len(labels) - 1):
        yield uow.vault.lookup("sender-domain", ".".join(labels[start:]))
