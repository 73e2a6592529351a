"""`closeloop key` and `closeloop staff sign-out`: keys of the API, and who is signed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table
from workers.errors import InvalidInput

if TYPE_CHECKING:
    from workers.settings import Settings

SCOPES = "read, write, intake, reports, administer, act_for_others; separated by commas."


def key_add(
    name: Annotated[str, typer.Argument(help="What it is for, such as help-desk.")],
    scopes: Annotated[str, typer.Option(help=SCOPES)] = "read",
    staff: Annotated[str, typer.Option(help="Staff number of whom it belongs to; none: a system.")] = "",
    days: Annotated[int, typer.Option(min=0, help="So many days it lives; 0: until it is revoked.")] = 365,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key of the API. Its words are shown this once."""
    words = asyncio.run(_add(find_settings(data), name, scopes, staff, days))
    if as_json:
        print_json({"name": name, "key": words})
    else:
        console().print(words, highlight=False, soft_wrap=True)


def key_list(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the keys of the API, revoked ones too."""
    rows = asyncio.run(_list(find_settings(data)))
    if as_json:
        print_json(rows)
        return
    shown = [
        tuple(str(row[name] or "") for name in ("name", "hint", "scopes", "staff", "expires_at", "state"))
        for row in rows
    ]
    print_table(("name", "begins", "scopes", "staff", "ends", ""), shown, "no keys yet: closeloop key add …")


def key_revoke(name: Annotated[str, typer.Argument(help="The key's name.")], data: DataOption = None) -> None:
    """A key opens nothing from now on."""
    asyncio.run(_revoke(find_settings(data), name))
    console().print(f"{name}: revoked")


def staff_sign_out(
    number: Annotated[str, typer.Argument(help="Staff number.")], data: DataOption = None
) -> None:
    """Sign somebody out of the console in all browsers, at once."""
    ended = asyncio.run(_sign_out(find_settings(data), number))
    console().print(f"{number}: {ended} sessions ended")


KEY: Mapping[str, Callable[..., Any]] = {"add": key_add, "list": key_list, "revoke": key_revoke}
STAFF: Mapping[str, Callable[..., Any]] = {"sign-out": staff_sign_out}


async def _add(settings: Settings, name: str, scopes: str, staff: str, days: int) -> str:
    from workers.access import KeyGiven, Scope, add_key

    wanted = [word.strip() for word in scopes.split(",") if word.strip()]
    if unknown := sorted(set(wanted) - set(Scope)):
        raise InvalidInput(f"{unknown[0][:24]} is no scope", hint=", ".join(Scope))
    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        ends = uow.clock.now() + timedelta(days=days) if days else None
        given = KeyGiven(
            name=name, scopes=[Scope(word) for word in wanted], staff=staff or None, expires_at=ends
        )
        words, _ = await add_key(uow, given)
    return words


async def _list(settings: Settings) -> list[dict[str, Any]]:
    from workers.access import every_key

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        now = uow.clock.now()
        return [
            {
                "name": key.name,
                "hint": key.hint,
                "scopes": " ".join(key.scopes),
                "staff": owner.number if owner else None,
                "expires_at": key.expires_at.isoformat() if key.expires_at else None,
                "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
                "state": "revoked"
                if key.revoked_at
                else "expired"
                if key.expires_at and key.expires_at <= now
                else "",
            }
            for key, owner in await every_key(uow)
        ]


async def _revoke(settings: Settings, name: str) -> None:
    from workers.access import revoke_key

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        await revoke_key(uow, name)


async def _sign_out(settings: Settings, number: str) -> int:
    from workers.access import end_sessions
    from workers.directory import staff_by_number

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        return await end_sessions(uow, (await staff_by_number(uow, number)).id)
