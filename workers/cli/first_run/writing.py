"""Write down what was said: people and settings together, or neither of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.cli.first_run.given import Given
    from workers.people import Person
    from workers.settings import Settings
    from workers.unit_of_work import UnitOfWork


def write(folder: Path, given: Given, settings: Settings, people: list[Person]) -> dict[str, Any]:
    """Make secrets and tables that lack, enter people, write the settings; gives what was written.

    Whatever interrupts it, the settings file is the old one or the new one, and people are all there or none.
    """
    from models.session import migrate
    from workers.cli.first_run.given import settings_told
    from workers.cli.opening import environ
    from workers.settings import ensure_secrets, known_settings, load_settings

    secrets = ensure_secrets(folder)
    changes = {f"CLOSELOOP_{name}": value for name, value in given.changes.items()}
    kept = {name: value for name, value in {**known_settings(folder), **changes}.items() if value}
    whole = load_settings(environ(secrets, kept, {}), folder)  # with the secrets that were made just now
    migrate(whole.database_url)
    counts, in_force, path = asyncio.run(_write(whole, folder, given, changes, people))
    return {
        "written": settings_told(given.changes),
        "file": str(path),
        "people": counts,
        "policy_in_force": in_force,
    }


async def _write(
    settings: Settings, folder: Path, given: Given, changes: dict[str, str], people: list[Person]
) -> tuple[dict[str, int], str, Path]:
    from workers.cli.opening import workshop_of
    from workers.cli.roster_commands import put_person
    from workers.directory import ensure_administrator
    from workers.settings import write_settings
    from workers.settings.own_settings import FILE_NAME

    counts = {"added": 0, "changed": 0}
    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        for person in people:
            counts["added" if await put_person(uow, person) else "changed"] += 1
        await ensure_administrator(uow)
        await _name_administrator(uow, given.admin_name)
        # Last of all: what goes wrong before leaves the settings as they were.
        path = write_settings(folder, changes) if changes else folder / FILE_NAME
        return counts, uow.policy.name, path


async def _name_administrator(uow: UnitOfWork, name: str) -> None:
    """The administrator bears this name, and the role. Raises InvalidInput where there is no such person."""
    from models.vocabulary import Role
    from workers.directory import staff_by_email
    from workers.errors import InvalidInput
    from workers.people import change_person

    person = await staff_by_email(uow, uow.settings.admin) if uow.settings.admin else None
    if name and person is None:
        raise InvalidInput("there is no administrator to name", hint="give --admin ADDRESS, too")
    if person is not None and person.role is not Role.ADMINISTRATOR:
        raise InvalidInput(
            f"{person.number} is to be the administrator, but has the role {person.role.value}",
            hint="give them the role 管理员 (administrator) in the list, or name somebody else by --admin",
        )
    if person is not None and name and person.name != name:
        await change_person(uow, person.number, {"name": name[:64]})
