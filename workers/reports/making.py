"""A report is made: everything is counted by a few statements, whatever the number of tickets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.people import Staff
from workers.improvements.due import Reevaluation, reevaluations_due
from workers.measures import (
    EVERYTHING,
    Group,
    GroupFigures,
    Narrowing,
    Period,
    by_group,
    figures,
    worst_overdue,
)
from workers.policy.report_parts import ReportKind
from workers.reports import tables
from workers.reports.counting import sends
from workers.reports.document import Chapter, Column, Kind, Report
from workers.reports.findings import Counted, changed, todo, verdicts, worst
from workers.reports.overdue import overdue_counts
from workers.reports.ratings import DIMENSIONS, RATED, dimensions_table, ratings_by
from workers.reports.readers import Scope
from workers.targets import Standing, running_standings, titles_of
from workers.unit_of_work import UnitOfWork
from workers.weak_links import weak_links

LISTED = 100
KEYS = tuple(
    dict.fromkeys(
        (
            *tables.COMPARED,
            "first_response_distribution",
            "resolution_distribution",
            "answers",
            "followups",
            "followups_in_time",
            "followup_causes",
            *(f"{kind}_{name}" for name in DIMENSIONS for kind in ("csat", "low")),
        )
    )
)
BY_TYPE = ("requests", "first_response_median", "first_response_p90")


@dataclass(frozen=True, slots=True)
class _Team:
    """What a chapter is about: a team, or all of them."""

    name: str = ""
    ident: UUID | None = None


async def make_report(uow: UnitOfWork, kind: ReportKind, period: Period, scope: Scope) -> Report:
    """The report about a scope, as the records stand now. Only reads."""
    teams = [_Team(team.name, team.id) for team in scope.teams] or [_Team()]
    standings = await _standings(uow)
    due = await reevaluations_due(uow, max(uow.clock.now(), period.last))
    chapters: list[Chapter] = []
    special: dict[str, int] = {}
    for team in teams:
        chapter, found = await _chapter(uow, period, team, due, standings, alone=len(teams) == 1)
        chapters.append(chapter)
        for label, count in found.items():
            special[label] = special.get(label, 0) + count
    return Report(
        kind=kind,
        first_day=period.first_day,
        last_day=period.last_day,
        zone=period.zone.key,
        made_at=uow.clock.now(),
        chapters=chapters,
        teams=scope.names,
        supervisor=scope.supervisor.number if scope.supervisor else "",
        special=special,
    )


async def _chapter(
    uow: UnitOfWork,
    period: Period,
    team: _Team,
    due: Sequence[Reevaluation],
    standings: Sequence[tuple[str, Standing]],
    *,
    alone: bool,
) -> tuple[Chapter, dict[str, int]]:
    wanted = Narrowing(team_id=team.ident)
    now = await figures(uow, EVERYTHING, period, wanted, KEYS)
    before = await figures(uow, EVERYTHING, period.before(), wanted, KEYS)
    missed = await worst_overdue(uow, EVERYTHING, period, wanted, LISTED)
    counted = Counted(
        now=now.items,
        before=before.items,
        missed=missed,
        links=await weak_links(uow, period.first, period.last, team=team.name or None),
        people=await overdue_counts(uow, period.first, period.last, team=team.name or None),
        due=due if team.ident is None else await _own(uow, due, team.ident),
        sends=await sends(uow, period, team.ident),
        standings=[pair for pair in standings if not team.name or _is_of(pair[1], team)],
    )
    said = verdicts(counted)
    shown = [
        tables.figures_table(now.items, before.items, said),
        tables.response_times(now.items),
        tables.missed_table(missed),
        tables.types_table(
            await _grouped(uow, period, wanted, BY_TYPE, Group.CATEGORY),
            await _grouped(uow, period.before(), wanted, BY_TYPE, Group.CATEGORY),
        ),
        tables.links_table(counted.links),
        tables.people_table(counted.people),
        dimensions_table(now.items),
        *[
            ratings_by(code, heads, await _grouped(uow, period, wanted, RATED, group))
            for code, heads, group in _RATED_BY
        ],
        tables.started_table(now.items),
        tables.causes_table(now.items, before.items),
        tables.reevaluations_table(counted.due),
        tables.sends_table(counted.sends),
        tables.targets_table(counted.standings),
    ]
    name = "" if alone else team.name
    return Chapter(name, changed(counted, said), worst(counted), todo(counted), shown), dict(now.special)


_RATED_BY = (
    ("csat_types", (Column("category", Kind.CODE, "category"),), Group.CATEGORY),
    ("csat_groups", (Column("customer_group"),), Group.CUSTOMER_GROUP),
    ("csat_staff", (Column("staff", page=tables.PERSON), Column("name")), Group.STAFF),
)


async def _grouped(
    uow: UnitOfWork, period: Period, wanted: Narrowing, keys: Sequence[str], group: Group
) -> list[GroupFigures]:
    return await by_group(uow, EVERYTHING, period, wanted, keys, group)


async def _standings(uow: UnitOfWork) -> list[tuple[str, Standing]]:
    found = await running_standings(uow)
    titles = await titles_of(uow, [each.target for each in found])
    return [(titles[each.target.id], each) for each in found]


def _is_of(standing: Standing, team: _Team) -> bool:
    """A target of this team, or of all of them."""
    return standing.target.scope.get("team") in (None, team.name)


async def _own(uow: UnitOfWork, due: Sequence[Reevaluation], team_id: UUID) -> list[Reevaluation]:
    """Those whose owner is of this team."""
    members = set(await uow.session.scalars(select(Staff.id).where(Staff.team_id == team_id)))
    return [each for each in due if each.owner_id in members]
