"""A ticket may wait for its customer, and its clocks stand still meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tickets", sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tickets", sa.Column("waits", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("deadlines", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
