"""What a mail shows or carries beside its words: pictures made for it, attached files, and words about them.

It is made of the notification's own facts when the mail is first prepared: every try sends the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from models.crypto import Sealer
from models.notifications import Notification
from workers.delivery.parts import AttachedFile
from workers.rendering import InlineImage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Enclosed:
    """Facts for the templates, pictures that the HTML names by their Content-IDs, and attached files."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[InlineImage, ...] = ()
    files: tuple[AttachedFile, ...] = ()


NOTHING = Enclosed()
Enclose = Callable[[Mapping[str, Any], str], Enclosed]
"""From the facts of a message and its locale; pure, and slow enough to be done in a thread."""


async def enclosed(
    rows: Sequence[Notification], sealers: Mapping[UUID, Sealer], makers: Mapping[str, Enclose]
) -> dict[UUID, Enclosed]:
    """What goes with each of `rows` whose kind has a maker. One that fails is left out, and its mail with it:
    its template misses the facts.
    """
    found: dict[UUID, Enclosed] = {}
    for row in rows:
        make, sealer = makers.get(row.kind), sealers.get(row.data_key_id)
        if make is None or sealer is None:
            continue
        try:
            facts = sealer.json(row.facts_sealed, "notifications.facts")
            found[row.id] = await asyncio.to_thread(make, facts, row.locale)
        except Exception:
            log.exception("enclosing_failed", notification=str(row.id), kind=row.kind)
    return found
