"""`closeloop staff absent` and `closeloop duty`: who is away, and who is on duty at night and on holidays."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, complain, console, print_json, print_table

if TYPE_CHECKING:
    from workers.settings import Settings

TITLES = {
    "number": ("工号", "员工编号", "number", "staff"),
    "from": ("开始", "开始时间", "from", "start"),
    "to": ("结束", "结束时间", "to", "end"),
    "team": ("组", "团队", "team"),
}
LARGEST = 1_000_000
WHEN = "A day (2026-12-24) or a time (2026-12-24 18:00), on the team's clock."


def staff_absent(
    number: Annotated[str, typer.Argument(help="Staff number; left out: show all absences.")] = "",
    first: Annotated[str, typer.Option("--from", help=f"{WHEN} Default: now.")] = "",
    to: Annotated[str, typer.Option("--to", help=f"{WHEN} A day is away to its end.")] = "",
    substitute: Annotated[str, typer.Option(help="Staff number of who stands in.")] = "",
    cancel: Annotated[str, typer.Option(help="Id of an absence to cancel.", metavar="ID")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say who is away from when to when and who stands in; or show, or cancel it."""
    settings = find_settings(data)
    if cancel:
        asyncio.run(_cancel_absence(settings, number, _ident(cancel)))
    elif to:
        zone = ZoneInfo(settings.timezone)
        asyncio.run(
            _absent(settings, number, moment_in(first, zone), moment_in(to, zone, end=True), substitute)
        )
    rows = asyncio.run(_absences(settings, number or None))
    if as_json:
        print_json(rows)
        return
    shown = [(row["staff"], *span_of(row, settings), row["substitute"], row["id"]) for row in rows]
    print_table(("number", "away from", "back at", "substitute", "id"), shown, "nobody is or will be away")


