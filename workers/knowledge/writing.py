"""Entries are written, put right, published and retired; a solved ticket makes a draft in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select

from models.base import new_id
from models.knowledge import KnowledgeEntry
from models.people import Customer, Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Category, KnowledgeState, Role
from workers import history
from workers.errors import Conflict, Forbidden, InvalidInput
from workers.knowledge import reminding
from workers.knowledge.words import LONGEST_TITLE, PARTS, Words, texts_of, write
from workers.notifications import staff_ticket_facts
from workers.text import bare_subject, excerpt, mask_free_text
from workers.unit_of_work import UnitOfWork

LEADS = (Role.SUPERVISOR, Role.QUALITY, Role.ADMINISTRATOR)
LOOK_AGAIN = timedelta(days=182)
"""After half a year a published entry is looked at again, where nobody says when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an entry is about besides its words; None leaves it as it is."""

    category: Category | None = None
    product: str | None = None
    review_on: date | None = None


async def add_entry(
    uow: UnitOfWork,
    by: Staff,
    texts: Mapping[str, Words],
    about: About,
    *,
    sources: tuple[str, ...] = (),
) -> KnowledgeEntry:
    """A new draft, with its words by language. Raises InvalidInput."""
    if not texts:
        raise InvalidInput("an entry needs words in at least one language")
    now = uow.clock.now()
    entry = KnowledgeEntry(
        id=new_id(),
        number=await uow.draw_number("KB", 4),
        version=1,
        state=KnowledgeState.DRAFT,
        category=about.category,
        product=_product(about.product),
        sources=list(sources),
        author_id=by.id,
        data_key_id=await uow.vault.new_key(uow.session),
        made_at=now,
        changed_at=now,
        published_at=None,
        retired_at=None,
        review_on=about.review_on,
        write_up_by=None,
    )
    await uow.add(entry)
    for locale, words in texts.items():
        await write(uow, entry, by, locale, words)
    return entry


async def draft_of(uow: UnitOfWork, ticket: Ticket, by: Staff, product: str = "") -> KnowledgeEntry:
    """A draft of a solved ticket's masked case; its writer is reminded until it is published.

    A ticket makes one draft: asked again, it gives that. Raises Conflict for a ticket without a result.
    """
    if ticket.resolved_at is None:
        raise Conflict(f"ticket {ticket.number} has no result to write up yet")
    return await _drafted(uow, ticket) or await _draft(uow, ticket, by, product)


async def draft_of_problem(
    uow: UnitOfWork, ticket: Ticket, by: Staff, others: Sequence[str] = ()
) -> KnowledgeEntry:
    """As `draft_of`, for a problem that keeps coming: the ticket need not be solved, and `others` are the
    numbers of tickets with the same problem.
    """
    return await _drafted(uow, ticket) or await _draft(uow, ticket, by, "", others)


async def _drafted(uow: UnitOfWork, ticket: Ticket) -> KnowledgeEntry | None:
    logged = await uow.session.scalar(
        select(TicketEntry.facts)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "knowledge_drafted")
        .order_by(TicketEntry.id.desc())
        .limit(1)
    )
    if logged is None:
        return None
    known = KnowledgeEntry.number == logged["knowledge"]
    found: KnowledgeEntry | None = await uow.session.scalar(select(KnowledgeEntry).where(known))
    return found


async def _draft(
    uow: UnitOfWork, ticket: Ticket, by: Staff, product: str, others: Sequence[str] = ()
) -> KnowledgeEntry:
    about = About(category=ticket.category, product=product or None)
    words = {await _locale(ticket): await _case(uow, ticket)}
    entry = await add_entry(uow, by, words, about, sources=(ticket.number, *others))
    await history.record(uow, ticket, "knowledge_drafted", by=by, facts={"knowledge": entry.number})
    await reminding.ask_to_write_up(uow, entry)
    return entry


async def _locale(ticket: Ticket) -> str:
    return "zh_CN" if ticket.locale.startswith("zh") else "en"


async def _case(uow: UnitOfWork, ticket: Ticket) -> Words:
    """Problem, cause and solution of a ticket without the customer: masked, name and all."""
    facts = await staff_ticket_facts(uow, ticket)
    sealed = await uow.session.scalar(
        select(TicketEntry.words_sealed)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "resolved")
        .order_by(TicketEntry.id.desc())
        .limit(1)
    )
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    result = sealer.json(sealed, "ticket_entries.words") or {}
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    own = await uow.vault.sealer(uow.session, customer.data_key_id)
    name = own.text(customer.name_sealed, "customers.name")
    shown = facts["ticket"]
    title = bare_subject(shown["subject"], LONGEST_TITLE) or excerpt(result.get("solution", ""), 60)
    words = {"title": title or ticket.number, "problem": shown["description"]}
    words |= {part: str(result.get(part, "")) for part in ("cause", "solution", "precautions")}
    return {part: mask_free_text(text, names=(name,) if name else ()) for part, text in words.items()}


def may_write(entry: KnowledgeEntry, by: Staff) -> None:
    """Raises Forbidden unless it is their own draft, or they lead."""
    own = entry.author_id == by.id and entry.state is KnowledgeState.DRAFT
    if not own and by.role not in LEADS:
        raise Forbidden(
            "this entry is not yours to change", hint="its author changes a draft, leads the rest"
        )


async def change(
    uow: UnitOfWork, entry: KnowledgeEntry, by: Staff, texts: Mapping[str, Words], about: About
) -> None:
    """Put an entry right; what stood there before is kept. Raises Forbidden, InvalidInput."""
    may_write(entry, by)
    _touch(uow, entry)
    entry.category = about.category or entry.category
    entry.product = _product(about.product) if about.product is not None else entry.product
    entry.review_on = about.review_on or entry.review_on
    now = await texts_of(uow, [entry])
    for locale, words in texts.items():
        before = now[entry.id].get(locale, {})
        await write(uow, entry, by, locale, {part: words.get(part, before.get(part, "")) for part in PARTS})
    uow.words_changed("knowledge", entry.id)


async def publish(uow: UnitOfWork, entry: KnowledgeEntry, by: Staff) -> None:
    """From now on it is offered. Raises Forbidden, and Conflict when it lacks a solution."""
    _must_lead(by)
    texts = (await texts_of(uow, [entry]))[entry.id]
    if not any(words["solution"] for words in texts.values()):
        raise Conflict("an entry without a solution helps nobody", hint="write it, then publish")
    if entry.state is KnowledgeState.PUBLISHED:
        return
    _touch(uow, entry)
    entry.state, entry.published_at, entry.retired_at = KnowledgeState.PUBLISHED, uow.clock.now(), None
    today = uow.policy.calendar.local_date(uow.clock.now())
    if entry.review_on is None or entry.review_on <= today:
        entry.review_on = today + LOOK_AGAIN
    await reminding.written_up(uow, entry)
    uow.words_changed("knowledge", entry.id)


async def retire(uow: UnitOfWork, entry: KnowledgeEntry, by: Staff) -> None:
    """It is offered no more, and stays to be read by those who lead."""
    _must_lead(by)
    if entry.state is KnowledgeState.RETIRED:
        return
    _touch(uow, entry)
    entry.state, entry.retired_at = KnowledgeState.RETIRED, uow.clock.now()
    await reminding.written_up(uow, entry)


def _must_lead(by: Staff) -> None:
    if by.role not in LEADS:
        raise Forbidden("entries are published and retired by those who lead", hint="ask a supervisor")


def _touch(uow: UnitOfWork, entry: KnowledgeEntry) -> None:
    entry.version += 1
    entry.changed_at = uow.clock.now()


def _product(product: str | None) -> str | None:
    kept = " ".join((product or "").split())
    if len(kept) > 64:
        raise InvalidInput("a product's name has at most 64 characters")
    return kept or None
