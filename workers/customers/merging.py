"""Two customers prove to be one: requests, records, ratings and orders move; all of it can be undone.

What was sealed stays under the key it was sealed with, and so what moved is known again by that key. The row
that was merged stays too: its contacts find it, and go on to the other one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from models.bulk import among
from models.communications import Communication
from models.notifications import Suppression
from models.people import Customer, CustomerChange, CustomerOrder, Staff
from models.surveys import Followup, Survey
from models.tickets import Ticket
from models.vocabulary import Medium
from workers.customers.changing import must_be_known, must_stand, open_tickets, remask
from workers.customers.story import note, orders_of
from workers.errors import Conflict, InvalidInput
from workers.history import record
from workers.suppressions import standing, suppress
from workers.tickets import follow_case
from workers.unit_of_work import UnitOfWork

FILLED = ("customer_group", "level", "industry", "locale", "preferred_channel")
CONTACTS = ("email", "phone")
REFUSED = ("opted_out", "stop", "complaint")
"""Reasons to suppress an address that were the customer's own will: they hold for all their addresses."""


async def merge(uow: UnitOfWork, kept: Customer, gone: Customer, by: Staff | None, reason: str) -> None:
    """`gone` is the same customer as `kept`. Raises Conflict, InvalidInput for one and the same.

    What `kept` lacks (name, contacts, level …) it gets; open tickets that come under another level are
    planned anew. What the customer has refused at one address is refused at the other.
    """
    if kept.id == gone.id:
        raise InvalidInput("a customer cannot be merged into itself", hint="name two customers")
    tickets = await open_tickets(uow, [kept, gone])
    for row in sorted((kept, gone), key=lambda row: row.id):
        await uow.session.refresh(row, with_for_update=True)
        must_stand(row)
        await must_be_known(uow, row)
    level, group = kept.level, kept.customer_group
    other = {row.id for row in tickets if row.customer_id == gone.id and _differs(kept, gone)}
    filled = await _fill(uow, kept, gone)
    facts: dict[str, Any] = {"other": gone.code, "reason": reason, "filled": filled}
    facts["orders"] = await orders_of(uow, gone)
    facts["aliases"] = [ident.hex for ident in await _aliases_of(uow, gone)]
    await _move(uow, gone.id, kept.id)
    await uow.session.execute(
        update(Customer)
        .where(Customer.merged_into_id == gone.id)
        .values(merged_into_id=kept.id)
        .execution_options(synchronize_session=False)
    )
    gone.merged_into_id = kept.id
    await _carry_refusals(uow, kept, gone)
    await note(uow, kept, "merged", by, facts)
    await note(uow, gone, "merged", by, {"into": kept.code, "reason": reason})
    await uow.session.flush()
    follows = {row.id for row in tickets} if (level, group) != (kept.level, kept.customer_group) else other
    for ticket in tickets:
        await uow.session.refresh(ticket, ["customer_id"])
        if ticket.data_key_id == gone.data_key_id:
            await record(uow, ticket, "customer_merged", by=by, facts={"into": kept.code, "from": gone.code})
        if ticket.id in follows:
            await follow_case(uow, ticket, "customer_merged")


async def unmerge(uow: UnitOfWork, gone: Customer, by: Staff | None, reason: str) -> Customer:
    """They are two customers after all: what was sealed under `gone`'s keys is theirs again. Gives the other.

    What came since belongs to the one it came to. Raises Conflict for one that was not merged.
    """
    if gone.merged_into_id is None:
        raise Conflict("this customer was not merged into another one")
    kept = await uow.session.get_one(Customer, gone.merged_into_id)
    tickets = await open_tickets(uow, [kept])
    for row in sorted((kept, gone), key=lambda row: row.id):
        await uow.session.refresh(row, with_for_update=True)
        await must_be_known(uow, row)
    if gone.merged_into_id != kept.id:
        raise Conflict("somebody else is changing these customers just now", hint="look at them again")
    facts = await _facts_of(uow, kept, gone)
    if facts is None:
        raise Conflict("another merge came after this one", hint="undo that one first")
    aliases = [UUID(ident) for ident in facts.get("aliases", [])]
    gone.merged_into_id = None
    await uow.session.execute(
        update(Customer)
        .where(Customer.id.in_(aliases), Customer.merged_into_id == kept.id)
        .values(merged_into_id=gone.id)
        .execution_options(synchronize_session=False)
    )
    keys = [gone.data_key_id]
    keys += await uow.session.scalars(select(Customer.data_key_id).where(Customer.id.in_(aliases)))
    await _take_back(uow, kept, gone, facts.get("filled", {}))
    await _move(uow, kept.id, gone.id, keys=keys, orders=facts.get("orders", []))
    await note(uow, kept, "unmerged", by, {"other": gone.code, "reason": reason})
    await note(uow, gone, "unmerged", by, {"from": kept.code, "reason": reason})
    await uow.session.flush()
    for ticket in tickets:
        await uow.session.refresh(ticket, ["customer_id"])
        if ticket.customer_id == gone.id:
            facts = {"into": gone.code, "from": kept.code}
            await record(uow, ticket, "customer_unmerged", by=by, facts=facts)
        await follow_case(uow, ticket, "customer_unmerged")
    return kept


