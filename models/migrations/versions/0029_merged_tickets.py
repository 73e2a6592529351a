"""A ticket may go on in another one; the next limit of each open one is found in an index."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

OPEN = (
    "met_at IS NULL AND ended_reason IS NULL AND limit_at IS NOT NULL"
    " AND kind IN ('first_response', 'acceptance', 'plan', 'resolution', 'progress')"
)


def upgrade() -> None:
    op.add_column("tickets", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_tickets_merged_into_id",
        "tickets",
        ["merged_into_id"],
        sqlite_where=sa.text("merged_into_id IS NOT NULL"),
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    op.create_index(
        "ix_deadlines_next_limit",
        "deadlines",
        ["limit_at", "id"],
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )


def downgrade() -> None:
    op.drop_index("ix_deadlines_next_limit", "deadlines")
    op.drop_index("ix_tickets_merged_into_id", "tickets")
    op.drop_column("tickets", "merged_into_id")
