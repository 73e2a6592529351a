"""Links in mails and pages: minted when a message is rendered, checked when somebody comes with one."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select

from models.base import new_id
from models.links import Link
from workers.errors import Conflict, NotFound
from workers.unit_of_work import UnitOfWork, Vault

PATHS = {
    "survey": "s",
    "confirm": "c",
    "not_resolved": "c",
    "unsubscribe": "u",
    "phone_survey": "a",
    "sign_in": "console/sign-in",
}
STAFF_PATH = "t"
CODE_PAGE = "p"
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Of codes that people type: nothing in it looks like something else."""
CODE_LENGTH = 10


class LinkUsed(Conflict):
    """A link that works once has been used."""


class LinkExpired(Conflict):
    """A link whose time is over."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a link is given to, and on which ticket it lets them act."""

    ticket_id: UUID | None
    staff_id: UUID | None
    customer_id: UUID | None


def mint(
    vault: Vault, public_url: str, now: datetime, wanted: Mapping[str, Any], holder: Holder
) -> tuple[str, Link]:
    """A fresh URL and the row to store with it: only the hash of the token is ever kept.

    `wanted`: purpose, subject (uuid as text), hours it lives (promise time, parts of hours too), single_use;
    `typed`: a code to type on the page /p is given in place of the URL, for whoever may get no address of
    their own.
    """
    token = _new_code() if wanted.get("typed") else vault.new_token()
    row = Link(
        id=new_id(),
        token_hash=_hash(vault, token),
        purpose=wanted["purpose"],
        ticket_id=holder.ticket_id,
        subject_id=UUID(wanted["subject"]),
        staff_id=holder.staff_id,
        customer_id=holder.customer_id,
        facts={},
        created_at=now,
        expires_at=now + timedelta(hours=wanted["hours"]),
        single_use=bool(wanted.get("single_use")),
    )
    if wanted.get("typed"):
        return f"{token[: CODE_LENGTH // 2]}-{token[CODE_LENGTH // 2 :]}".upper(), row
    path = PATHS.get(wanted["purpose"], STAFF_PATH)
    return f"{public_url.rstrip('/')}/{path}/{token}", row


def code_page(public_url: str) -> str:
    """Where codes are typed."""
    return f"{public_url.rstrip('/')}/{CODE_PAGE}"


def typed_code(text: str) -> str:
    """The token in what somebody typed: blanks, hyphens and case do not matter; "" when it is no code."""
    code = "".join(text.split()).replace("-", "").upper()
    return code.lower() if len(code) == CODE_LENGTH and set(code) <= set(ALPHABET) else ""


def _new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)).lower()


def _hash(vault: Vault, token: str) -> bytes:
    """Codes are short enough to be tried out, so whoever has a copy of the table must lack a key."""
    is_code = len(token) == CODE_LENGTH
    return vault.lookup("link_code", token.lower()) if is_code else vault.token_hash(token.lower())


def reply_token(vault: Vault, ticket_id: UUID, person: UUID) -> str:
    """The token of the reply address that belongs to one ticket and one person; the same each time."""
    return vault.reply_token(f"{ticket_id.hex}:{person.hex}")


def status_token(vault: Vault, ticket_id: UUID, customer_id: UUID) -> str:
    """What shows a customer where their ticket stands, and lets nobody do anything; the same each time.

    It stands in the text of mails, which people quote and pass on: so it is not that of the reply address.
    """
    return vault.lookup("status", f"{ticket_id.hex}:{customer_id.hex}").hex()[:32]


def of_token(uow: UnitOfWork, token: str, purposes: Collection[str]) -> ColumnElement[bool]:
    """The condition that a row of `links` is the link of this token and serves one of `purposes`."""
    return and_(Link.token_hash == _hash(uow.vault, token), Link.purpose.in_(purposes))


async def find(uow: UnitOfWork, token: str, purposes: Collection[str], *, hold: bool = False) -> Link:
    """The link of this token if it serves one of `purposes`, whatever its age. Raises NotFound.

    Looking is no use: opening a page writes nothing.
    """
    query = select(Link).where(Link.token_hash == _hash(uow.vault, token))
    link = await uow.session.scalar(query.with_for_update() if hold else query)
    if link is None or link.purpose not in purposes:
        raise NotFound("this link is unknown")
    return link


def check(uow: UnitOfWork, link: Link) -> None:
    """Raises LinkUsed or LinkExpired when the link must not be acted on any more."""
    if link.single_use and link.used_at is not None:
        raise LinkUsed("this link has been used")
    if link.expires_at is not None and uow.clock.now() > link.expires_at:
        raise LinkExpired("this link has expired")


async def use(uow: UnitOfWork, token: str, purposes: Collection[str]) -> Link:
    """Take a link for the act it allows. Raises NotFound, LinkUsed or LinkExpired."""
    link = await find(uow, token, purposes, hold=True)
    check(uow, link)
    link.used_at = uow.clock.now()
    return link
