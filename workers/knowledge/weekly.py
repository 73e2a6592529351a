"""The weekly review: frequent problems and entries to the agents, repeated ones to the product team (row C4).

It is planned on the morning of its day of the week, or on that of the next working day (`[knowledge]`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.knowledge import KnowledgeEntry
from models.people import Staff
from models.vocabulary import KnowledgeState, Lane, Medium, Role
from workers.knowledge.reminding import entry_facts
from workers.notifications import Notice, Recipient, house_facts, notify, staff_recipient
from workers.search import Problem, Week, week_of
from workers.search.problems import WEEK
from workers.unit_of_work import UnitOfWork

WEEKLY = "knowledge_weekly"
MOST_ENTRIES = 20
PAGES = {
    "search": {"page": "/console/search"},
    "entries": {"page": "/console/knowledge"},
    "write": {"page": "/console/knowledge/new"},
}
OUTSIDE = "outside_company_domains"


@dataclass(frozen=True, slots=True)
class Review:
    """A week: its problems, those that keep coming, entries published in it, and entries to be looked at."""

    week: Week
    repeated: tuple[Problem, ...]
    new: tuple[KnowledgeEntry, ...]
    due: tuple[KnowledgeEntry, ...]
    drafts: tuple[KnowledgeEntry, ...]


async def arm_weekly(uow: UnitOfWork, first: date, last: date) -> None:
    """Plan the reviews of the days from `first` to `last` (both included), each once."""
    part = uow.policy.document.knowledge
    for day, at in part.weekly_between(first, last, uow.policy.zone):
        due = max(at.astimezone(UTC), uow.clock.now())
        errand = Errand(
            id=new_id(), key=f"{WEEKLY}:{day.isoformat()}", kind=WEEKLY, lane=Lane.NORMAL, due_at=due
        )
        if await uow.insert_new(errand):
            uow.ring("errands", errand.lane, due)


async def review_until(uow: UnitOfWork, until: datetime) -> Review:
    """What the review of the seven days before `until` (UTC) tells of."""
    part = uow.policy.document.knowledge
    week = await week_of(uow, until, part.frequent_from)
    repeated = tuple(
        each
        for each in week.problems
        if each.weeks >= part.repeated_weeks or each.customers >= part.repeated_customers
    )
    entry, today = KnowledgeEntry, uow.policy.calendar.local_date(until)
    published = entry.state == KnowledgeState.PUBLISHED
    return Review(
        week=week,
        repeated=repeated,
        new=await _entries(uow, published, entry.published_at >= until - WEEK, entry.published_at < until),
        due=await _entries(uow, published, entry.review_on <= today),
        drafts=await _entries(uow, entry.state == KnowledgeState.DRAFT, entry.write_up_by < until),
    )


async def _entries(uow: UnitOfWork, *which: Any) -> tuple[KnowledgeEntry, ...]:
    query = select(KnowledgeEntry).where(*which).order_by(KnowledgeEntry.id).limit(MOST_ENTRIES)
    return tuple(await uow.session.scalars(query))


async def weekly_review(uow: UnitOfWork, errand: Errand) -> None:
    """Write it to everybody who answers customers or leads, and what is repeated to the product team."""
    day = errand.key.partition(":")[2]
    now = uow.clock.now()
    review = await review_until(uow, now)
    if not (review.week.problems or review.new or review.due or review.drafts):
        return
    readers = await uow.session.scalars(
        select(Staff)
        .where(Staff.active.is_(True), Staff.role.in_((Role.AGENT, Role.SUPERVISOR, Role.QUALITY)))
        .order_by(Staff.number)
    )
    for person in readers:
        facts = await review_facts(uow, review, person.locale or uow.settings.locale, person.role)
        await _tell(uow, staff_recipient(uow, person), "knowledge_weekly", day, facts)
    await _tell_product_team(uow, review, day)


async def _tell_product_team(uow: UnitOfWork, review: Review, day: str) -> None:
    address = uow.policy.document.knowledge.product_address.lower()
    if not address or not review.repeated:
        return
    to = Recipient(address, Medium.EMAIL, "", uow.settings.locale)
    allowed = uow.settings.staff_domains
    silenced = OUTSIDE if allowed and address.rpartition("@")[2] not in allowed else None
    facts = await review_facts(uow, review, to.locale, Role.SUPERVISOR)
    facts = {**facts, "problems": [_problem(each, samples=True) for each in review.repeated]}
    await _tell(uow, to, "problems_repeated", day, facts, silenced)


async def _tell(
    uow: UnitOfWork, to: Recipient, kind: str, day: str, facts: dict[str, Any], silenced: str | None = None
) -> None:
    notice = Notice(
        kind=kind,
        fact=day,
        ticket=None,
        facts=facts,
        links={} if kind == "problems_repeated" else PAGES,
        data_key_id=uow.vault.system_key_id,
        silenced=silenced,
    )
    await notify(uow, to, notice)


async def review_facts(uow: UnitOfWork, review: Review, locale: str, role: Role) -> dict[str, Any]:
    """What the mail is told. Agents get no numbers of tickets: those are other people's (row A11)."""
    lead = role is not Role.AGENT
    return {
        **house_facts(uow, locale),
        "since": review.week.since.isoformat(),
        "until": review.week.until.isoformat(),
        "cases": review.week.cases,
        "categories": [
            {"category": each.value, "cases": now, "before": before}
            for each, now, before in review.week.categories
        ],
        "problems": [_problem(each, samples=lead) for each in review.week.problems],
        "new": await _told(uow, review.new, locale),
        "due": await _told(uow, review.due, locale),
        "drafts": await _told(uow, review.drafts, locale) if lead else [],
    }


def _problem(each: Problem, *, samples: bool) -> dict[str, Any]:
    return {
        "words": list(each.words),
        "cases": each.cases,
        "customers": each.customers,
        "weeks": each.weeks,
        "category": each.category.value if each.category else "",
        "samples": list(each.samples) if samples else [],
        "entries": list(each.entries),
        "write_up": not each.entries,
    }


async def _told(uow: UnitOfWork, entries: Sequence[KnowledgeEntry], locale: str) -> list[dict[str, Any]]:
    return [await entry_facts(uow, each, locale) for each in entries]
