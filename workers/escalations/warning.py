"""Before a limit: warn, and remind to accept."""

from __future__ import annotations

from datetime import timedelta

from models.deadlines import Deadline
from models.tickets import Ticket
from workers.escalations.telling import Telling, iso, link, tell
from workers.history import record
from workers.policy import Alarm
from workers.unit_of_work import UnitOfWork


async def warn(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """A limit comes near: remind its people, once, unless it is met by then."""
    ticket = await uow.the(Ticket, row.ticket_id)
    telling = Telling(
        f"{row.kind.value}_warning", row.alarm_no, {"limit_at": iso(row.limit_at)}, expires_at=row.limit_at
    )
    await tell(uow, ticket, row, alarm.roles, telling)
    await record(uow, ticket, "warned", facts={"clock": row.kind.value, "limit_at": iso(row.limit_at)})
    return None


async def remind_to_accept(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Nobody has accepted while the response limit runs: remind the handler, then the supervisor."""
    ticket = await uow.the(Ticket, row.ticket_id)
    telling = Telling(
        "acceptance_reminder",
        row.alarm_no,
        {"limit_at": iso(row.limit_at), "own_limit": any(each["step"] == "breach" for each in row.alarms)},
        {"accept": link("accept", ticket.id) if "handler" in alarm.roles else None},
        expires_at=row.limit_at,
    )
    await tell(uow, ticket, row, alarm.roles, telling)
    return None
