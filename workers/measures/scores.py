"""CSAT: means by dimension, shares of low scores, number of answers; what too few have said is not told.

The last complete version of each answer counts. Fully anonymous answers count in all of it together and by
category, where nobody is named: they know nothing else, but for the day on which they left the ballot box.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Subquery, Text, cast, exists, func, select, union_all

from models.surveys import Survey, SurveyAnswer
from models.vocabulary import Dimension
from workers.measures.asking import Question
from workers.measures.figure import Figure
from workers.measures.making import count, low_share, mean_score
from workers.measures.narrowing import Group, Special
from workers.measures.times import Found

LOW = 2
DIMENSIONS = tuple(Dimension)


@dataclass(slots=True)
class Tally:
    """How often a dimension was scored, the sum of its scores and of their squares, how many were low."""

    cases: int = 0
    total: int = 0
    squares: int = 0
    low: int = 0

    def add(self, score: int, times: int) -> None:
        """So many customers gave this score."""
        self.cases += times
        self.total += score * times
        self.squares += score * score * times
        self.low += times if score <= LOW else 0


Tallies = dict[Any, dict[str, Tally]]
"""By group, then by dimension."""


async def scores(asked: Question, wanted: Collection[str]) -> Found:
    """Means and low shares by dimension, and the number of complete answers."""
    found: Found = {}
    for group, tallies in (await tallied(asked)).items():
        figures = {"answers": count("answers", tallies[Dimension.OVERALL.value].cases)}
        for dimension, tally in tallies.items():
            figures |= _of(dimension, tally)
        found[group] = {key: figures[key] for key in wanted}
    return found


def _of(dimension: str, tally: Tally) -> dict[str, Figure]:
    mean, low = f"csat_{dimension}", f"low_{dimension}"
    return {
        mean: mean_score(mean, tally.cases, tally.total, tally.squares),
        low: low_share(low, tally.low, tally.cases),
    }


async def tallied(asked: Question) -> Tallies:
    """What was scored, by group and dimension.

    The same scores are given again and again: the database counts how often, each is read once.
    """
    rows = _answers(asked)
    columns: list[Any] = [rows.c.grp] if asked.group is not None else []
    columns.append(rows.c.scores)
    found: Tallies = defaultdict(lambda: {each.value: Tally() for each in DIMENSIONS})
    if asked.group is None:
        found[None]  # also when there are no answers
    for *group, scores, number in await asked.uow.session.execute(
        select(*columns, func.count()).group_by(*columns)
    ):
        tallies = found[group[0] if group else None]
        for dimension, score in json.loads(scores).items():
            if dimension in tallies and score is not None:
                tallies[dimension].add(int(score), number)
    return found


def _answers(asked: Question) -> Subquery:
    """One row an answer: its group, and its scores as JSON."""
    named = asked.surveys(Survey.answered_at, _scores()).join(
        SurveyAnswer, SurveyAnswer.survey_id == Survey.id
    )
    both = [named.where(SurveyAnswer.final, ~_newer()), *_anonymous(asked)]
    rows = union_all(*both) if len(both) > 1 else both[0]
    return rows.subquery("answers")


def _scores() -> Any:
    return cast(SurveyAnswer.scores, Text).label("scores")


def _newer() -> Any:
    """There is another complete version after this one; most answers have but one."""
    other = SurveyAnswer.__table__.alias("versions")
    later = (other.c.survey_id == SurveyAnswer.survey_id, other.c.version > SurveyAnswer.version)
    return exists().where(*later, other.c.final).correlate(SurveyAnswer)


def _anonymous(asked: Question) -> list[Select[Any]]:
    """Anonymous answers, where nothing is asked that they do not know."""
    wanted = asked.narrowing
    unknown = (
        asked.viewer.own,
        wanted.team_id,
        wanted.staff_id,
        wanted.priority,
        wanted.channel,
        wanted.customer_group,
        wanted.policy_version_id,
    )
    if any(each is not None for each in unknown) or wanted.special is Special.ONLY:
        return []
    if asked.group not in (None, Group.CATEGORY) and not asked.parts:
        return []
    grp = asked.of_anonymous(SurveyAnswer.category, SurveyAnswer.at)
    query = select(*grp, _scores()).where(SurveyAnswer.survey_id.is_(None))
    query = query.where(asked.within(SurveyAnswer.at))
    if wanted.category is not None:
        query = query.where(SurveyAnswer.category == wanted.category)
    return [query]
