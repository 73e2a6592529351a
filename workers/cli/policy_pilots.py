"""`closeloop policy apply --pilot-team`, `pilots`, `promote`, `stop`: a team tries a policy for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, complain, console, print_json, print_table

if TYPE_CHECKING:
    from models.keys import PolicyPilot
    from workers.policy import Policy
    from workers.settings import Settings
    from workers.tickets import Applied
    from workers.tickets.piloting import Moved

TeamArgument = Annotated[str, typer.Argument(metavar="TEAM", help="A team that takes part in the pilot.")]


def start(
    settings: Settings,
    policy: Policy,
    teams: Sequence[str],
    until: str,
    by: str,
    reason: str,
    *,
    as_json: bool,
) -> None:
    """Begin a pilot, and say what became of the teams' open tickets. Raises what `start_pilot` raises."""
    ends = _end_of_day(until, ZoneInfo(policy.zone))
    pilot, moved = _watched(as_json, lambda tick: _start(settings, policy, teams, ends, by, reason, tick))
    if as_json:
        print_json({"ok": not moved.failed, "teams": list(teams), **_told(pilot), **_outcome(moved)})
    else:
        out = console()
        out.print(f"{policy.name} is tried by {', '.join(teams)} until {until}")
        out.print(f"{moved.tickets} open tickets planned anew")
        _complain(moved)
    if moved.failed:
        raise typer.Exit(1)


def pilots(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the policies that teams try or have tried."""
    rows = asyncio.run(_list(find_settings(data)))
    if as_json:
        print_json(rows)
        return
    titles = ("policy", "teams", "from", "to", "")
    shown = [
        (
            row["policy"],
            ", ".join(row["teams"]),
            _day(row["began_at"]),
            _day(row["ends_at"]),
            row["end"] or "",
        )
        for row in rows
    ]
    print_table(titles, shown, "no team has tried a policy yet")


def promote(
    team: TeamArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the version.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who did it.", show_default=False)] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put what a team has tried in force for everybody, and plan all open tickets anew by it."""
    settings = find_settings(data)
    applied: Applied = _watched(as_json, lambda tick: _promote(settings, team, by, reason, tick))
    if as_json:
        print_json({"ok": not applied.failed, "tickets": applied.tickets, "failed": applied.failed})
    else:
        console().print(f"what {team} has tried is in force; {applied.tickets} open tickets planned anew")
    if applied.failed:
        raise typer.Exit(1)


def stop(team: TeamArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """End a pilot: its open tickets come under the policy in force again."""
    settings = find_settings(data)
    moved: Moved = _watched(as_json, lambda tick: _stop(settings, team, tick))
    if as_json:
        print_json({"ok": not moved.failed, **_outcome(moved)})
    else:
        console().print(f"the pilot of {team} has ended; {moved.tickets} open tickets planned anew")
        _complain(moved)
    if moved.failed:
        raise typer.Exit(1)


def _end_of_day(text: str, zone: ZoneInfo) -> datetime:
    """The end of a day as the team counts it (UTC). Raises InvalidInput."""
    from workers.errors import InvalidInput

    try:
        day = date.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidInput(f"{text[:24]!r} is no day", hint="write --until 2026-12-01") from error
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def _watched(quiet: bool, work: Callable[[Callable[..., None]], Any]) -> Any:
    """Run it with a bar that shows how many tickets are done."""
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("planning open tickets", total=None)

        def tick(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done, total=total)

        return asyncio.run(work(tick))


async def _start(
    settings: Settings,
    policy: Policy,
    teams: Sequence[str],
    ends: datetime,
    by: str,
    reason: str,
    tick: Callable[[int], None],
) -> tuple[PolicyPilot, Moved]:
    from workers.tickets.piloting import start_pilot

    async with workshop_of(settings) as workshop:
        return await start_pilot(
            workshop, policy, teams, ends, made_by=by or None, reason=reason or None, tick=tick
        )


async def _promote(
    settings: Settings, team: str, by: str, reason: str, tick: Callable[[int, int], None]
) -> Applied:
    from workers.tickets.piloting import promote_pilot

    async with workshop_of(settings) as workshop:
        return await promote_pilot(workshop, team, made_by=by or None, reason=reason or None, tick=tick)


async def _stop(settings: Settings, team: str, tick: Callable[[int], None]) -> Moved:
    from workers.tickets.piloting import stop_pilot

    async with workshop_of(settings) as workshop:
        return await stop_pilot(workshop, team, tick=tick)


async def _list(settings: Settings) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from models.people import Team
    from workers.tickets.piloting import pilot_list

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        names = {str(team.id): team.name for team in await uow.session.scalars(select(Team))}
        return [
            {"policy": name, "teams": [names.get(team, "–") for team in pilot.teams], **_told(pilot)}
            for pilot, name in await pilot_list(uow)
        ]


def _told(pilot: PolicyPilot) -> dict[str, Any]:
    names = ("began_at", "ends_at", "ended_at", "end", "made_by", "reason")
    return {name: getattr(pilot, name) for name in names}


def _outcome(moved: Moved) -> dict[str, Any]:
    return {"tickets": moved.tickets, "failed": moved.failed}


def _complain(moved: Moved) -> None:
    if moved.failed:
        complain(
            f"{len(moved.failed)} tickets could not be planned anew: {', '.join(moved.failed[:10])}",
            "they go on under their version; see the log, and give the command again",
        )


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
