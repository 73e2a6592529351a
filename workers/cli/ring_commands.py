"""`closeloop keys`: the master keys of the key ring, and which of them are still needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table, verdict

if TYPE_CHECKING:
    from workers.privacy.rotation import KeyCount, Rotated
    from workers.settings import Settings


def keys_rotate(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Wrap all data keys by the newest key of CLOSELOOP_SECRET_KEYS, so that older ones can be dropped.

    Everything may run on meanwhile. May be broken off and begun again, and run more than once at a time.
    """
    found = asyncio.run(_rotate(find_settings(data), quiet=as_json))
    if as_json:
        print_json(asdict(found))
    else:
        verdict("good", f"{found.rewrapped} data keys were wrapped anew")
    if found.unreadable:
        if not as_json:
            verdict("bad", f"{found.unreadable} could not be: see closeloop keys status")
        raise typer.Exit(1)


def keys_status(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Say how many data keys each master key wraps, and which may be dropped from the ring."""
    counts, destroyed = asyncio.run(_status(find_settings(data)))
    if as_json:
        rows = [{**asdict(one), "may_be_dropped": one.may_be_dropped} for one in counts]
        print_json({"keys": rows, "destroyed": destroyed})
        return
    shown = [(one.name, one.data_keys, _told(one)) for one in counts]
    print_table(("master key", "data keys", ""), shown, "")
    console().print(f"{destroyed} data keys were destroyed by erasure")


KEYS: Mapping[str, Callable[..., Any]] = {"rotate": keys_rotate, "status": keys_status}


def _told(one: KeyCount) -> str:
    if one.newest:
        return "the newest: it wraps whatever is new"
    if not one.in_ring:
        return "not in the ring: put it back, or its data cannot be read"
    if one.may_be_dropped:
        return (
            "may be dropped once every process runs with the newest first; backups from before still need it"
        )
    return "still needed: run closeloop keys rotate"


async def _rotate(settings: Settings, *, quiet: bool) -> Rotated:
    from rich.progress import Progress

    from workers.privacy.rotation import left_to_rotate, rotate

    async with workshop_of(settings) as workshop:
        async with workshop.read() as uow:
            total = await left_to_rotate(uow)
        with Progress(console=console(stderr=True), disable=quiet) as progress:
            task = progress.add_task("wrapping data keys anew", total=total)
            return await rotate(workshop, lambda count: progress.advance(task, count))


async def _status(settings: Settings) -> tuple[list[KeyCount], int]:
    from workers.privacy.rotation import key_counts

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return await key_counts(uow)
