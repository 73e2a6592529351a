"""Communication records and their history, which nobody can change."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

RECORDS, ENTRIES = "communications", "communication_entries"
MOMENT = sa.DateTime(timezone=True)
INDEXES = (
    (RECORDS, "happened_at"),
    (RECORDS, "handler_id", "id"),
    (RECORDS, "customer_id", "id"),
    (RECORDS, "closed_at"),
    (RECORDS, "ticket_id"),
    (ENTRIES, "communication_id"),
    (ENTRIES, "shared_staff_id"),
    (ENTRIES, "shared_team_id"),
)


def upgrade() -> None:
    _records()
    _entries()
    for table, *columns in INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    if op.get_bind().dialect.name == "sqlite":
        _refuse_on_sqlite()
    else:
        _refuse_on_postgresql()


def _records() -> None:
    op.create_table(
        RECORDS,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("channel", sa.String(24), nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("late_entry", sa.Boolean(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("data_key_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("handler_id", sa.Uuid(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("next_round", sa.Integer(), nullable=False),
        sa.Column("shared_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("row_key", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_communications"),
        sa.UniqueConstraint("number", name="uq_communications_number"),
        sa.UniqueConstraint("row_key", name="uq_communications_row_key"),
        _key(RECORDS, "customer_id", "customers"),
        _key(RECORDS, "data_key_id", "data_keys"),
        _key(RECORDS, "ticket_id", "tickets"),
        _key(RECORDS, "handler_id", "staff"),
    )


def _entries() -> None:
    op.create_table(
        ENTRIES,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("communication_id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("shared_staff_id", sa.Uuid(), nullable=True),
        sa.Column("shared_team_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_communication_entries"),
        _key(ENTRIES, "communication_id", RECORDS),
        _key(ENTRIES, "staff_id", "staff"),
        _key(ENTRIES, "shared_staff_id", "staff"),
        _key(ENTRIES, "shared_team_id", "teams"),
    )


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column],
        [f"{target}.id"],
        name=f"fk_{table}_{column}_{target}",
        deferrable=True,
        initially="DEFERRED",
    )


def _refuse_on_sqlite() -> None:
    op.execute(
        "CREATE TRIGGER communication_entries_no_update BEFORE UPDATE ON communication_entries "
        "BEGIN SELECT RAISE(ABORT, 'communication_entries rows are never changed or deleted'); END"
    )
    op.execute(
        "CREATE TRIGGER communication_entries_no_delete BEFORE DELETE ON communication_entries "
        "WHEN EXISTS (SELECT 1 FROM communications WHERE id = OLD.communication_id) "
        "BEGIN SELECT RAISE(ABORT, 'communication_entries rows are never changed or deleted'); END"
    )


def _refuse_on_postgresql() -> None:
    """Lines go only after their record, in the transaction that purges it (its foreign key is deferred)."""
    op.execute(
        "CREATE TRIGGER communication_entries_no_update BEFORE UPDATE ON communication_entries "
        "FOR EACH ROW EXECUTE FUNCTION closeloop_refuse_change()"
    )
    op.execute(
        "CREATE FUNCTION closeloop_refuse_lone_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT 1 FROM communications WHERE id = OLD.communication_id) THEN "
        "RAISE EXCEPTION '% rows are never changed or deleted', TG_TABLE_NAME "
        "USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN OLD; END $$"
    )
    op.execute(
        "CREATE TRIGGER communication_entries_no_delete BEFORE DELETE ON communication_entries "
        "FOR EACH ROW EXECUTE FUNCTION closeloop_refuse_lone_delete()"
    )
