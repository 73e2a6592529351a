"""Rows whose bytes cannot be made: the others of their batch go out, these say why they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import update

from models.crypto import Erased, Sealer, Tampered, UnknownKey
from models.notifications import Notification
from models.vocabulary import NotificationState
from workers.delivery.outcome import GIVE_UP_AFTER, tell_above
from workers.errors import NotFound
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

ERASED = "erased"
KEY_MISSING = "key_missing"
KEY_BROKEN = "key_broken"
LOOK_AGAIN = timedelta(minutes=10)
"""A key that was taken out of the ring too early is put back by an operator, with a restart."""


async def sealers_of(
    uow: UnitOfWork, rows: Sequence[Notification]
) -> tuple[dict[UUID, Sealer], dict[UUID, str]]:
    """The sealers by data key, and, by row, why the others have none: erased, missing in the ring, broken."""
    sealers: dict[UUID, Sealer] = {}
    why: dict[UUID, str] = {}
    for key_id in {row.data_key_id for row in rows}:
        try:
            sealers[key_id] = await uow.vault.sealer(uow.session, key_id)
        except (Erased, NotFound):
            why[key_id] = ERASED
        except UnknownKey as error:
            log.warning("key_missing", data_key=str(key_id), error=str(error))
            why[key_id] = KEY_MISSING
        except Tampered:
            log.warning("key_broken", data_key=str(key_id))
            why[key_id] = KEY_BROKEN
    return sealers, {row.id: why[row.data_key_id] for row in rows if row.data_key_id in why}


async def give_up(workshop: Workshop, rows: Sequence[Notification], broken: Mapping[UUID, str]) -> None:
    """Settle those of the claimed `rows` that are `broken` (row id → reason), if they are still ours.

    What lacks a key is held and looked at again every ten minutes; after 48 h it has failed, but
    never at the first look.
    """
    if not broken:
        return
    async with workshop.begin() as uow:
        for row in rows:
            if row.id not in broken:
                continue
            reason = broken[row.id]
            values = _values(uow, row, reason)
            ours = await uow.session.execute(
                update(Notification)
                .where(Notification.id == row.id, Notification.lease_token == row.lease_token)
                .values(reason=reason, lease_token=None, **values)
                .returning(Notification.id)
                .execution_options(synchronize_session=False)
            )
            failed = values["state"] is NotificationState.FAILED
            if ours.first() is not None and failed and reason != ERASED:
                await tell_above(uow, row, NotificationState.FAILED, reason)


def _values(uow: UnitOfWork, row: Notification, reason: str) -> dict[str, Any]:
    waited = uow.clock.now() - (row.due_at or row.created_at)
    # What is too old already (after an outage, say) is held once: the ring may have come back incomplete.
    first = row.reason != KEY_MISSING
    if reason == KEY_MISSING and (first or waited <= GIVE_UP_AFTER):
        again = uow.clock.machine() + LOOK_AGAIN
        return {"state": NotificationState.HELD, "free_at": again, "tries": max(0, row.tries - 1)}
    return {"state": NotificationState.FAILED, "due_at": None, "free_at": None}
