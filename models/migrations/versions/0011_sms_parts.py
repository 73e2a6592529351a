"""The parts of one long SMS find each other."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("intake_events", sa.Column("group_hash", sa.LargeBinary(32)))
    there = sa.text("group_hash IS NOT NULL")
    op.create_index(
        "ix_intake_events_group_hash",
        "intake_events",
        ["group_hash"],
        sqlite_where=there,
        postgresql_where=there,
    )
