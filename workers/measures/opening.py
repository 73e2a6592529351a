"""What a dashboard opens with, so that it can be worked out before anybody opens one."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.people import Staff
from models.vocabulary import Role
from workers.measures.catalogue import CATALOGUE
from workers.measures.kept_asking import Asking
from workers.measures.kept_once import are_many
from workers.measures.narrowing import ALL, EVERYTHING, Group, Narrowing, Viewer
from workers.measures.period import USUAL, Named, Period, named_period
from workers.unit_of_work import UnitOfWork

FIRST = (
    "requests",
    "unanswered",
    "first_response_mean",
    "first_response_median",
    "first_response_p90",
    "overdue_first_response",
    "resolution_mean",
    "resolution_median",
    "resolution_p90",
    "overdue_resolution",
    "one_contact",
    "urgings",
    "reopened",
    "csat_overall",
    "csat_speed",
    "low_overall",
    "answers",
    "response_rate",
)
"""The measures that stand on its first page."""
DISTRIBUTION = "first_response_distribution"


def seen_by(viewer: Viewer, measures: Collection[str]) -> list[str]:
    """Those of the measures that the viewer may see."""
    return [key for key in measures if viewer.own is None or CATALOGUE[key].for_agents]


def first_page(viewer: Viewer, period: Period, narrowing: Narrowing) -> tuple[Asking, Asking, Asking, Asking]:
    """What the first page asks: the figures of the period, those of the one before, and the types of both."""
    wanted = tuple(seen_by(viewer, FIRST))
    of = (viewer, period, narrowing)
    return (
        Asking(*of, (*wanted, DISTRIBUTION)),
        Asking(*of, wanted, before=True),
        Asking(*of, ("requests",), group=Group.CATEGORY),
        Asking(*of, ("requests",), before=True, group=Group.CATEGORY),
    )


async def opened_first(uow: UnitOfWork) -> list[Asking]:
    """What people see who open the dashboard and choose a period by its name: of all requests, and of each
    team that somebody leads; the usual period first. Only questions about very many requests.
    """
    zone, now = ZoneInfo(uow.settings.timezone), uow.clock.now()
    periods = [named_period(name, now, zone) for name in (USUAL, *(each for each in Named if each != USUAL))]
    narrowings = [ALL, *(Narrowing(team_id=ident) for ident in await _led(uow))]
    askings = [
        each for period in periods for wanted in narrowings for each in first_page(EVERYTHING, period, wanted)
    ]
    many = {days: await are_many(uow, days) for days in dict.fromkeys(each.days for each in askings)}
    return [each for each in askings if many[each.days]]


async def _led(uow: UnitOfWork) -> list[UUID | None]:
    leads = (Staff.role == Role.SUPERVISOR, Staff.active, Staff.team_id.is_not(None))
    return list(await uow.session.scalars(select(Staff.team_id).where(*leads).distinct()))
