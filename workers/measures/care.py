"""Surveys that came back, follow-ups that were begun in time, and what became of their measures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, case, func, or_, select

from models.surveys import Followup, Survey
from models.tickets import TicketEntry
from models.vocabulary import IMPORTED, FollowupState
from workers.measures.asking import Question
from workers.measures.making import count, parts, share
from workers.measures.sql import rows_by_group
from workers.measures.times import Found

CAUSES = ("process", "people", "tool")
UNKNOWN_CAUSE = "unknown"
"""Of a follow-up whose cause nobody has named yet."""


async def surveys(asked: Question, wanted: Collection[str]) -> Found:
    """Of the customers asked in the period: how many, and the share that answered (anonymously as well).

    A survey that was withdrawn, since work went on, asks for nothing any more; a rating that came in from a
    table was asked for by nobody here.
    """
    answered = case((Survey.state == "answered", 1), else_=0).label("answered")
    rows = asked.surveys(Survey.invited_at, answered).where(
        Survey.state.in_(("invited", "answered")), or_(Survey.reason.is_(None), Survey.reason != IMPORTED)
    )
    some = rows.subquery()
    counted = await rows_by_group(asked.uow.session, some, func.count(), func.sum(some.c.answered))
    return {
        group: {
            "surveys": count("surveys", number),
            "response_rate": share("response_rate", int(yes), number),
        }
        for group, (number, yes) in counted.items()
        if number
    }


async def followups(asked: Question, wanted: Collection[str]) -> Found:
    """Of the follow-ups opened in the period: how many, begun in time, by cause.

    One that has time left and has not begun is not judged yet, nor one that ended before that.
    """
    begun = Followup.started_at.is_not(None)
    over = and_(Followup.start_by <= asked.uow.clock.now(), Followup.state != FollowupState.ENDED)
    judged = case((or_(begun, over), 1), else_=0).label("judged")
    in_time = case((and_(begun, Followup.started_at <= Followup.start_by), 1), else_=0).label("in_time")
    rows = (
        asked.surveys(Followup.opened_at, judged, in_time, Followup.cause)
        .join(Followup, Followup.survey_id == Survey.id)
        .subquery()
    )
    sums = [func.coalesce(func.sum(rows.c[name]), 0) for name in ("judged", "in_time")]
    found: Found = {}
    for group, (number, of, some) in (
        await rows_by_group(asked.uow.session, rows, func.count(), *sums)
    ).items():
        found[group] = {
            "followups": count("followups", number),
            "followups_in_time": share("followups_in_time", int(some), int(of)),
        }
    if "followup_causes" in wanted:
        await _causes(asked, rows, found)
    return found


async def _causes(asked: Question, rows: Any, found: Found) -> None:
    groups = [rows.c.grp] if asked.group is not None else []
    query = select(*groups, rows.c.cause, func.count()).group_by(*groups, rows.c.cause)
    counted: dict[Any, dict[str, int]] = defaultdict(lambda: dict.fromkeys((*CAUSES, UNKNOWN_CAUSE), 0))
    for row in await asked.uow.session.execute(query):
        counted[row[0] if groups else None][row[-2] if row[-2] in CAUSES else UNKNOWN_CAUSE] += row[-1]
    for group, causes in counted.items():
        total = sum(causes.values())
        found[group]["followup_causes"] = count("followup_causes", total, parts(list(causes.items())))


async def evaluations(asked: Question, wanted: Collection[str]) -> Found:
    """已达标 ÷ all re-evaluations of measures in the period, by the log: each round counts."""
    met = case((TicketEntry.facts["met"].as_boolean(), 1), else_=0).label("met")
    line = and_(TicketEntry.followup_id == Followup.id, TicketEntry.kind == "followup_evaluated")
    rows = (
        asked.surveys(TicketEntry.at, met)
        .join(Followup, Followup.survey_id == Survey.id)
        .join(TicketEntry, line)
        .where(Followup.evaluated_at >= asked.period.first)
        .subquery()
    )
    counted = await rows_by_group(
        asked.uow.session, rows, func.count(), func.coalesce(func.sum(rows.c.met), 0)
    )
    key = "reevaluations_met"
    return {group: {key: share(key, int(some), number)} for group, (number, some) in counted.items()}
