"""One thing told to several people, once to each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Lane
from workers.directory import people_for, policy_for
from workers.history import record
from workers.notifications import Notice, notify_gathered, staff_recipient, staff_ticket_facts
from workers.unit_of_work import UnitOfWork

LINK_HOURS = 72
ONE_GO = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing to tell several people about a deadline: the template, its facts and links."""

    kind: str
    rung: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    links: Mapping[str, dict[str, Any] | None] = field(default_factory=dict)
    due_at: datetime | None = None
    expires_at: datetime | None = None
    lane: Lane = Lane.URGENT


async def tell(
    uow: UnitOfWork,
    ticket: Ticket,
    row: Deadline,
    roles: Iterable[str],
    telling: Telling,
    *,
    also: Iterable[Staff] = (),
) -> list[Staff]:
    """Write one notice per person whom the roles mean (and `also`); the log says when there is nobody.

    Breaches of the night, and many at once, become one mail to each person (`notify_gathered`).
    """
    people = await people_for(uow, ticket, roles)
    people += [person for person in also if person not in people]
    policy = await policy_for(uow, ticket)
    common = await staff_ticket_facts(uow, ticket)
    told = await _just_told(uow, row)
    for person in people:
        notice = Notice(
            kind=telling.kind,
            fact=row.id.hex,
            ticket=ticket,
            generation=row.generation,
            rung=telling.rung,
            facts={**common, **telling.facts},
            links=telling.links,
            lane=telling.lane,
            due_at=telling.due_at,
            expires_at=telling.expires_at,
            deadline_id=row.id,
            survey_id=row.survey_id,
            merged=person.id in told,
        )
        await notify_gathered(
            uow,
            staff_recipient(uow, person),
            notice,
            storm_from=policy.document.escalation.storm_from,
            apart=policy.served_around_the_clock,
        )
    if not people:
        await record(
            uow, ticket, "nobody_to_tell", facts={"notification": telling.kind, "roles": list(roles)}
        )
    return people


async def _just_told(uow: UnitOfWork, row: Deadline) -> set[UUID | None]:
    """Who heard of this a moment ago: several rungs in one go (after an outage) are one mail to a person."""
    since = uow.clock.now() - ONE_GO
    known = uow.ahead.told(row.id, since) if uow.ahead is not None else None
    if known is not None:
        return known
    rows = await uow.session.scalars(
        select(Notification.staff_id).where(
            Notification.deadline_id == row.id, Notification.created_at >= since
        )
    )
    return set(rows)


def link(purpose: str, subject: UUID, *, hours: int = LINK_HOURS, single_use: bool = True) -> dict[str, Any]:
    """A request to mint a link when the message is rendered (see `models.links.Link`)."""
    return {"purpose": purpose, "subject": str(subject), "hours": hours, "single_use": single_use}


def iso(moment: datetime | None) -> str | None:
    """ISO 8601, or None."""
    return moment.isoformat() if moment else None
