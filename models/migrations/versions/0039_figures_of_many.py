"""Figures of very many requests are kept for some minutes; what they leave out has an index."""

import sqlalchemy as sa
from alembic import op

from models.migrations.online import create_index

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_figures",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("question", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("took", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_kept_figures"),
    )
    apart = "special_period IS NOT NULL OR close_reason IN ('not_a_ticket', 'merged')"
    create_index("ix_tickets_apart", "tickets", ["id"], where=apart)
