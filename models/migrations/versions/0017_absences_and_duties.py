"""Who is absent from when to when, who is on duty, what is to be done at a time, and digests of breaches."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BREACHES = sa.text("kind = 'breach'")
GATHERED = sa.text("digest_id IS NOT NULL")
OPEN = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    _spans("absences", "substitute_id", "staff")
    _spans("duties", "team_id", "teams")
    op.create_table(
        "errands",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.String(24), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(96), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_errands"),
        sa.UniqueConstraint("key", name="uq_errands_key"),
    )
    op.create_index(
        "ix_errands_open", "errands", ["lane", "due_at"], sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.add_column("notifications", sa.Column("digest_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_notifications_digest_id",
        "notifications",
        ["digest_id"],
        sqlite_where=GATHERED,
        postgresql_where=GATHERED,
    )
    op.create_index(
        "ix_notifications_breaches",
        "notifications",
        ["staff_id", "created_at"],
        sqlite_where=BREACHES,
        postgresql_where=BREACHES,
    )


def _spans(table: str, other: str, other_table: str) -> None:
    """A table of whose time it is from when to when; `other` is whom or what it is about besides."""
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column(other, sa.Uuid(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        *(
            sa.ForeignKeyConstraint(
                [column],
                [f"{target}.id"],
                name=f"fk_{table}_{column}_{target}",
                deferrable=True,
                initially="DEFERRED",
            )
            for column, target in (("staff_id", "staff"), (other, other_table))
        ),
    )
    op.create_index(f"ix_{table}_ends_at", table, ["ends_at"])
