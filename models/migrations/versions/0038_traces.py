"""What came in, tickets and messages remember the trace (W3C traceparent) that they came about in."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("intake_events", "tickets", "notifications"):
        op.add_column(table, sa.Column("trace", sa.String(55), nullable=True))
