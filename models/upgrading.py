"""What a change of the schema does, on a connection that is given: under a lock, giving way to others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, String, bindparam, inspect, text

from models.revisions import after

LOCK_TIMEOUT = "5s"
MIGRATION_LOCK = 0x636C6F6F70  # any number that only this program asks PostgreSQL to lock


def upgrade(connection: Connection, revision: str, folder: Path) -> None:
    """Bring the schema up to `revision` by the migrations of `folder`, in the transaction of `connection`.

    One process does it at a time. Raises DBAPIError (55P03) when somebody holds a table for too long.
    """
    from alembic import command  # 0.2 s that only a change of the schema needs
    from alembic.config import Config

    later: dict[str, str] = {}  # a fresh database builds all at once: nobody works beside it
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # Who waits for a table in use makes all others wait behind: rather give way, and try again.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    before = current_revision(connection)
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes.update(connection=connection, later=None if before is None else later)
    command.upgrade(config, revision)
    contracts = [each.number for each in after(before, folder) if each.contract and each.number <= revision]
    if before is not None and (contracts or later):
        facts = facts_of(connection)
        _note(connection, {**facts, "indexes": {**facts.get("indexes", {}), **later}}, contracts[-1:])
    elif contracts:
        _note(connection, {}, contracts[-1:])


def _note(connection: Connection, facts: dict[str, Any], needs: list[str]) -> None:
    """Keep with the schema what it needs, and which indexes are still to be built."""
    value = json.dumps({**facts, **({"needs": needs[0]} if needs else {})})
    given = "CAST(:facts AS json)" if connection.dialect.name == "postgresql" else ":facts"
    connection.execute(
        text(
            f"INSERT INTO chores (name, failures, facts) VALUES ('schema', 0, {given})"  # noqa: S608 - own words
            " ON CONFLICT (name) DO UPDATE SET facts = excluded.facts"
        ).bindparams(bindparam("facts", type_=String)),
        {"facts": value},
    )


def facts_of(connection: Connection) -> dict[str, Any]:
    """What is kept with the schema: `needs`, from which revision on a program fits; `indexes` to be built."""
    if not inspect(connection).has_table("chores"):
        return {}
    found = connection.scalar(text("SELECT CAST(facts AS text) FROM chores WHERE name = 'schema'"))
    known: dict[str, Any] = json.loads(found) if found else {}
    return known


def build_indexes(connection: Connection) -> None:
    """The indexes that migrations have promised, one after the other; one that was broken off begins anew."""
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
    waiting = facts_of(connection).get("indexes", {})
    for name, statement in list(waiting.items()):
        connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
        connection.execute(text(statement))
        facts = facts_of(connection)
        facts["indexes"].pop(name, None)
        _note(connection, facts, [])


def current_revision(connection: Connection) -> str | None:
    """The revision the database is at; None when it has never been migrated."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
