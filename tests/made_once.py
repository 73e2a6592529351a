"""What costs much to make and knows no rows, made once for a process of the tests instead of for each house.

A house brings engines and a renderer of its own, and SQLAlchemy and Jinja remember by these what they have
compiled. Within one process of an installation that is so too, only that it lives longer than a test.
"""

from __future__ import annotations

from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import pytest
import typer.main
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import LRUCache

import models.session
import workers.boot.installation
import workers.cli.app
import workers.rendering.renderer
from workers.policy import READY_MADE, Policy, load_policy
from workers.rendering.environment import Sandbox, build_environment
from workers.rendering.images import Images

STATEMENTS = 5_000
"""How many compiled statements are kept: all that there are, in both dialects."""


def share(patch: pytest.MonkeyPatch) -> None:
    """All engines share compiled statements, all renderers without files of an operator their templates,
    all houses the ready-made policies, and all calls of the command line its hundred commands.

    SQLAlchemy takes dialects for different ones unless they are the same object; here those of one class are
    all made with the same options.
    """
    for dialect in (PGDialect_asyncpg, SQLiteDialect_aiosqlite):
        patch.setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))
        patch.setattr(dialect, "__hash__", lambda one: hash(type(one)))
    options: dict[str, Any] = {"compiled_cache": LRUCache(STATEMENTS)}
    patch.setattr(
        models.session, "create_async_engine", partial(create_async_engine, execution_options=options)
    )
    patch.setattr(workers.rendering.renderer, "build_environment", _environment)
    patch.setattr(workers.boot.installation, "load_policy", _policy)
    patch.setattr(workers.cli.app, "make_app", cache(workers.cli.app.make_app))
    patch.setattr(typer.main, "get_command", cache(typer.main.get_command))


def _environment(overrides: Path | None, images: Images) -> Sandbox:
    return _shipped() if overrides is None else build_environment(overrides, images)


@cache
def _shipped() -> Sandbox:
    return build_environment(None, Images(None))


def _policy(path_or_name: str | Path, *, zone: str | None = None, locale: str | None = None) -> Policy:
    known = path_or_name in READY_MADE
    return (_ready_made if known else load_policy)(path_or_name, zone=zone, locale=locale)


_ready_made = lru_cache(maxsize=32)(load_policy)  # with the years of its calendars
