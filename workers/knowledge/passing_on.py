"""Pass a knowledge entry, or the result of a solved ticket, on to a customer: an answer like any other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from models.base import new_id
from models.knowledge import KnowledgeEntry, KnowledgeUse
from models.notifications import Notification
from models.people import Customer, Staff
from models.surveys import Survey, SurveyAnswer
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Dimension, KnowledgeState, Role
from workers import history, tickets
from workers.errors import Conflict, Forbidden, NotFound
from workers.knowledge.finding import entry_by_number
from workers.knowledge.words import Words, in_language, texts_of
from workers.notifications import customer_recipient
from workers.text import mask_contact, mask_free_text
from workers.unit_of_work import UnitOfWork

TWICE = timedelta(minutes=1)
FEWEST_RATED = 5
"""Fewer ratings are told of nobody: they would show how a certain customer has rated."""
HEADINGS = {
    "en": {"cause": "Cause", "solution": "What to do", "precautions": "To keep in mind"},
    "zh_CN": {"cause": "原因", "solution": "处理办法", "precautions": "注意事项"},
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the customer would read. `to` is masked; '' when they can only be rung up."""

    source: str
    text: str
    locale: str
    channel: str
    to: str
    entry: KnowledgeEntry | None


async def prepare(uow: UnitOfWork, ticket: Ticket, by: Staff, source: str) -> Prepared:
    """The words of an entry (KB0001) or of a solved ticket (CS…) in the customer's language, or in the other.

    Raises NotFound for what `by` may not see, Conflict for a draft and for a ticket without a result.
    """
    source = source.strip().upper()
    entry: KnowledgeEntry | None = None
    locale = "zh_CN" if ticket.locale.startswith("zh") else "en"
    if source.startswith("KB"):
        entry = await entry_by_number(uow, source, by)
        if entry.state is not KnowledgeState.PUBLISHED:
            raise Conflict(f"{source} is {entry.state.value}", hint="publish it first")
        locale, words = in_language((await texts_of(uow, [entry]))[entry.id], locale)
    else:
        words = await _result(uow, source, by)
    to = await customer_recipient(uow, ticket, ticket.channel)
    return Prepared(
        source=source,
        text=_letter(words, locale),
        locale=locale,
        channel=to.channel.value if to else "",
        to=mask_contact(to.address) if to else "",
        entry=entry,
    )


async def pass_on(
    uow: UnitOfWork, ticket: Ticket, by: Staff, source: str, text: str | None = None
) -> Notification | None:
    """Send it as the answer of `by`, as prepared or as they have changed it (`text`); the use is counted.

    The caller holds the ticket. Raises what `prepare` and `tickets.answer` raise, and Conflict when it was
    passed on just now: somebody pressed twice.
    """
    ready = await prepare(uow, ticket, by, source)
    await _must_be_first(uow, ticket, ready.source)
    queued = await tickets.answer(uow, ticket, by, ready.text if text is None else text)
    facts = {"source": ready.source, "version": ready.entry.version if ready.entry else None}
    facts["changed"] = text is not None and text.strip() != ready.text.strip()
    await history.record(
        uow, ticket, "knowledge_passed_on", by=by, facts=facts, notification_id=queued.id if queued else None
    )
    await uow.insert_new(
        KnowledgeUse(
            id=new_id(),
            ticket_id=ticket.id,
            source=ready.source,
            entry_id=ready.entry.id if ready.entry else None,
            entry_version=ready.entry.version if ready.entry else None,
            staff_id=by.id,
            at=uow.clock.now(),
        )
    )
    return queued


async def _must_be_first(uow: UnitOfWork, ticket: Ticket, source: str) -> None:
    lately = await uow.session.scalars(
        select(TicketEntry.facts)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "knowledge_passed_on")
        .where(TicketEntry.at > uow.clock.now() - TWICE)
    )
    if any(facts.get("source") == source for facts in lately):
        raise Conflict(f"{source} was passed on just now", hint="it leaves after the hold")


@dataclass(frozen=True, slots=True)
class Uses:
    """On how many tickets an entry was passed on, how many of those were rated, and their average (1–5).

    The average is None below five ratings, and for whoever may not see ratings.
    """

    tickets: int
    rated: int
    average: float | None


async def uses_of(uow: UnitOfWork, entry_ids: Collection[UUID], reader: Staff | None) -> dict[UUID, Uses]:
    """How entries have helped; of each survey the latest complete answer counts."""
    use = KnowledgeUse
    counted = await uow.session.execute(
        select(use.entry_id, func.count()).where(use.entry_id.in_(entry_ids)).group_by(use.entry_id)
    )
    used = {entry_id: many for entry_id, many in counted if entry_id is not None}
    scores = await _scores(uow, entry_ids) if reader is None or reader.role is not Role.AGENT else {}
    found = {}
    for entry_id, many in used.items():
        rated = scores.get(entry_id, [])
        average = round(sum(rated) / len(rated), 2) if len(rated) >= FEWEST_RATED else None
        found[entry_id] = Uses(many, len(rated), average)
    return found


async def _scores(uow: UnitOfWork, entry_ids: Collection[UUID]) -> Mapping[UUID, list[int]]:
    rows = await uow.session.execute(
        select(KnowledgeUse.entry_id, SurveyAnswer.survey_id, SurveyAnswer.scores)
        .join(Survey, Survey.ticket_id == KnowledgeUse.ticket_id)
        .join(SurveyAnswer, SurveyAnswer.survey_id == Survey.id)
        .where(KnowledgeUse.entry_id.in_(entry_ids), SurveyAnswer.final.is_(True))
        .order_by(SurveyAnswer.version)
    )
    latest = {(entry_id, survey_id): scores for entry_id, survey_id, scores in rows}
    found: dict[UUID, list[int]] = defaultdict(list)
    for (entry_id, _), scores in latest.items():
        if entry_id is not None and (overall := scores.get(Dimension.OVERALL.value)) is not None:
            found[entry_id].append(int(overall))
    return found


async def _result(uow: UnitOfWork, number: str, by: Staff) -> Words:
    """Cause and solution of a solved ticket, without its customer."""
    other = await tickets.ticket_by_number(uow, number, hold=False)
    if by.role is Role.AGENT and other.handler_id != by.id:
        raise NotFound(f"there is no ticket {number[:24]}", hint="numbers look like CS202405200001")
    if other.resolved_at is None:
        raise Conflict(f"ticket {other.number} has no result to pass on")
    sealed = await uow.session.scalar(
        select(TicketEntry.words_sealed)
        .where(TicketEntry.ticket_id == other.id, TicketEntry.kind == "resolved")
        .order_by(TicketEntry.id.desc())
        .limit(1)
    )
    sealer = await uow.vault.sealer(uow.session, other.data_key_id)
    words = sealer.json(sealed, "ticket_entries.words") or {}
    customer = await uow.session.get_one(Customer, other.customer_id)
    own = await uow.vault.sealer(uow.session, customer.data_key_id)
    name = own.text(customer.name_sealed, "customers.name")
    names = (name,) if name else ()
    kept = {part: mask_free_text(str(words.get(part, "")), names=names) for part in HEADINGS["en"]}
    if not kept["solution"]:
        raise Forbidden("the words of this ticket are gone", hint="choose another one")
    return kept


def _letter(words: Words, locale: str) -> str:
    headings = HEADINGS[locale]
    colon = "：" if locale == "zh_CN" else ": "
    parts = [
        f"{headings[part]}{colon}{words[part].strip()}" for part in headings if words.get(part, "").strip()
    ]
    return "\n\n".join(parts)
