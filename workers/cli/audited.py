"""What commands change goes into the audit log, too: one table, wrapped around them where they are named."""

from __future__ import annotations

import asyncio
import functools
import getpass
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

COMMANDS = frozenset(
    {
        "erase",
        "backup",
        "restore",
        "purge",
        "explain",
        "staff add",
        "staff import",
        "staff absent",
        "staff sign-out",
        "duty add",
        "duty import",
        "duty remove",
        "team add",
        "key add",
        "key revoke",
        "keys rotate",
        "webhook add",
        "webhook delete",
        "webhook disable",
        "webhook enable",
        "webhook rotate",
        "knowledge export",
        "knowledge import",
        "intake wanted",
        "search",
        "targets add",
        "targets progress",
        "targets withdraw",
        "improvements open",
        "improvements show",
        "improvements progress",
        "improvements carried-out",
        "improvements evaluate",
        "improvements review",
        "improvements withdraw",
        "report weak-links",
        "policy apply",
        "policy promote",
        "policy stop",
        "tables export",
        "tables import",
        "communications export",
        "communications import",
        "customer export",
        "customer import",
        "survey ask",
        "intake show",
        "intake retry",
        "audit export",
    }
)
"""Commands that change people, keys, policy or data, or show what customers said."""
_SUBJECTS = ("number", "customer", "name", "wanted", "event", "table")


def audited(name: str, command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, noted once it has succeeded; as it is where there is nothing to note."""
    if name not in COMMANDS:
        return command

    @functools.wraps(command)
    def noted(*args: Any, **given: Any) -> Any:
        result = command(*args, **given)
        if not getattr(given.get("context"), "invoked_subcommand", None):  # that one is noted by its own name
            asyncio.run(note(name, given))
        return result

    return noted


async def note(name: str, given: Mapping[str, Any]) -> None:
    """Write that a command was run, by the names of its arguments; what it was given stays out."""
    from workers.audit import Noted, write
    from workers.audit.entries import subject_of
    from workers.cli.opening import find_settings, workshop_of

    folder = given.get("data")
    settings = find_settings(folder if isinstance(folder, Path) else None)
    named = next((str(given[each]) for each in _SUBJECTS if given.get(each)), "")
    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        entry = Noted(
            at=uow.clock.now(),
            kind="command",
            action=f"closeloop {name}",
            subject=subject_of(named) if named else None,
            details={"user": user_name()},
        )
        await write(uow, [entry])


def user_name() -> str:
    """Who runs the command, as the machine calls them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "?"