def duty_add(
    number: Annotated[str, typer.Argument(help="Staff number.")],
    first: Annotated[str, typer.Option("--from", help=WHEN)],
    to: Annotated[str, typer.Option("--to", help=f"{WHEN} A day is on duty to its end.")],
    team: Annotated[str, typer.Option(help="Only for this team (default: for all).")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put somebody on the duty roster for nights, weekends and holidays."""
    settings = find_settings(data)
    zone = ZoneInfo(settings.timezone)
    rows = [(number, moment_in(first, zone), moment_in(to, zone, end=True), team)]
    asyncio.run(_enter(settings, rows, dry_run=False))
    duty_list(data=data, as_json=as_json)


def duty_list(
    days: Annotated[int, typer.Option(min=1, max=366, help="How far to look for gaps.")] = 14,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who is on duty now and later, and where nobody is."""
    settings = find_settings(data)
    duties, gaps = asyncio.run(_roster(settings, days))
    if as_json:
        print_json({"duties": duties, "gaps": gaps})
        return
    shown = [(row["staff"], *span_of(row, settings), row["team"] or "all", row["id"]) for row in duties]
    print_table(("number", "from", "to", "team", "id"), shown, "nobody is on the roster")
    for gap in gaps:
        first, last = span_of(gap, settings)
        console().print(f"! nobody for {gap['team']} from {first} to {last}")


def duty_import(
    file: Annotated[Path, typer.Argument(help="CSV with 工号,开始,结束,组.", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a CSV on the duty roster. One wrong row, and nothing is done at all."""
    settings = find_settings(data)
    rows, mistakes = _read(file.read_bytes(), ZoneInfo(settings.timezone))
    if not mistakes:
        mistakes = asyncio.run(_enter(settings, rows, dry_run=dry_run))
    if mistakes:
        if as_json:
            print_json({"ok": False, "mistakes": mistakes})
        else:
            complain(f"{file.name} is wrong; nothing was done\n" + "\n".join(mistakes))
        raise typer.Exit(2)
    if as_json:
        print_json({"ok": True, "dry_run": dry_run, "duties": len(rows)})
    else:
        console().print(f"{len(rows)} duties {'would be' if dry_run else 'were'} entered")


def duty_remove(
    ident: Annotated[str, typer.Argument(help="Id of the duty (closeloop duty list).")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a duty off the roster."""
    asyncio.run(_remove(find_settings(data), _ident(ident)))
    duty_list(data=data, as_json=as_json)


DUTY: Mapping[str, Callable[..., Any]] = {
    "add": duty_add,
    "list": duty_list,
    "import": duty_import,
    "remove": duty_remove,
}


def moment_in(text: str, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    """A day or a time on the team's clock; a day at its end is the next midnight. None for nothing."""
    from workers.errors import InvalidInput

    if not text.strip():
        return None
    try:
        if len(text.strip()) <= len("2026-12-24"):
            day = date.fromisoformat(text.strip()) + timedelta(days=1 if end else 0)
            return datetime.combine(day, time(0), zone)
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidInput(
            f"{text[:40]} is no time", hint='write 2026-12-24, or "2026-12-24 18:00"'
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _ident(text: str) -> UUID:
    from workers.errors import InvalidInput

    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput(f"{text[:40]} is no id", hint="take it from the list") from error


def span_of(row: Mapping[str, Any], settings: Settings) -> tuple[str, str]:
    """From when to when, on the team's clock."""
    zone = ZoneInfo(settings.timezone)
    first, last = (row[name].astimezone(zone) for name in ("starts_at", "ends_at"))
    return first.strftime("%Y-%m-%d %H:%M"), last.strftime("%Y-%m-%d %H:%M")


_Row = tuple[str, datetime | None, datetime | None, str]


def _read(raw: bytes, zone: ZoneInfo) -> tuple[list[_Row], list[str]]:
    """The rows of a roster, and for each wrong one its line and what is wrong."""
    from workers.cli.roster import text_of
    from workers.errors import CloseloopError, InvalidInput

    if len(raw) > LARGEST:
        raise InvalidInput(f"the file is larger than {LARGEST} bytes")
    lines = csv.reader(io.StringIO(text_of(raw), newline=""))
    names = {title: name for name, titles in TITLES.items() for title in titles}
    places = [names.get(cell.strip().lower(), "") for cell in next(lines, [])]
    if missing := [TITLES[name][0] for name in ("number", "from", "to") if name not in places]:
        raise InvalidInput(f"the first row lacks {', '.join(missing)}", hint="titles are 工号,开始,结束,组")
    rows: list[_Row] = []
    mistakes = []
    for cells in lines:
        given = {name: cell.strip() for name, cell in zip(places, cells, strict=False) if name}
        if not any(given.values()):
            continue
        try:
            times = moment_in(given.get("from", ""), zone), moment_in(given.get("to", ""), zone, end=True)
            if not given.get("number") or None in times:
                raise InvalidInput("number, from and to are needed")
            rows.append((given["number"], *times, given.get("team", "")))
        except CloseloopError as error:
            mistakes.append(f"line {lines.line_num}: {error}")
    return rows, mistakes


async def _enter(settings: Settings, rows: list[_Row], *, dry_run: bool) -> list[str]:
    """Enter all rows or none; gives what is wrong with them."""
    from workers.errors import CloseloopError
    from workers.rosters import enter_duty

    mistakes = []
    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        for place, (number, first, last, team) in enumerate(rows, start=1):
            assert first is not None
            assert last is not None
            try:
                await enter_duty(uow, number, first, last, team or None)
            except CloseloopError as error:
                if len(rows) == 1:
                    raise
                mistakes.append(f"row {place}: {error}")
        if dry_run or mistakes:
            await uow.session.rollback()
    return mistakes


async def _remove(settings: Settings, ident: UUID) -> None:
    from workers.rosters import cancel_duty

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        await cancel_duty(uow, ident)


async def _absent(
    settings: Settings, number: str, first: datetime | None, last: datetime | None, substitute: str
) -> None:
    from workers.rosters import enter_absence

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        assert last is not None
        await enter_absence(uow, number, first or uow.clock.now(), last, substitute or None)


async def _cancel_absence(settings: Settings, number: str, ident: UUID) -> None:
    from workers.rosters import cancel_absence

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        await cancel_absence(uow, number, ident)


async def _absences(settings: Settings, number: str | None) -> list[dict[str, Any]]:
    from workers.rosters import absences_of

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return [
            {
                "id": row.id,
                "staff": staff,
                "starts_at": row.starts_at,
                "ends_at": row.ends_at,
                "substitute": substitute,
            }
            for row, staff, substitute in await absences_of(uow, number)
        ]


async def _roster(settings: Settings, days: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    from dataclasses import asdict

    from workers.rosters import duties_of, duty_gaps

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        now = uow.clock.now()
        gaps = await duty_gaps(uow, now, now + timedelta(days=days))
        duties = [
            {
                "id": row.id,
                "staff": staff,
                "team": team,
                "starts_at": row.starts_at,
                "ends_at": row.ends_at,
            }
            for row, staff, team in await duties_of(uow)
        ]
        return duties, [asdict(gap) for gap in gaps]
