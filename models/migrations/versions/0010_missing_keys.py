"""Messages whose customer's key is missing are found without reading the whole ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    only = sa.text("reason = 'key_missing'")
    op.create_index(
        "ix_notifications_key_missing", "notifications", ["reason"], sqlite_where=only, postgresql_where=only
    )
