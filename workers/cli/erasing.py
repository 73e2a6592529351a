"""`closeloop erase` and `closeloop erasures`: erase a customer, and print its certificate again."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table

if TYPE_CHECKING:
    from workers.settings import Settings


def erase(
    customer: Annotated[str, typer.Argument(help="The code (C202405001), or the exact address or number.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this it is only counted.")] = False,
    why: Annotated[str, typer.Option(help="What it goes back to: a reference, no name.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a customer: name, contacts, words, raw mail, links. Counts, verdicts and scores stay.

    Without --yes nothing is changed. It cannot be undone: the key of their data is destroyed.
    """
    settings = find_settings(data)
    _print(asyncio.run(_erase(settings, customer, why, meant=yes)), settings, as_json=as_json)
    if not yes and not as_json:
        console(stderr=True).print("nothing was changed: give --yes to erase")


def erasures(
    number: Annotated[str, typer.Argument(help="A certificate's number, or the customer's code.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the erasures, or print one certificate again."""
    settings = find_settings(data)
    found = asyncio.run(_certificates(settings, number))
    if number:
        _print(found[0], settings, as_json=as_json)
    elif as_json:
        print_json(found)
    else:
        rows = [(one["number"], one["customer"], one["erased_at"], len(one["tickets"])) for one in found]
        print_table(("certificate", "customer", "erased at", "tickets"), rows, "nobody has been erased")


def _print(certificate: dict[str, Any], settings: Settings, *, as_json: bool) -> None:
    from workers.privacy.erasing import as_text

    if as_json:
        print_json(certificate)
    else:
        sys.stdout.write(as_text(certificate, settings.timezone, settings.locale))


async def _erase(settings: Settings, customer: str, why: str, *, meant: bool) -> dict[str, Any]:
    from workers.privacy import erasing

    async with workshop_of(settings) as workshop:
        if not meant:
            return await erasing.would_erase(workshop, customer)
        return (await erasing.erase(workshop, customer, why=why)).certificate


async def _certificates(settings: Settings, number: str) -> list[dict[str, Any]]:
    from workers.privacy import erasing

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        if number:
            return [(await erasing.find_certificate(uow, number)).certificate]
        return [row.certificate for row in await erasing.certificates(uow)]
