"""A follow-up counts the tries that reached nobody, and its measure has an owner and a time it was set."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("followups", sa.Column("tries", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("followups", sa.Column("measure_owner_id", sa.Uuid(), nullable=True))
    op.add_column("followups", sa.Column("measured_at", sa.DateTime(timezone=True), nullable=True))
