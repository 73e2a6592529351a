"""From environment and data folder to settings, and to a workshop for commands that look or keep house."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
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
    """Settings of the environment, completed by the secrets kept in the data folder; nothing is made.

    `defaults` are settings (PUBLIC_URL="…") for what the environment leaves open. Raises SettingsError.
    """
    from workers.settings import known_secrets, load_settings

    folder = data_folder(data)
    return load_settings(_environ(known_secrets(folder), defaults), folder)


def make_settings(data: Path | None, **defaults: str) -> Settings:
    """As `find_settings`, but lacking secrets are made and kept in the data folder."""
    from workers.settings import ensure_secrets, load_settings

    folder = data_folder(data)
    return load_settings(_environ(ensure_secrets(folder), defaults), folder)


def _environ(secrets: dict[str, str], defaults: dict[str, str]) -> dict[str, str]:
    """The environment wins over kept secrets, whether a value is given or the file that holds it."""
    offered = {**{f"CLOSELOOP_{name}": value for name, value in defaults.items()}, **secrets}
    given = {name: value for name, value in os.environ.items() if value}
    spare = {
        name: value for name, value in offered.items() if name not in given and f"{name}_FILE" not in given
    }
    return {**os.environ, **spare}


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

    from models.session import head_revision, is_sqlite, schema_revision
    from workers.errors import SettingsError

    url = settings.database_url
    missing = is_sqlite(url) and not Path(str(make_url(url).database)).exists()
    if missing or schema_revision(url) != head_revision():
        raise SettingsError(
            "the database has not the tables of this version of closeloop"
            + (f": there is none in {settings.data}" if missing else ""),
            hint="run closeloop migrate (closeloop up does it by itself), or name the right --data folder",
        )
