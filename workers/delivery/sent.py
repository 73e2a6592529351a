"""What the ledger knows of how much a relay was given."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from models.notifications import DeliveryAttempt
from workers.channels.port import Verdict
from workers.unit_of_work import Workshop


async def sent_since(workshop: Workshop, host: str, since: datetime) -> int:
    """How many mails the relay took since a moment of machine time; perhaps took, where that is unknown.

    Found by id, which begins with the machine's time (UUID 7): it costs a day's rows, not the ledger's.
    """
    first = UUID(int=int(since.timestamp() * 1000) << 80)
    taken = (Verdict.SENT.value, Verdict.UNKNOWN.value)
    async with workshop.read() as uow:
        counted = await uow.session.scalar(
            select(func.count())
            .select_from(DeliveryAttempt)
            .where(DeliveryAttempt.id >= first, DeliveryAttempt.host == host)
            .where(DeliveryAttempt.outcome.in_(taken))
        )
    return int(counted or 0)
