"""`closeloop policy …`: check a policy file, see what it changes, put it in force while everything runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, complain, console, print_json, verdict

if TYPE_CHECKING:
    from models.keys import PolicyChange
    from workers.policy import Difference, Policy
    from workers.settings import Settings
    from workers.tickets import Applied

WRONG = 2
SHIFTS: Mapping[str, str] = {
    "moved": "limits moved",
    "added": "limits added",
    "withdrawn": "limits withdrawn",
    "kept": "limits kept, since the new one would be over already",
    "alarms": "plans of warnings or escalation changed",
}
FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="A TOML file, or a ready-made policy's name.")
]
LocaleOption = Annotated[
    str,
    typer.Option("--locale", help="en or zh_CN (default: CLOSELOOP_LOCALE).", show_default=False),
]


def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="TOML files, or names of ready-made policies.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Say all that is wrong in policy files, with line and hint, and what is hardly meant."""
    told = {name: _findings(name) for name in files}
    good = all(each["result"] != "bad" for found in told.values() for each in found)
    if as_json:
        found = [{"file": name, **each} for name, findings in told.items() for each in findings]
        print_json({"ok": good, "findings": found})
    else:
        for name, findings in told.items():
            for each in findings:
                place = name if each["line"] is None else f"{name}, line {each['line']}"
                verdict(each["result"], f"{place}: {each['message']}", each["hint"])
            if not findings:
                verdict("good", f"{name}: nothing is wrong")
    if not good:
        raise typer.Exit(WRONG)


def _findings(name: str) -> list[dict[str, Any]]:
    from workers.errors import PolicyError
    from workers.policy import PolicyFileError, advice, load_policy

    try:
        policy = load_policy(name)
    except PolicyFileError as error:
        return [{"result": "bad", **asdict(mistake)} for mistake in error.mistakes]
    except PolicyError as error:
        return [{"result": "bad", "line": None, "message": error.message, "hint": error.hint}]
    return [{"result": "warning", **asdict(mistake)} for mistake in advice(policy, datetime.now(UTC))]


def diff(
    first: Annotated[
        str,
        typer.Argument(
            metavar="[FROM]", help="The policy before (default: the one in force, if TO follows not)."
        ),
    ],
    second: Annotated[str, typer.Argument(metavar="TO", help="The policy after.", show_default=False)] = "",
    locale: LocaleOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in words what changes from one policy to another, or from the one in force to a file."""
    from workers.policy import differences

    # Two files can be compared anywhere, also where nothing is installed yet.
    settings = None if second else find_settings(data)
    before = _load(settings, first) if settings is None else asyncio.run(_in_force(settings))
    after = _load(settings, second or first)
    found = differences(before, after)
    said = locale or (settings.locale if settings else os.environ.get("CLOSELOOP_LOCALE") or after.locale)
    if as_json:
        print_json({"from": _named(before), "to": _named(after), "changes": _changes(found, said)})
        return
    _print_changes(before, after, found, said)


def apply(
    file: FileArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the version.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who (default: your login name).", show_default=False)] = "",
    locale: LocaleOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a policy in force for all running processes, and plan all open tickets anew by it.

    Can be broken off and given again: what was done stays done.
    """
    from workers.policy import differences

    settings = find_settings(data)
    policy = _load(settings, file)
    before = asyncio.run(_in_force(settings))
    found, said = differences(before, policy), locale or settings.locale
    if not as_json:
        _print_changes(before, policy, found, said)
    applied = _with_progress(settings, policy, by or _login(), reason, dry_run=dry_run, quiet=as_json)
    if as_json:
        print_json({"dry_run": dry_run, "changes": _changes(found, said), **_outcome(applied)})
    else:
        _print_outcome(policy, applied, dry_run=dry_run)
    if applied.failed:
        raise typer.Exit(1)


POLICY: Mapping[str, Callable[..., Any]] = {"check": check, "diff": diff, "apply": apply}


def _load(settings: Settings | None, name: str) -> Policy:
    """A policy as this installation reads it, in its own zone and language; as it stands without one."""
    from workers.policy import load_policy

    if settings is None:
        return load_policy(name)
    return load_policy(name, zone=settings.timezone, locale=settings.locale)


async def _in_force(settings: Settings) -> Policy:
    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return uow.policy


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


def _named(policy: Policy) -> dict[str, str]:
    return {"name": policy.name, "digest": policy.digest}


def _changes(found: tuple[Difference, ...], locale: str) -> list[dict[str, Any]]:
    from workers.policy import section, sentence

    return [
        {
            "section": section(each, locale),
            "words": sentence(each, locale),
            "place": list(each.place),
            "before": each.before,
            "after": each.after,
        }
        for each in found
    ]


def _print_changes(before: Policy, after: Policy, found: tuple[Difference, ...], locale: str) -> None:
    from rich.markup import escape

    from workers.policy import section, sentence

    out = console()
    if not found:
        out.print(f"{before.name} and {after.name} say the same")
        return
    out.print(f"{before.name} ({before.digest[:12]}) → {after.name} ({after.digest[:12]})")
    for heading in dict.fromkeys(section(each, locale) for each in found):
        out.print(f"[bold]{escape(heading)}[/]")
        for each in found:
            if section(each, locale) == heading:
                out.print(f"  {escape(sentence(each, locale))}")


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
