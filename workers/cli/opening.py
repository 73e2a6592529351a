"""From environment and data folder to settings, and to a workshop for commands that look or keep house."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.bells import Bell
    from workers.settings import Settings
    from workers.unit_of_work import Workshop


def data_folder(data: Path | None) -> Path:
    """The data folder: as given, else CLOSELOOP_DATA, else ./data."""
    return (data or Path(os.environ.get("CLOSELOOP_DATA") or "data")).expanduser().absolute()


def find_settings(data: Path | None, **defaults: str) -> Settings:
    """Settings of the environment, completed by those kept in the data folder; nothing is made.

    `defaults` are settings (PUBLIC_URL="…") for what both leave open. Raises SettingsError.
    """
    from workers.errors import SettingsError
    from workers.settings import known_secrets, known_settings, load_settings

    folder = data_folder(data)
    try:
        return load_settings(environ(known_secrets(folder), known_settings(folder), defaults), folder)
    except SettingsError as error:
        if folder.exists():
            raise
        hint = "name the right one by --data or CLOSELOOP_DATA, or begin one: closeloop init"
        raise SettingsError(f"there is no data folder {folder}\n{error.message}", hint=hint) from error


def make_settings(data: Path | None, **defaults: str) -> Settings:
    """As `find_settings`, but lacking secrets are made and kept in the data folder."""
    from workers.settings import ensure_secrets, known_settings, load_settings

    folder = data_folder(data)
    return load_settings(environ(ensure_secrets(folder), known_settings(folder), defaults), folder)


def environ(
    secrets: Mapping[str, str], kept: Mapping[str, str], defaults: Mapping[str, str]
) -> dict[str, str]:
    """The environment, completed by kept settings, these by kept secrets, and these by defaults.

    What comes first wins, whether a value is given or the file that holds it.
    """
    known = {name: value for name, value in os.environ.items() if value}
    for offered in (kept, secrets, {f"CLOSELOOP_{name}": value for name, value in defaults.items()}):
        known |= {name: value for name, value in offered.items() if not _decided(name, known)}
    return {**os.environ, **known}


def _decided(name: str, known: Mapping[str, str]) -> bool:
    base = name.removesuffix("_FILE")
    return base in known or f"{base}_FILE" in known


@asynccontextmanager
async def workshop_of(settings: Settings) -> AsyncIterator[Workshop]:
    """A workshop without broker and channels: what it promises, a running installation's sweep finds."""
    from models.session import make_engine, make_gate
    from workers.clock import clock_for
    from workers.policy import load_policy
    from workers.unit_of_work import Vault, Workshop

    must_be_migrated(settings)
    url = settings.database_url
    clock = clock_for(settings.clock_speed, *(settings.clock_start or ()))
    engine = make_engine(url)
    vault = Vault(settings.secret_keys, lost=settings.lost_keys)
    policy = load_policy(settings.policy, zone=settings.timezone, locale=settings.locale)
    workshop = Workshop(engine, make_gate(url), clock, vault, settings, policy, _no_bell)
    try:
        yield workshop
    finally:
        await engine.dispose()


def _no_bell(bells: Collection[Bell]) -> None:
    """Nobody hears bells in here; the scheduler finds what is due within a second."""


def must_be_migrated(settings: Settings) -> None:
    """Raises SettingsError unless the database has the tables of this program's version."""
    from sqlalchemy import make_url

    from models.revisions import tolerated
    from models.session import head_revision, is_sqlite, schema_needs, schema_revision
    from workers.errors import SettingsError

    url = settings.database_url
    missing = is_sqlite(url) and not Path(str(make_url(url).database)).exists()
    found = None if missing else schema_revision(url)
    if found is not None and found > head_revision() and not tolerated(found, schema_needs(url)):
        raise SettingsError(
            f"the database is at {found} and changed for versions newer than this one ({head_revision()})",
            hint="run the newer version; to go back, restore a backup",
        )
    if not tolerated(found, None):
        raise SettingsError(
            "the database has not the tables of this version of closeloop"
            + (f": there is none in {settings.data}" if missing else ""),
            hint="run closeloop migrate (closeloop up does it by itself), or name the right --data folder",
        )
