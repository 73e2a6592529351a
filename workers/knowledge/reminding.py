"""A new solution is written up within 24 hours (row E8): its author is reminded, then who leads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.knowledge import KnowledgeEntry
from models.people import Staff
from models.vocabulary import KnowledgeState, Lane
from workers.directory import people_in_roles
from workers.knowledge.words import in_language, texts_of
from workers.locks import held
from workers.notifications import Notice, house_facts, notify, staff_recipient
from workers.promises import settle
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork

WRITE_UP = "knowledge_write_up"
WITHIN = timedelta(hours=24)
REMIND = timedelta(hours=20)
STEPS = (("before", REMIND, "handler"), ("overdue", WITHIN, "supervisor"))


async def ask_to_write_up(uow: UnitOfWork, entry: KnowledgeEntry) -> None:
    """Plan the reminders of a draft that was made of a solution just now."""
    now = uow.clock.now()
    entry.write_up_by = now + WITHIN
    for step, after, _ in STEPS:
        errand = Errand(
            id=new_id(),
            key=_key(entry, step),
            kind=WRITE_UP,
            lane=Lane.NORMAL,
            subject_id=entry.id,
            due_at=now + after,
        )
        if await uow.insert_new(errand):
            uow.ring("errands", errand.lane, now + after)


async def written_up(uow: UnitOfWork, entry: KnowledgeEntry) -> None:
    """Withdraw the reminders."""
    keys = [_key(entry, step) for step, _, _ in STEPS]
    query = select(Errand).where(Errand.key.in_(keys), Errand.due_at.is_not(None)).order_by(Errand.id)
    for errand in await uow.session.scalars(held(query)):
        settle(errand)


async def remind_to_write_up(uow: UnitOfWork, errand: Errand) -> None:
    """A draft that is still one: the author has four hours left, or who leads them hears of it."""
    entry = await uow.session.get(KnowledgeEntry, errand.subject_id) if errand.subject_id else None
    if entry is None or entry.state is not KnowledgeState.DRAFT:
        return
    step = errand.key.rpartition(":")[2]
    role = next(role for name, _, role in STEPS if name == step)
    author = await uow.session.get_one(Staff, entry.author_id)
    for person in await people_in_roles(uow, team_id=author.team_id, handler_id=author.id, roles=(role,)):
        facts: dict[str, Any] = {
            **house_facts(uow, person.locale or uow.settings.locale),
            "step": step,
            "author": author.name,
            "entry": await entry_facts(uow, entry, person.locale or uow.settings.locale),
        }
        notice = Notice(
            kind="knowledge_write_up",
            fact=f"{entry.id.hex}:{step}",
            ticket=None,
            facts=facts,
            links={"draft": {"page": f"/console/knowledge/{entry.number}/edit"}},
            data_key_id=entry.data_key_id,
        )
        await notify(uow, staff_recipient(uow, person), notice)


async def entry_facts(uow: UnitOfWork, entry: KnowledgeEntry, locale: str) -> dict[str, Any]:
    """What mails to staff are told of an entry: masked, times in ISO 8601 (UTC)."""
    _, words = in_language((await texts_of(uow, [entry]))[entry.id], locale)
    return {
        "number": entry.number,
        "title": mask_free_text(words["title"]),
        "state": entry.state.value,
        "category": entry.category.value if entry.category else "",
        "sources": list(entry.sources),
        "write_up_by": entry.write_up_by.isoformat() if entry.write_up_by else "",
        "review_on": entry.review_on.isoformat() if entry.review_on else "",
    }


def _key(entry: KnowledgeEntry, step: str) -> str:
    return f"{WRITE_UP}:{entry.id.hex}:{step}"
