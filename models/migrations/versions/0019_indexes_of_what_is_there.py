"""Indexes over a notice's deadline and a provider's id of a mail leave out rows that have none.

Most messages tell of no deadline, and no attempt has a provider's id before it is answered. A settled
notification gets a new entry in each index that covers it: here one less for most mails, and one less for
each attempt. Every query by these columns asks for a value, so it finds its index as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_notifications_deadline_id", "notifications", "deadline_id"),
    ("ix_delivery_attempts_provider_id", "delivery_attempts", "provider_id"),
)


def upgrade() -> None:
    for name, table, column in INDEXES:
        op.drop_index(name, table)
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, table, [column], sqlite_where=there, postgresql_where=there)
