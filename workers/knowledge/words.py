"""The words of an entry: in each language the latest version counts; sealed under its own key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import select

from models.base import new_id
from models.bulk import among
from models.crypto import Erased, UnknownKey
from models.knowledge import KnowledgeEntry, KnowledgeText
from models.people import Staff
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork

PARTS = ("title", "problem", "cause", "solution", "precautions")
PLACE = "knowledge_texts.words"
LOCALES = ("en", "zh_CN")
LONGEST = 20_000
LONGEST_TITLE = 200

Words = Mapping[str, str]


async def texts_of(
    uow: UnitOfWork, entries: Collection[KnowledgeEntry]
) -> Mapping[UUID, Mapping[str, Words]]:
    """For each entry its latest words by language."""
    await uow.vault.warm(uow.session, [each.data_key_id for each in entries])
    keys = {each.id: each.data_key_id for each in entries}
    rows = await uow.session.scalars(
        select(KnowledgeText)
        .where(among(uow.session, KnowledgeText.entry_id, list(keys)))
        .order_by(KnowledgeText.version)
    )
    latest: dict[UUID, dict[str, KnowledgeText]] = defaultdict(dict)
    for row in rows:
        latest[row.entry_id][row.locale] = row
    return {
        ident: {locale: await _opened(uow, keys[ident], row) for locale, row in latest[ident].items()}
        for ident in keys
    }


async def versions_of(uow: UnitOfWork, entry: KnowledgeEntry) -> list[tuple[KnowledgeText, Words]]:
    """Every version in every language, the latest first."""
    rows = await uow.session.scalars(
        select(KnowledgeText)
        .where(KnowledgeText.entry_id == entry.id)
        .order_by(KnowledgeText.version.desc(), KnowledgeText.locale)
    )
    return [(row, await _opened(uow, entry.data_key_id, row)) for row in rows]


def in_language(texts: Mapping[str, Words], locale: str) -> tuple[str, Words]:
    """The words in a language, or in the other one where there are none: (locale, words)."""
    wanted = "zh_CN" if locale.lower().startswith("zh") else "en"
    for each in (wanted, *LOCALES):
        if each in texts:
            return each, texts[each]
    return wanted, dict.fromkeys(PARTS, "")


async def write(uow: UnitOfWork, entry: KnowledgeEntry, by: Staff, locale: str, words: Words) -> None:
    """Keep these words as the entry's current version in a language. Raises InvalidInput."""
    if locale not in LOCALES:
        raise InvalidInput("entries are written in en or zh_CN")
    if unknown := sorted(words.keys() - set(PARTS)):
        raise InvalidInput(f"an entry has no {', '.join(unknown)}", hint=", ".join(PARTS))
    kept = {part: words.get(part, "").strip() for part in PARTS}
    if not kept["title"] or len(kept["title"]) > LONGEST_TITLE:
        raise InvalidInput(f"an entry needs a title of at most {LONGEST_TITLE} characters")
    if any(len(each) > LONGEST for each in kept.values()):
        raise InvalidInput(f"a part of an entry has at most {LONGEST} characters")
    sealer = await uow.vault.sealer(uow.session, entry.data_key_id)
    await uow.add(
        KnowledgeText(
            id=new_id(),
            entry_id=entry.id,
            locale=locale,
            version=entry.version,
            at=uow.clock.now(),
            by_id=by.id,
            words_sealed=sealer.seal_json(kept, PLACE),
        )
    )
    uow.words_changed("knowledge", entry.id)


async def _opened(uow: UnitOfWork, key_id: UUID, row: KnowledgeText) -> Words:
    nothing = dict.fromkeys(PARTS, "")
    try:
        sealer = await uow.vault.sealer(uow.session, key_id)
    except (Erased, UnknownKey):
        return nothing
    return {**nothing, **sealer.json(row.words_sealed, PLACE)}