def _differs(one: Customer, two: Customer) -> bool:
    return (one.level, one.customer_group) != (two.level, two.customer_group)


async def _aliases_of(uow: UnitOfWork, gone: Customer) -> list[UUID]:
    return list(await uow.session.scalars(select(Customer.id).where(Customer.merged_into_id == gone.id)))


async def _fill(uow: UnitOfWork, kept: Customer, gone: Customer) -> dict[str, str | None]:
    """Give `kept` what it lacks; which fields, with codes (of contacts and the name only that they were)."""
    filled: dict[str, str | None] = {}
    theirs = await uow.vault.sealer(uow.session, gone.data_key_id)
    own = await uow.vault.sealer(uow.session, kept.data_key_id)
    for kind in CONTACTS:
        hashed = getattr(gone, f"{kind}_hash")
        if getattr(kept, f"{kind}_hash") is None and hashed is not None:
            text = theirs.text(getattr(gone, f"{kind}_sealed"), f"customers.{kind}")
            setattr(gone, f"{kind}_hash", None)
            await uow.session.flush()  # a contact has one owner at any moment
            setattr(kept, f"{kind}_hash", hashed)
            setattr(kept, f"{kind}_sealed", own.seal(text, f"customers.{kind}"))
            filled[kind] = None
    if kept.name_sealed is None and gone.name_sealed is not None:
        kept.name_sealed = own.seal(theirs.text(gone.name_sealed, "customers.name"), "customers.name")
        filled["name"] = None
    for name in FILLED:
        value = getattr(gone, name)
        if getattr(kept, name) is None and value is not None:
            setattr(kept, name, value)
            filled[name] = str(value)
    if filled.keys() & {*CONTACTS, "name"}:
        await remask(uow, kept)
    return filled


async def _take_back(uow: UnitOfWork, kept: Customer, gone: Customer, filled: dict[str, str | None]) -> None:
    """What `_fill` gave goes back, as far as `kept` still has it."""
    for kind in (each for each in CONTACTS if each in filled):
        theirs = await uow.vault.sealer(uow.session, gone.data_key_id)
        hashed = uow.vault.lookup(kind, theirs.text(getattr(gone, f"{kind}_sealed"), f"customers.{kind}"))
        if getattr(kept, f"{kind}_hash") == hashed:
            setattr(kept, f"{kind}_hash", None)
            setattr(kept, f"{kind}_sealed", None)
            await uow.session.flush()
        column = Customer.email_hash if kind == "email" else Customer.phone_hash
        if await uow.session.scalar(select(Customer.id).where(column == hashed)) is not None:
            raise Conflict("somebody else has their contact by now", hint="change that customer first")
        setattr(gone, f"{kind}_hash", hashed)
    if "name" in filled:
        kept.name_sealed = None
    for name in FILLED:
        value = getattr(kept, name)
        if name in filled and value is not None and str(value) == filled[name]:
            setattr(kept, name, None)
    await remask(uow, kept)


async def _move(
    uow: UnitOfWork,
    source: UUID,
    target: UUID,
    *,
    keys: Collection[UUID] | None = None,
    orders: Collection[str] | None = None,
) -> None:
    """From one customer to the other: everything, or what is sealed under `keys` and the named `orders`."""
    await uow.session.flush()
    whose = select(Ticket.id).where(Ticket.customer_id == source)
    talks = Communication.customer_id == source
    bought = CustomerOrder.customer_id == source
    if keys is not None:
        whose = whose.where(among(uow.session, Ticket.data_key_id, keys))
        talks &= among(uow.session, Communication.data_key_id, keys)
    if orders is not None:
        bought &= among(uow.session, CustomerOrder.order_number, orders)
    ids = list(await uow.session.scalars(whose))
    for table, condition in (
        (Survey, among(uow.session, Survey.ticket_id, ids)),
        (Followup, among(uow.session, Followup.ticket_id, ids)),
        (Communication, talks),
        (CustomerOrder, bought),
        (Ticket, among(uow.session, Ticket.id, ids)),
    ):
        change = update(table).where(condition).values(customer_id=target)
        await uow.session.execute(change.execution_options(synchronize_session=False))


async def _carry_refusals(uow: UnitOfWork, kept: Customer, gone: Customer) -> None:
    addresses = {
        hashed: medium
        for row in (kept, gone)
        for hashed, medium in ((row.email_hash, Medium.EMAIL), (row.phone_hash, Medium.SMS))
        if hashed is not None
    }
    rows = await uow.session.scalars(
        select(Suppression).where(
            Suppression.address_hash.in_(addresses), Suppression.reason.in_(REFUSED), *standing(uow)
        )
    )
    for row in rows.all():
        for hashed, medium in addresses.items():
            if medium is row.channel and hashed != row.address_hash:
                await suppress(uow, hashed, medium, row.reason)


async def _facts_of(uow: UnitOfWork, kept: Customer, gone: Customer) -> dict[str, Any] | None:
    """What the merge of these two noted; of several the newest. None when `kept` got it by a later one."""
    lines = await uow.session.scalars(
        select(CustomerChange)
        .where(CustomerChange.kind == "merged", CustomerChange.customer_id == kept.id)
        .order_by(CustomerChange.id.desc())
    )
    return next((line.facts for line in lines if line.facts.get("other") == gone.code), None)
