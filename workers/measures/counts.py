"""What is counted of requests: how many, of which type, urged, handed on, opened again, settled at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal_column, or_, select

from models.tickets import Ticket, TicketEntry
from workers.measures.asking import OURS, Question
from workers.measures.figure import Figure
from workers.measures.making import count, parts, share
from workers.measures.sql import rows_by_group
from workers.measures.times import Found

MOST_TYPES = 3


async def received(asked: Question, wanted: Collection[str]) -> Found:
    """Of the requests received in the period; shares are of those that were handled here."""
    answered = Ticket.first_response_at.is_not(None)
    had_result = Ticket.resolved_at.is_not(None) | (Ticket.opening > 1)
    rows = asked.tickets(
        Ticket.received_at,
        _one_if(OURS, "ours"),
        _one_if(and_(OURS, answered), "answered"),
        _one_if(and_(*_unaccepted()), "unaccepted"),
        _one_if(Ticket.overdue_count > 0, "overdue"),
        Ticket.urged_count.label("urgings"),
        _one_if(Ticket.urged_count > 0, "urged"),
        _one_if(and_(OURS, Ticket.transferred_at.is_not(None)), "handed_on"),
        _one_if(and_(OURS, had_result), "had_result"),
        _one_if(Ticket.opening > 1, "reopened"),
    ).subquery()
    names = (
        "ours",
        "answered",
        "unaccepted",
        "overdue",
        "urgings",
        "urged",
        "handed_on",
        "had_result",
        "reopened",
    )
    sums = [func.coalesce(func.sum(rows.c[name]), 0) for name in names]
    found: Found = {}
    for group, (number, *numbers) in (
        await rows_by_group(asked.uow.session, rows, func.count(), *sums)
    ).items():
        of = dict(zip(names, map(int, numbers), strict=True))
        figures = (
            count("requests", number),
            count("unanswered", of["ours"] - of["answered"]),
            count("unaccepted", of["unaccepted"]),
            share("overdue_requests", of["overdue"], of["ours"]),
            count("urgings", of["urgings"]),
            share("urged", of["urged"], of["ours"]),
            share("handed_on", of["handed_on"], of["ours"]),
            share("reopened", of["reopened"], of["had_result"]),
        )
        found[group] = {each.key: each for each in figures if each.key in wanted}
    return found


def _unaccepted() -> tuple[ColumnElement[bool], ...]:
    """Somebody has it, and has neither accepted nor answered it."""
    return (
        Ticket.assigned_at.is_not(None),
        or_(Ticket.accepted_at.is_(None), Ticket.accepted_at < Ticket.assigned_at),
        Ticket.first_response_at.is_(None),
        Ticket.resolved_at.is_(None),
        Ticket.closed_at.is_(None),
    )


async def transfers(asked: Question, wanted: Collection[str]) -> Found:
    """How often requests received in the period were handed on, by their logs."""
    handed_on = asked.tickets(Ticket.received_at).where(Ticket.transferred_at.is_not(None))
    line = and_(TicketEntry.ticket_id == Ticket.id, TicketEntry.kind == "transferred")
    rows = handed_on.add_columns(TicketEntry.id).join(TicketEntry, line).subquery()
    counted = await rows_by_group(asked.uow.session, rows, func.count())
    return {group: {"transfers": count("transfers", number)} for group, (number,) in counted.items()}


async def types(asked: Question, wanted: Collection[str]) -> Found:
    """The most frequent types of the requests received in the period, with their shares of all."""
    rows = asked.tickets(Ticket.received_at, Ticket.category.label("type")).subquery()
    groups = [rows.c.grp] if asked.group is not None else []
    query = select(*groups, rows.c.type, func.count()).group_by(*groups, rows.c.type)
    counted: dict[Any, list[tuple[str, int]]] = defaultdict(list)
    for row in await asked.uow.session.execute(query):
        counted[row[0] if groups else None].append((row[-2].value, row[-1]))
    return {group: {"top_types": _top(of)} for group, of in counted.items()}


def _top(counted: list[tuple[str, int]]) -> Figure:
    ordered = sorted(counted, key=lambda each: (-each[1], each[0]))
    return count("top_types", sum(number for _, number in counted), parts(ordered)[:MOST_TYPES])


async def results(asked: Question, wanted: Collection[str]) -> Found:
    """Of the results given in the period: how many, and how many at the first contact.

    That is, of those handled here: in the first opening, never handed on or urged, the customer was neither
    waited for nor had to write again before the result.
    """
    at_once: tuple[ColumnElement[bool], ...] = (
        OURS,
        Ticket.opening == 1,
        Ticket.urged_count == 0,
        Ticket.waits == 0,
        Ticket.transferred_at.is_(None),
        ~_wrote_again(),
    )
    rows = asked.tickets(
        Ticket.resolved_at, _one_if(OURS, "ours"), _one_if(and_(*at_once), "at_once")
    ).subquery()
    sums = [func.coalesce(func.sum(rows.c[name]), 0) for name in ("ours", "at_once")]
    counted = await rows_by_group(asked.uow.session, rows, func.count(), *sums)
    return {
        group: {"results": count("results", number), "one_contact": share("one_contact", int(some), int(of))}
        for group, (number, of, some) in counted.items()
    }


def _wrote_again() -> ColumnElement[bool]:
    # The word stands in the statement, so that the partial index on it is used.
    of_kind = TicketEntry.kind == literal_column("'customer_wrote'")
    before = TicketEntry.at <= Ticket.resolved_at
    return exists().where(of_kind, TicketEntry.ticket_id == Ticket.id, before).correlate(Ticket)


def _one_if(condition: Any, name: str) -> Any:
    return case((condition, 1), else_=0).label(name)
