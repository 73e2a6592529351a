"""Policy files: mistakes with their lines, differences in words, and what other commands need of them."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, verdict

if TYPE_CHECKING:
    from workers.policy import Difference, Policy
    from workers.settings import Settings

WRONG = 2
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
    before = load(settings, first) if settings is None else asyncio.run(in_force(settings))
    after = load(settings, second or first)
    found = differences(before, after)
    said = locale or (settings.locale if settings else os.environ.get("CLOSELOOP_LOCALE") or after.locale)
    if as_json:
        print_json({"from": named(before), "to": named(after), "changes": changes(found, said)})
        return
    print_changes(before, after, found, said)


def load(settings: Settings | None, name: str) -> Policy:
    """A policy as this installation reads it, in its own zone and language; as it stands without one."""
    from workers.policy import load_policy

    if settings is None:
        return load_policy(name)
    return load_policy(name, zone=settings.timezone, locale=settings.locale)


async def in_force(settings: Settings) -> Policy:
    """The policy that new tickets are judged by."""
    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return uow.policy


def named(policy: Policy) -> dict[str, str]:
    """Name and digest, for programs."""
    return {"name": policy.name, "digest": policy.digest}


def changes(found: tuple[Difference, ...], locale: str) -> list[dict[str, Any]]:
    """Differences for programs, with the words that people read."""
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


def print_changes(before: Policy, after: Policy, found: tuple[Difference, ...], locale: str) -> None:
    """Differences for people, under their headings."""
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
