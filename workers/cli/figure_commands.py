"""`closeloop report figures` and `worst-overdue`: measures of a period as a table, CSV or JSON."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, print_json, print_table

if TYPE_CHECKING:
    from workers.measures import Figure, Figures, GroupFigures, Narrowing, Overdue, Period
    from workers.settings import Settings
    from workers.unit_of_work import UnitOfWork

FIELDS = ("group", "name", "key", "value", "unit", "cases", "low", "high", "silence", "highlighted", "parts")

PeriodOption = Annotated[
    str, typer.Option(help="week, month, quarter, last-week, last-month, last-quarter or last-3-months.")
]
FromOption = Annotated[str, typer.Option("--from", help="First day, as in 2026-03-01, instead of a period.")]
ToOption = Annotated[str, typer.Option("--to", help="Last day, included.")]
ZoneOption = Annotated[str, typer.Option(help="Time zone of the days (default: that of the installation).")]
TeamOption = Annotated[str, typer.Option(help="Only requests of this team.")]
StaffOption = Annotated[str, typer.Option(help="Only requests of this staff number.")]
CategoryOption = Annotated[str, typer.Option(help="Only this category.")]
PriorityOption = Annotated[str, typer.Option(help="Only this priority.")]
ChannelOption = Annotated[str, typer.Option(help="Only this channel.")]
GroupOption = Annotated[str, typer.Option("--customer-group", help="Only this customer group.")]
VersionOption = Annotated[str, typer.Option("--policy-version", help="Only requests judged by this version.")]
SpecialOption = Annotated[str, typer.Option(help="Requests of special periods: apart, only or with.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")]


def report_figures(
    period: PeriodOption = "",
    first: FromOption = "",
    to: ToOption = "",
    zone: ZoneOption = "",
    by: Annotated[
        str,
        typer.Option(
            help="By team, staff, category, priority, channel, customer_group, day, week, month, quarter."
        ),
    ] = "",
    measure: Annotated[
        list[str] | None, typer.Option(help="Only this measure; may be given several times.")
    ] = None,
    team: TeamOption = "",
    staff: StaffOption = "",
    category: CategoryOption = "",
    priority: PriorityOption = "",
    channel: ChannelOption = "",
    customer_group: GroupOption = "",
    policy_version: VersionOption = "",
    special: SpecialOption = "apart",
    as_csv: CsvOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Figures of a period: response and resolution times, limits, ratings, messages; without any, all."""
    settings = find_settings(data)
    which = {"team": team, "staff": staff, "category": category, "priority": priority, "channel": channel}
    which |= {"customer_group": customer_group, "policy_version": policy_version, "special": special}
    when = (period, first, to, zone)
    found, groups = asyncio.run(_figures(settings, when, which, measure or [], by))
    if as_json:
        print_json(_as_json(found, groups))
    elif as_csv:
        csv.writer(sys.stdout).writerows([FIELDS, *_rows(found, groups)])
    else:
        _print(settings.locale, found, groups)


