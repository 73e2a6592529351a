"""A suppression can be lifted and stays as history; it says who made it, and for which message."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STANDING = sa.text("lifted_at IS NULL")


def upgrade() -> None:
    # SQLite cannot drop a constraint: there the (small) table is made anew with its rows.
    with op.batch_alter_table("suppressions") as table:
        table.drop_constraint("uq_suppressions_address_hash_channel_scope", type_="unique")
        table.add_column(_pointer("made_by", "staff"))
        table.add_column(_pointer("notification_id", "notifications"))
        table.add_column(sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(_pointer("lifted_by", "staff"))
        table.add_column(sa.Column("lift_reason", sa.String(32), nullable=True))
    op.create_index(
        "ix_suppressions_standing",
        "suppressions",
        ["address_hash", "channel", "scope", "reason"],
        unique=True,
        sqlite_where=STANDING,
        postgresql_where=STANDING,
    )


def _pointer(name: str, table: str) -> sa.Column[object]:
    key = sa.ForeignKey(
        f"{table}.id", name=f"fk_suppressions_{name}_{table}", deferrable=True, initially="DEFERRED"
    )
    return sa.Column(name, sa.Uuid(), key, nullable=True)
