"""`closeloop policy …`: check a file, see what it changes, try it, put it in force while all runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli import policy_pilots
from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, complain, console, print_json
from workers.cli.policy_files import (
    FileArgument,
    LocaleOption,
    changes,
    check,
    diff,
    in_force,
    load,
    print_changes,
)
from workers.cli.policy_simulating import simulate

if TYPE_CHECKING:
    from models.keys import PolicyChange
    from workers.policy import Policy
    from workers.settings import Settings
    from workers.tickets import Applied

SHIFTS: Mapping[str, str] = {
    "moved": "limits moved",
    "added": "limits added",
    "withdrawn": "limits withdrawn",
    "kept": "limits kept, since the new one would be over already",
    "alarms": "plans of warnings or escalation changed",
}


def apply(
    file: FileArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the version.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who (default: your login name).", show_default=False)] = "",
    pilot_team: Annotated[
        list[str] | None,
        typer.Option("--pilot-team", help="Only this team tries it; may be repeated.", show_default=False),
    ] = None,
    until: Annotated[
        str, typer.Option("--until", help="Last day of the trial, as 2026-12-01.", show_default=False)
    ] = "",
    locale: LocaleOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a policy in force for all running processes, and plan all open tickets anew by it.

    Can be broken off and given again: what was done stays done.
    """
    from workers.errors import InvalidInput
    from workers.policy import differences

    settings = find_settings(data)
    policy = load(settings, file)
    if bool(pilot_team) != bool(until) or (pilot_team and dry_run):
        raise InvalidInput(
            "--pilot-team and --until belong together, and cannot be tried out",
            hint="--pilot-team support --until 2026-12-01; closeloop policy simulate shows what it would do",
        )
    if pilot_team:
        policy_pilots.start(settings, policy, pilot_team, until, by or _login(), reason, as_json=as_json)
        return
    before = asyncio.run(in_force(settings))
    found, said = differences(before, policy), locale or settings.locale
    if not as_json:
        print_changes(before, policy, found, said)
    applied = _with_progress(settings, policy, by or _login(), reason, dry_run=dry_run, quiet=as_json)
    if as_json:
        print_json({"dry_run": dry_run, "changes": changes(found, said), **_outcome(applied)})
    else:
        _print_outcome(policy, applied, dry_run=dry_run)
    if applied.failed:
        raise typer.Exit(1)


POLICY: Mapping[str, Callable[..., Any]] = {
    "check": check,
    "diff": diff,
    "apply": apply,
    "simulate": simulate,
    "pilots": policy_pilots.pilots,
    "promote": policy_pilots.promote,
    "stop": policy_pilots.stop,
}


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return ""


def _with_progress(
    settings: Settings, policy: Policy, by: str, reason: str, *, dry_run: bool, quiet: bool
) -> Applied:
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("planning open tickets", total=None)

        def tick(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return asyncio.run(_apply(settings, policy, by, reason, dry_run=dry_run, tick=tick))


async def _apply(
    settings: Settings,
    policy: Policy,
    by: str,
    reason: str,
    *,
    dry_run: bool,
    tick: Callable[[int, int], None],
) -> Applied:
    from workers.tickets import apply_policy, try_policy

    async with workshop_of(settings) as workshop:
        if dry_run:
            return await try_policy(workshop, policy, tick=tick)
        return await apply_policy(workshop, policy, made_by=by or None, reason=reason or None, tick=tick)


def _outcome(applied: Applied) -> dict[str, Any]:
    return {
        "ok": not applied.failed,
        "new": applied.new,
        "change": _change(applied.change),
        "tickets": applied.tickets,
        "clocks": {name: applied.shifts[name] for name in SHIFTS},
        "failed": applied.failed,
    }


def _change(change: PolicyChange) -> dict[str, Any]:
    return {"number": change.number, "at": change.at, "by": change.made_by, "reason": change.reason}


def _print_outcome(policy: Policy, applied: Applied, *, dry_run: bool) -> None:
    out = console()
    would = "would be " if dry_run else ""
    if applied.new:
        out.print(f"{policy.name} {'would be' if dry_run else 'is'} in force for all processes")
    else:
        out.print(f"{policy.name} was in force already")
    out.print(f"{applied.tickets} open tickets {would}planned anew")
    for name, words in SHIFTS.items():
        if applied.shifts[name]:
            out.print(f"  {applied.shifts[name]} {words}")
    if applied.failed:
        complain(
            f"{len(applied.failed)} tickets could not be planned anew: {', '.join(applied.failed[:10])}",
            "they go on under their version; see the log, and give the command again",
        )
