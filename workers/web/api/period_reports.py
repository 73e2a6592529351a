"""Reports of a week, a month or a quarter, as figures and codes; the mail puts the same into words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated

from fastapi import Query

from workers.policy.report_parts import KINDS
from workers.reports import Report, wish
from workers.web.api.common import Calling, reader
from workers.web.api.resource import Resource
from workers.web.parts import Parts

router = Resource("/reports", "reports")

For = Annotated[
    str,
    Query(
        alias="for", max_length=24, description="The teams of this supervisor (staff number); default: all"
    ),
]
TeamName = Annotated[str, Query(max_length=64, description="One team by its name")]
Day = Annotated[
    date | None,
    Query(description="A day of the period; default: the last one that is over", examples=["2026-05-20"]),
]


def _route(kind: str) -> Callable[..., Awaitable[Report]]:
    async def period_report(
        parts: Parts, calling: Calling, supervisor: For = "", team: TeamName = "", day: Day = None
    ) -> Report:
        """What changed, what is worst, what to do; then tables. Values are raw: seconds, parts of 1, scores.

        Codes of findings, tables, heads and notes are those of the labels' groups `report_…`. Special periods
        are counted apart. Figures of too few people are left out, and the table's `note` says so.
        """
        async with parts.workshop.read() as uow:
            await reader(uow, calling)
            asked = await wish(uow, kind, supervisor=supervisor, team=team, day=day)
            return await asked.made(uow)

    period_report.__name__ = f"{kind}_report"
    return period_report


for _kind in KINDS:
    router.get(f"/{_kind}", summary=f"{_kind.capitalize()} report")(_route(_kind))
