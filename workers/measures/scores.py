"""CSAT: means by dimension, shares of low scores, number of answers; what too few have said is not told.

The last complete version of each answer counts. Fully anonymous answers count in all of it together and by
category, where nobody is named: they know nothing else, but for the day on which they left the ballot box.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, Select, case, func, select, union_all

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
    """What was scored, by group and dimension."""
    rows = _answers(asked)
    grouped = asked.group is not None
    columns: list[Any] = [rows.c.grp] if grouped else []
    for dimension in DIMENSIONS:
        score = rows.c[dimension.value]
        columns += [
            func.count(score),
            func.coalesce(func.sum(score), 0),
            func.coalesce(func.sum(score * score), 0),
            func.coalesce(func.sum(case((score <= LOW, 1), else_=0)), 0),
        ]
    query = select(*columns).group_by(*columns[: int(grouped)])
    found: Tallies = defaultdict(dict)
    for row in await asked.uow.session.execute(query):
        key, numbers = (row[0], row[1:]) if grouped else (None, tuple(row))
        for place, dimension in enumerate(DIMENSIONS):
            found[key][dimension.value] = Tally(*(int(each) for each in numbers[place * 4 : place * 4 + 4]))
    return found


def _answers(asked: Question) -> CTE:
    """One row an answer: its group and its scores, each read out of the JSON once."""
    named = asked.surveys(Survey.answered_at, *_each_score()).join(
        SurveyAnswer, SurveyAnswer.survey_id == Survey.id
    )
    named = named.where(SurveyAnswer.final, SurveyAnswer.version == _newest())
    both = [named, *_anonymous(asked)]
    rows = union_all(*both) if len(both) > 1 else named
    return rows.cte("answers").prefix_with("MATERIALIZED")


def _each_score() -> list[Any]:
    return [SurveyAnswer.scores[each.value].as_integer().label(each.value) for each in DIMENSIONS]


def _newest() -> Any:
    """The number of the last complete version; most answers have but one."""
    other = SurveyAnswer.__table__.alias("versions")
    same = (other.c.survey_id == SurveyAnswer.survey_id, other.c.final)
    return select(func.max(other.c.version)).where(*same).correlate(SurveyAnswer).scalar_subquery()


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
    query = select(*grp, *_each_score()).where(SurveyAnswer.survey_id.is_(None))
    query = query.where(asked.within(SurveyAnswer.at))
    if wanted.category is not None:
        query = query.where(SurveyAnswer.category == wanted.category)
    return [query]
