"""What somebody can do with a ticket as it stands, and what the forms for it offer to choose from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import (
    MERGED,
    NOT_A_TICKET,
    Category,
    DeadlineKind,
    Medium,
    NoRequest,
    Priority,
    Role,
    TicketState,
)
from workers import tickets
from workers.deadlines import open_ones
from workers.notifications import customer_recipient
from workers.text import excerpt
from workers.unit_of_work import UnitOfWork
from workers.web.api.ticket_models import TicketShown
from workers.web.console.forms import local_value

DECIDERS = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
CONTACTS = (Medium.PHONE, Medium.CHAT, Medium.EMAIL, Medium.SMS)


async def offers(uow: UnitOfWork, row: Ticket, person: Staff, whole: TicketShown) -> dict[str, Any]:
    """The acts that make sense now, in the order of the work, and the choices of their forms."""
    to = await customer_recipient(uow, row, row.channel) if row.state is not TicketState.CLOSED else None
    latest = await tickets.latest_resolution(uow, row, uow.clock.now()) if row.closed_at is None else None
    zone = uow.settings.timezone
    customer = await uow.session.get_one(Customer, row.customer_id)
    return {
        "names": await _names(uow, row, person, whole, written=to is not None),
        "latest": latest.isoformat() if latest else None,
        "expected_value": local_value(row.expected_resolution_at or latest, zone),
        "occurred_value": local_value(row.occurred_at, zone),
        "zone": zone,
        "industry": customer.industry or "",
        "staff": await _colleagues(uow, row),
        "teams": list(await uow.session.scalars(select(Team.name).order_by(Team.name))),
        "priorities": list(Priority),
        "categories": list(Category),
        "contacts": list(CONTACTS),
        "looked_over": tickets.to_look_over(uow, row),
        "no_requests": list(NoRequest),
        "unconfirmed": list(tickets.Unconfirmed),
        "requests": [each.model_dump(mode="json") for each in whole.escalation_requests if not each.decision],
        "splittable": _splittable(whole),
    }


async def _names(
    uow: UnitOfWork, row: Ticket, person: Staff, whole: TicketShown, *, written: bool
) -> list[str]:
    if person.role is Role.QUALITY and row.handler_id != person.id:
        return ["note"]
    if row.state is TicketState.CLOSED:
        again = {NOT_A_TICKET: "undo", MERGED: "unmerge"}.get(row.close_reason or "")
        return [again, "note"] if again else ["confirm", "note"] if row.resolved_at else ["note"]
    ladder = await open_ones(uow, row, [DeadlineKind.ESCALATION])
    decides = person.role in DECIDERS
    asked = any(not each.decision for each in whole.escalation_requests)
    given = row.resolved_at is not None
    wanted = {
        "accept": not given and row.handler_id in (None, person.id),
        "acknowledge": any(each.acknowledged_at is None for each in ladder),
        "decide": decides and asked,
        "answer": not given and written,
        "first-response": not given and row.first_response_at is None,
        "progress": not given,
        "note": True,
        "transfer": row.state is not TicketState.RESOLVED,
        "wait": not given and row.waiting_since is None,
        "resume": row.waiting_since is not None,
        "extend": not given and row.expected_resolution_at is not None,
        "escalate": not given,
        "triage": row.state is not TicketState.RESOLVED,
        "cooperation": decides and not given,
        "resolve": not given,
        "feedback": given and row.feedback_at is None,
        "confirm": given,
        "unconfirmed": tickets.waits_for_confirmation(row),
        "close": given,
        "split": bool(_splittable(whole)),
        "merge": not given,
        "not-a-ticket": row.rated_at is None,
    }
    return [name for name, there in wanted.items() if there]


async def _colleagues(uow: UnitOfWork, row: Ticket) -> list[dict[str, str]]:
    rows = await uow.session.scalars(
        select(Staff).where(Staff.active.is_(True), Staff.role != Role.QUALITY).order_by(Staff.number)
    )
    return [{"number": each.number, "name": each.name} for each in rows if each.id != row.handler_id]


def _splittable(whole: TicketShown) -> list[dict[str, str]]:
    """What the customer wrote later on, unless it was made a ticket of its own already."""
    gone = {each.facts.get("entry") for each in whole.log if each.kind == "split_off"}
    return [
        {"id": each.id.hex, "at": each.at.isoformat(), "text": excerpt(each.words.get("text", ""), 80)}
        for each in whole.log
        if each.kind == "customer_wrote" and each.words.get("text") and str(each.id) not in gone
    ]
