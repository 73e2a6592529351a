"""Erase a customer: all parts in one transaction, a certificate in the same. Or only count what would go."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, select

from models.base import new_id
from models.people import Customer, Staff
from models.privacy import Erasure
from models.tickets import Ticket
from workers.directory import normal_email, normal_phone, region_of
from workers.errors import Conflict, InvalidInput, NotFound
from workers.locks import held, repeated
from workers.privacy.erasing.certificate import written
from workers.privacy.erasing.parts import PARTS
from workers.privacy.erasing.subject import Subject
from workers.unit_of_work import UnitOfWork, Workshop

ROUNDS = 3


class _OnlyCounted(Exception):
    """Ends the transaction of a dry run, so that nothing of it stays."""

    def __init__(self, certificate: dict[str, Any]) -> None:
        super().__init__()
        self.certificate = certificate


async def erase(
    workshop: Workshop,
    whom: str,
    by: Staff | None = None,
    *,
    why: str = "",
    only: ColumnElement[bool] | None = None,
) -> Erasure:
    """Erase the customer with this code, mail address or number; gives the erasure with its certificate.

    `why` is a code or reference (a request's number), no name. `only`: a condition that the customer must
    meet once nobody else can change anything about them. Raises NotFound, InvalidInput, and Conflict for one
    who is erased already or does not meet it.
    """

    async def work(uow: UnitOfWork) -> Erasure:
        subject, removed = await _remove(uow, whom, by, only)
        # Drawn here and not before: on PostgreSQL a number that is drawn stays drawn.
        number = await uow.draw_number(f"ER{uow.policy.calendar.local_date(subject.at):%Y%m}", 3)
        row = Erasure(
            id=new_id(),
            number=number,
            customer_id=subject.customer.id,
            at=subject.at,
            made_by=by.id if by else None,
            certificate=written(uow, subject, number, removed, why),
        )
        await uow.add(row)
        return row

    return await repeated(workshop, work)


async def would_erase(workshop: Workshop, whom: str) -> dict[str, Any]:
    """The certificate that `erase` would write; everything is done and undone again. Raises as it does."""

    async def count(uow: UnitOfWork) -> None:
        subject, removed = await _remove(uow, whom, None)
        raise _OnlyCounted(written(uow, subject, None, removed, ""))

    try:
        await repeated(workshop, count)
    except _OnlyCounted as counted:
        return counted.certificate
    raise AssertionError("counting always ends its transaction")


async def _remove(
    uow: UnitOfWork, whom: str, by: Staff | None, only: ColumnElement[bool] | None = None
) -> tuple[Subject, Counter[str]]:
    """Let each room do its part; gives what was removed."""
    subject = await _hold(uow, await _find(uow, whom), by)
    if only is not None:
        meets = select(Customer.id).where(Customer.id == subject.customer.id, only)
        if await uow.session.scalar(meets) is None:
            raise Conflict("something has happened with this customer meanwhile", hint="they are not erased")
    removed: Counter[str] = Counter()
    for part in PARTS:
        removed.update(await part.work(uow, subject))
        await uow.session.flush()
    for key in subject.data_keys:
        uow.vault.forget(key)
    return subject, removed


async def _find(uow: UnitOfWork, whom: str) -> Customer:
    """By the code or the exact contact; a masked or partial one finds nobody."""
    text = whom.strip()
    if text.upper().startswith("C") and text[1:].isdigit():
        condition = Customer.code == text.upper()
    else:
        try:
            if "@" in text:
                condition = Customer.email_hash == uow.vault.lookup("email", normal_email(text))
            else:
                number = normal_phone(text, region_of(uow.settings.timezone))
                condition = Customer.phone_hash == uow.vault.lookup("phone", number)
        except InvalidInput:
            raise InvalidInput(
                "this is neither a customer's code nor a mail address nor a number",
                hint="give C202405001, or the exact contact",
            ) from None
    row = await uow.session.scalar(select(Customer).where(condition))
    if row is None:
        raise NotFound("there is no such customer", hint="give C202405001, or the exact contact")
    return row


async def _hold(uow: UnitOfWork, customer: Customer, by: Staff | None) -> Subject:
    """The tickets, then the customer, locked. Whoever opens a ticket for a known customer holds the row
    (FOR KEY SHARE), so that none is added after the last look.
    """
    tickets: list[Ticket] = []
    family: list[Customer] = []
    for _ in range(ROUNDS):
        family = await _family(uow, customer)
        theirs = Ticket.customer_id.in_([one.id for one in family])
        tickets = list(await uow.session.scalars(held(select(Ticket).where(theirs).order_by(Ticket.id))))
        for one in family:
            await uow.session.refresh(one, with_for_update=True)
        if len(list(await uow.session.scalars(select(Ticket.id).where(theirs)))) == len(tickets):
            break
    root = family[0]
    if root.erased_at is not None:
        known = select(Erasure.number).where(Erasure.customer_id == root.id)
        number = await uow.session.scalar(known)
        raise Conflict("this customer is erased already", hint=f"see certificate {number}")
    hashes = [hashed for one in family for hashed in (one.email_hash, one.phone_hash)]
    addresses = frozenset(one for one in hashes if one)
    return Subject(root, tuple(family), tuple(tickets), addresses, by, uow.clock.now())


async def _family(uow: UnitOfWork, customer: Customer) -> list[Customer]:
    """Whom this customer was merged into, first, and all who were merged into that one."""
    root = customer
    while root.merged_into_id is not None:
        root = await uow.session.get_one(Customer, root.merged_into_id)
    found = [root]
    newest = [root.id]
    while newest:
        query = select(Customer).where(Customer.merged_into_id.in_(newest)).order_by(Customer.id)
        more = [one for one in await uow.session.scalars(query) if one not in found]
        found += more
        newest = [one.id for one in more]
    return found
