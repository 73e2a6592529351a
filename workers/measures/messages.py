"""What became of messages, and how long they waited before they were sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, func, select

from models.notifications import Notification
from models.people import Customer
from models.tickets import Ticket
from workers.measures.asking import Question
from workers.measures.making import count, number, parts
from workers.measures.narrowing import Group
from workers.measures.sql import seconds_between, spread_of
from workers.measures.times import Found

MOST_REASONS = 10


async def states(asked: Question, wanted: Collection[str]) -> Found:
    """Of the messages written in the period: how many, in which state, and for which reasons."""
    rows = _messages(asked, Notification.state.label("state"), Notification.reason.label("reason")).subquery()
    groups = [rows.c.grp] if asked.group is not None else []
    each = [*groups, rows.c.state, rows.c.reason]
    by_state: dict[Any, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    by_reason: dict[Any, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for *group, state, reason, some in await asked.uow.session.execute(
        select(*each, func.count()).group_by(*each)
    ):
        key = group[0] if group else None
        by_state[key][state.value] += some
        if reason:
            by_reason[key][reason] += some
    return {
        key: {
            "messages": count("messages", sum(counted.values())),
            "messages_by_state": _parts("messages_by_state", counted),
            "messages_by_reason": _parts("messages_by_reason", by_reason[key]),
        }
        for key, counted in by_state.items()
    }


def _parts(key: str, counted: dict[str, int]) -> Any:
    ordered = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    return count(key, sum(counted.values()), parts(ordered)[:MOST_REASONS])


async def delays(asked: Question, wanted: Collection[str]) -> Found:
    """Sent − written, of the messages written in the period that were sent, waits on purpose included."""
    session = asked.uow.session
    value = seconds_between(session, Notification.created_at, Notification.sent_at).label("value")
    values = _messages(asked, value).where(Notification.sent_at.is_not(None))
    found: Found = {}
    for group, spread in (await spread_of(session, values, asked.group is not None)).items():
        found[group] = {
            "delivery_median": number("delivery_median", spread.median, spread.cases),
            "delivery_p90": number("delivery_p90", spread.p90, spread.cases),
        }
    return found


def _messages(asked: Question, *columns: Any) -> Select[Any]:
    """Messages written in the period; channel is that by which they go, all else that of their request."""
    wanted, moment = asked.narrowing, Notification.created_at
    grp = Notification.channel if asked.group is Group.CHANNEL else asked.ticket_group(moment)
    query = select(*([] if grp is None else [grp.label("grp")]), *columns).select_from(Notification)
    query = query.where(asked.within(moment))
    if wanted.channel is not None:
        query = query.where(Notification.channel == wanted.channel)
    of_requests = asked.without_channel()
    by_request = asked.group is not None and not asked.parts and asked.group is not Group.CHANNEL
    if by_request or of_requests.is_narrow:
        query = query.join(Ticket, Ticket.id == Notification.ticket_id)
        if of_requests.needs_customer:
            query = query.join(Customer, Customer.id == Ticket.customer_id)
        query = query.where(*of_requests.of_tickets(apart=False))
    return query