def report_worst_overdue(
    period: PeriodOption = "",
    first: FromOption = "",
    to: ToOption = "",
    zone: ZoneOption = "",
    team: TeamOption = "",
    staff: StaffOption = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 10,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """The limits that were missed by most in a period, worst first."""
    settings = find_settings(data)
    when, which = (period, first, to, zone), {"team": team, "staff": staff}
    rows = asyncio.run(_worst(settings, when, which, limit))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    from workers.text import duration_words

    titles = ("ticket", "clock", "late", "staff", "team", "priority", "category", "special period")
    lines = [
        (
            row.ticket,
            row.clock,
            duration_words(row.late, settings.locale) + ("" if row.met_at else " …"),
            row.staff,
            row.team,
            row.priority,
            row.category,
            row.special_period or "",
        )
        for row in rows
    ]
    print_table(titles, lines, "no limit was missed in this time")


FIGURES: Mapping[str, Callable[..., Any]] = {"figures": report_figures, "worst-overdue": report_worst_overdue}


async def _figures(
    settings: Settings,
    when: tuple[str, str, str, str],
    which: Mapping[str, str],
    measures: Sequence[str],
    by: str,
) -> tuple[Figures, list[GroupFigures]]:
    from workers.errors import InvalidInput
    from workers.measures import CATALOGUE, EVERYTHING, Group, by_group, figures

    keys = list(dict.fromkeys(measures)) or list(CATALOGUE)
    if by and by not in list(Group):
        raise InvalidInput("there is no such group", hint=", ".join(Group))
    async with workshop_of(settings) as workshop, workshop.read() as uow:
        period, narrowing = await _asked(uow, settings, when, which)
        found = await figures(uow, EVERYTHING, period, narrowing, keys)
        rows = await by_group(uow, EVERYTHING, period, narrowing, keys, Group(by)) if by else []
    return found, rows


async def _worst(
    settings: Settings, when: tuple[str, str, str, str], which: Mapping[str, str], limit: int
) -> list[Overdue]:
    from workers.measures import EVERYTHING, worst_overdue

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        period, narrowing = await _asked(uow, settings, when, which)
        return await worst_overdue(uow, EVERYTHING, period, narrowing, limit)


async def _asked(
    uow: UnitOfWork, settings: Settings, when: tuple[str, str, str, str], which: Mapping[str, str]
) -> tuple[Period, Narrowing]:
    from workers.errors import InvalidInput
    from workers.measures import asked_period, narrowing_of

    name, first, to, zone = when
    try:
        chosen = ZoneInfo(zone or settings.timezone)
    except (KeyError, ValueError, OSError):
        raise InvalidInput("there is no such time zone", hint="as in Asia/Shanghai") from None
    period = asked_period(uow.clock.now(), chosen, name=name, first=_day(first), last=_day(to))
    return period, await narrowing_of(uow, **{key: value or None for key, value in which.items()})


def _day(typed: str) -> date | None:
    from workers.errors import InvalidInput

    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError:
        raise InvalidInput("this is not a day", hint="as in 2026-03-01") from None


def _as_json(found: Figures, groups: Sequence[GroupFigures]) -> dict[str, Any]:
    period = found.period
    return {
        "from": period.first_day,
        "to": period.last_day,
        "zone": period.zone.key,
        "figures": {key: asdict(figure) for key, figure in found.items.items()},
        "special_periods": dict(found.special),
        "groups": [
            {
                "key": row.key,
                "name": row.name,
                "figures": {key: asdict(one) for key, one in row.items.items()},
            }
            for row in groups
        ],
    }


def _rows(found: Figures, groups: Sequence[GroupFigures]) -> list[list[object]]:
    """One row a figure; those of all together have no group. Names cannot run as formulas."""
    from workers.tables import harmless

    rows = [_row("", "", figure) for figure in found.items.values()]
    for each in groups:
        names = (harmless(each.key) or "(none)", harmless(each.name))
        rows += [_row(*names, figure) for figure in each.items.values()]
    return rows


def _row(group: str, name: str, figure: Figure) -> list[object]:
    parts = " ".join(f"{part.key}={part.cases}" for part in figure.parts)
    told = (figure.value, figure.unit.value, figure.cases, figure.low, figure.high, figure.silence)
    return [
        group,
        name,
        figure.key,
        *("" if each is None else each for each in told),
        figure.highlighted,
        parts,
    ]


def _print(locale: str, found: Figures, groups: Sequence[GroupFigures]) -> None:
    from workers.measures import CATALOGUE

    names = {key: CATALOGUE[key].words(locale).name for key in found.items}
    period = found.period
    lines = [(names[key], _shown(figure, locale), figure.cases or "") for key, figure in found.items.items()]
    days = f"{period.first_day} … {period.last_day} ({period.zone.key})"
    print_table((days, "figure", "cases"), lines, "")
    if groups:
        titles = ("group", *names.values())
        rows = [
            (f"{row.key} {row.name}" if row.name != row.key else row.key or "(none)", *_cells(row, locale))
            for row in groups
        ]
        print_table(titles, rows, "")


def _cells(row: GroupFigures, locale: str) -> list[str]:
    return [_shown(figure, locale) for figure in row.items.values()]


def _shown(figure: Figure, locale: str) -> str:
    """A figure as a person reads it: as time, per cent or score, its parts, or why there is none."""
    from workers.measures import Unit
    from workers.text import duration_words

    if figure.value is None:
        return f"({figure.silence})"
    if figure.parts:
        return ", ".join(f"{part.key} {part.cases}" for part in figure.parts)
    mark = " !" if figure.highlighted else ""
    if figure.unit is Unit.SECONDS:
        return duration_words(figure.value, locale)
    if figure.unit is Unit.SHARE:
        return f"{figure.value:.1%}{mark}"
    if figure.unit is Unit.SCORE and figure.low is not None and figure.high is not None:
        return f"{figure.value:.2f} ({figure.low:.2f}–{figure.high:.2f})"
    return f"{figure.value:g}"
