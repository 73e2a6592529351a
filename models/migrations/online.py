"""What a migration does to a table that is in use, without keeping those out who use it."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import context, op


def create_index(
    name: str, table: str, columns: Sequence[str], *, unique: bool = False, where: str = ""
) -> None:
    """An index on a table that may have millions of rows.

    PostgreSQL builds it beside all others' work (CREATE INDEX CONCURRENTLY) once the migration is committed;
    SQLite has one writer anyhow and builds it at once.
    """
    quoted = ", ".join(f'"{column}"' for column in columns)
    kind, rows = ("UNIQUE INDEX" if unique else "INDEX"), (f" WHERE {where}" if where else "")
    later = context.config.attributes.get("later")
    if op.get_bind().dialect.name == "sqlite" or later is None:
        op.execute(f'CREATE {kind} {name} ON "{table}" ({quoted}){rows}')
    else:
        later[name] = f'CREATE {kind} CONCURRENTLY {name} ON "{table}" ({quoted}){rows}'


def drop_index(name: str) -> None:
    """An index that `create_index` made, or was going to make once all migrations are through."""
    later = context.config.attributes.get("later")
    if later is not None:
        later.pop(name, None)
    op.execute(f"DROP INDEX IF EXISTS {name}")
