"""Customers can be erased, with a certificate; a data key that was destroyed never comes back."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
REFUSED = "rows are never changed or deleted"
GONE = "a destroyed data key does not come back, and none is exchanged or deleted"
CHANGED = (
    "NEW.id IS DISTINCT FROM OLD.id OR NEW.purpose IS DISTINCT FROM OLD.purpose "
    "OR (OLD.wrapped IS NULL AND NEW.wrapped IS NOT NULL)"
)


def upgrade() -> None:
    op.add_column("customers", sa.Column("erased_at", MOMENT, nullable=True))
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(24), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("certificate", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        sa.UniqueConstraint("number", name="uq_erasures_number"),
        sa.UniqueConstraint("customer_id", name="uq_erasures_customer_id"),
        _key("customer_id", "customers"),
        _key("made_by", "staff"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _on_sqlite()
    else:
        _on_postgresql()


def _key(column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column],
        [f"{target}.id"],
        name=f"fk_erasures_{column}_{target}",
        deferrable=True,
        initially="DEFERRED",
    )


def _on_sqlite() -> None:
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER erasures_no_{action.lower()} BEFORE {action} ON erasures "
            f"BEGIN SELECT RAISE(ABORT, 'erasures {REFUSED}'); END"
        )
    changed = CHANGED.replace("IS DISTINCT FROM", "IS NOT")
    op.execute(
        f"CREATE TRIGGER data_keys_stay BEFORE UPDATE ON data_keys WHEN {changed} "
        f"BEGIN SELECT RAISE(ABORT, '{GONE}'); END"
    )
    op.execute(
        "CREATE TRIGGER data_keys_no_delete BEFORE DELETE ON data_keys "
        f"BEGIN SELECT RAISE(ABORT, '{GONE}'); END"
    )


def _on_postgresql() -> None:
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER erasures_no_{action.lower()} BEFORE {action} ON erasures "
            "FOR EACH ROW EXECUTE FUNCTION closeloop_refuse_change()"
        )
    op.execute(
        "CREATE FUNCTION closeloop_keep_data_key() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{GONE}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER data_keys_stay BEFORE UPDATE ON data_keys FOR EACH ROW WHEN ({CHANGED}) "
        "EXECUTE FUNCTION closeloop_keep_data_key()"
    )
    op.execute(
        "CREATE TRIGGER data_keys_no_delete BEFORE DELETE ON data_keys "
        "FOR EACH ROW EXECUTE FUNCTION closeloop_keep_data_key()"
    )
