"""The audit log: entries that only get sealed, seals in a chain."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ENTRIES, SEALS = "audit_entries", "audit_seals"
KEPT = {
    ENTRIES: ("id", "at", "kind", "action", "subject", "staff_id", "key_id", "status", "details_hash"),
    SEALS: ("number", "at", "rows", "leaves_digest", "previous", "digest"),
}
ONLY = {
    ENTRIES: "(NEW.seal IS DISTINCT FROM OLD.seal AND OLD.seal IS NOT NULL) "
    "OR (NEW.details_sealed IS DISTINCT FROM OLD.details_sealed AND NEW.details_sealed IS NOT NULL)",
    SEALS: "(NEW.leaves IS DISTINCT FROM OLD.leaves AND NEW.leaves IS NOT NULL)",
}
STANDS = (
    "OLD.seal IS NULL OR EXISTS (SELECT 1 FROM audit_seals WHERE number = OLD.seal AND leaves IS NOT NULL)"
)


def upgrade() -> None:
    _entries()
    op.create_table(
        SEALS,
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=True),
        sa.Column("leaves_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_seals"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _on_sqlite()
    else:
        _on_postgresql()


def _entries() -> None:
    op.create_table(
        ENTRIES,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("action", sa.String(120), nullable=False),
        sa.Column("subject", sa.String(64), nullable=True),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("details_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("details_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("seal", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )
    unsealed = sa.text("seal IS NULL")
    op.create_index(
        "ix_audit_entries_unsealed", ENTRIES, ["id"], sqlite_where=unsealed, postgresql_where=unsealed
    )
    op.create_index("ix_audit_entries_seal", ENTRIES, ["seal"])
    op.create_index("ix_audit_entries_staff_id_id", ENTRIES, ["staff_id", "id"])
    op.create_index("ix_audit_entries_subject_id", ENTRIES, ["subject", "id"])


def _changed(table: str) -> str:
    """What must not happen to a row that is updated."""
    return " OR ".join([*(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in KEPT[table]), ONLY[table]])


def _on_sqlite() -> None:
    for table in (ENTRIES, SEALS):
        changed = _changed(table).replace("IS DISTINCT FROM", "IS NOT")
        op.execute(
            f"CREATE TRIGGER {table}_stay BEFORE UPDATE ON {table} WHEN {changed} "
            f"BEGIN SELECT RAISE(ABORT, '{table} rows are never changed'); END"
        )
    op.execute(
        f"CREATE TRIGGER {ENTRIES}_no_delete BEFORE DELETE ON {ENTRIES} WHEN {STANDS} "
        f"BEGIN SELECT RAISE(ABORT, '{ENTRIES} rows are never deleted before their seal is emptied'); END"
    )
    op.execute(
        f"CREATE TRIGGER {SEALS}_no_delete BEFORE DELETE ON {SEALS} "
        f"BEGIN SELECT RAISE(ABORT, '{SEALS} rows are never deleted'); END"
    )


def _on_postgresql() -> None:
    for table in (ENTRIES, SEALS):
        op.execute(
            f"CREATE TRIGGER {table}_stay BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({_changed(table)}) "
            "EXECUTE FUNCTION closeloop_refuse_change()"
        )
    op.execute(
        "CREATE FUNCTION closeloop_refuse_sealed_delete() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF {STANDS} THEN RAISE EXCEPTION '% rows are never deleted before their seal is emptied', "
        "TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN OLD; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {ENTRIES}_no_delete BEFORE DELETE ON {ENTRIES} "
        "FOR EACH ROW EXECUTE FUNCTION closeloop_refuse_sealed_delete()"
    )
    op.execute(
        f"CREATE TRIGGER {SEALS}_no_delete BEFORE DELETE ON {SEALS} "
        "FOR EACH ROW EXECUTE FUNCTION closeloop_refuse_change()"
    )
