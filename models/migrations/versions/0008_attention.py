"""What needs a person's attention is found without reading the whole ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, state in (("intake_events", "poison"), ("notifications", "unknown")):
        only = sa.text(f"state = '{state}'")
        op.create_index(f"ix_{table}_{state}", table, ["state"], sqlite_where=only, postgresql_where=only)
