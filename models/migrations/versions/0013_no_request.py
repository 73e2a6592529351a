"""A ticket may be closed as no request, knows equal subjects and its predecessor; senders are blocked."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STANDING = sa.text("lifted_at IS NULL")


def upgrade() -> None:
    op.add_column("tickets", sa.Column("close_reason", sa.String(32), nullable=True))
    op.add_column("tickets", sa.Column("subject_hash", sa.LargeBinary(32), nullable=True))
    op.add_column("tickets", sa.Column("earlier_id", sa.Uuid(), nullable=True))
    op.create_table(
        "blocked_senders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sender_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("scope", sa.String(8), nullable=False),
        sa.Column("shown", sa.String(255), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.Column("lift_reason", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_blocked_senders"),
        *(_key(*each) for each in (("made_by", "staff"), ("ticket_id", "tickets"), ("lifted_by", "staff"))),
    )
    op.create_index(
        "ix_blocked_senders_standing",
        "blocked_senders",
        ["sender_hash"],
        unique=True,
        sqlite_where=STANDING,
        postgresql_where=STANDING,
    )


def _key(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column],
        [f"{table}.id"],
        name=f"fk_blocked_senders_{column}_{table}",
        deferrable=True,
        initially="DEFERRED",
    )
