"""Long SMS that come in parts: they wait for each other, and become one message.

Networks number the parts of a long message and deliver them in any order (3GPP TS 23.040 §9.2.3.24.1); some
providers pass them on as they come. What never comes is waited for ten minutes, and then named as missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select

from models.intake import IntakeEvent
from models.vocabulary import EventState
from workers.intake.filed import Filed
from workers.intake.providers.sms.port import MOST_PARTS, InboundSms, join_parts
from workers.intake.providers.sms.registry import read_inbound
from workers.intake.sms_route import sms_in
from workers.intake.store import Event, load
from workers.locks import hold
from workers.promises import settle
from workers.unit_of_work import UnitOfWork

PATIENCE = timedelta(minutes=10)
"""Promise time from the first part to come until the message is filed without those that are missing."""
SAME = timedelta(hours=1)
"""A phone soon uses the number of a long message again: what is further apart does not belong together."""
PARTS_MISSING = "parts_missing"
PART_LATE = "part_late"


class _Part(NamedTuple):
    row: IntakeEvent
    sms: InboundSms
    wanted: bool


async def hold_message(uow: UnitOfWork, event: Event | None) -> None:
    """Nobody else handles a part of the same message until this transaction ends.

    To be called before the event's own row is locked: whoever holds one part will want the others.
    """
    if event is not None and event.kind == "sms" and event.envelope.get("group"):
        sms = read_inbound(event.source, event.envelope)
        await hold(uow, [f"sms:{event.source}:{sms.message}"])


async def sms_or_part(uow: UnitOfWork, row: IntakeEvent, event: Event) -> Filed:
    """File a whole SMS at once, a part together with the others as soon as all are there."""
    sms = read_inbound(event.source, event.envelope)
    if row.group_hash is None or sms.parts < 2:
        return await sms_in(uow, row, sms, row.received_at, wanted=event.wanted)
    mine = _Part(row, sms, event.wanted)
    others = await _others(uow, mine)
    if _is_late(mine, others):
        text = f"{_said(uow, sms.part, sms.parts, late=True)} {sms.text}"
        filed = await sms_in(uow, row, replace(sms, text=text), row.received_at, wanted=mine.wanted)
        return replace(filed, reason=filed.reason or PART_LATE)
    there, again = _gathered([mine, *(each for each in others if each.row.state is EventState.RECEIVED)])
    first = min(part.row.received_at for part in there.values())
    whole = join_parts([part.sms for part in there.values()])
    if whole is None and uow.clock.now() < first + PATIENCE:
        return Filed(again_at=first + PATIENCE)
    filed = await _file(uow, mine, there, whole, first)
    for part in [*there.values(), *again]:
        if part.row is not row:
            part.row.state, part.row.kind = filed.state, filed.kind or part.row.kind
            part.row.reason, part.row.ticket_id = filed.reason, filed.ticket_id
            settle(part.row)
    return filed


async def _file(
    uow: UnitOfWork, mine: _Part, there: Mapping[int, _Part], whole: InboundSms | None, first: datetime
) -> Filed:
    if whole is not None:
        return await sms_in(uow, mine.row, whole, first, wanted=mine.wanted)
    total = mine.sms.parts
    pieces = [
        there[place].sms.text if place in there else f" {_said(uow, place, total)} "
        for place in range(1, total + 1)
    ]
    text = "".join(pieces).strip()
    filed = await sms_in(uow, mine.row, replace(mine.sms, text=text), first, wanted=mine.wanted)
    return replace(filed, reason=filed.reason or PARTS_MISSING)


async def _others(uow: UnitOfWork, mine: _Part) -> list[_Part]:
    """The other parts of the same message, filed or not, locked, oldest first.

    Of more than twice as many as there can be, the newest: somebody sends one part over and over.
    """
    at = mine.row.received_at
    rows = await uow.session.scalars(
        select(IntakeEvent)
        .where(IntakeEvent.group_hash == mine.row.group_hash, IntakeEvent.id != mine.row.id)
        .where(IntakeEvent.received_at.between(at - SAME, at + SAME))
        .where(IntakeEvent.state.in_((EventState.RECEIVED, EventState.DONE)))
        .order_by(IntakeEvent.id.desc())
        .limit(2 * MOST_PARTS)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found: list[_Part] = []
    for row in reversed(rows.all()):
        event = await load(uow, row)
        found.append(_Part(row, read_inbound(event.source, event.envelope), event.wanted))
    return found


def _is_late(mine: _Part, others: Iterable[_Part]) -> bool:
    """Whether the message was filed without this very part."""
    filed = [each for each in others if each.row.reason in (PARTS_MISSING, PART_LATE)]
    return bool(filed) and mine.sms.part not in {each.sms.part for each in filed}


def _gathered(parts: Iterable[_Part]) -> tuple[dict[int, _Part], list[_Part]]:
    """The parts by place, the oldest of each, and those that only say the same again."""
    there: dict[int, _Part] = {}
    again: list[_Part] = []
    for part in sorted(parts, key=lambda each: each.row.id):
        known = there.setdefault(part.sms.part, part)
        if known is not part and known.sms.text == part.sms.text:
            again.append(part)
    return there, again


def _said(uow: UnitOfWork, place: int, total: int, *, late: bool = False) -> str:
    """The mark in the customer's words, for the team to read."""
    if uow.settings.locale.startswith("zh"):
        return f"〔第{place}条（共{total}条）{'晚到' if late else '未收到'}〕"
    return f"[part {place} of {total} {'came late' if late else 'did not arrive'}]"
