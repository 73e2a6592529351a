"""A claim and a send change a notification where it stands, without touching its indexes.

PostgreSQL does so (a heap-only tuple) when the page has room and no changed column is indexed. An index over
`state` made every change of state a new entry in all seven indexes: two thirds of the database's work for a
mail. A BRIN index over the same few rows hinders nobody (from PostgreSQL 16 on). Bodies are sealed, which no
compression makes smaller: trying took a fifth of the time of storing them.

Room is left in pages written from now on; an old ledger need not be rewritten.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.drop_index("ix_notifications_unknown", "notifications")
    op.create_index(
        "ix_notifications_unknown",
        "notifications",
        ["state"],
        postgresql_using="brin",
        postgresql_where=sa.text("state = 'unknown'"),
    )
    op.execute("ALTER TABLE notifications SET (fillfactor = 65)")
    op.execute("ALTER TABLE notification_bodies ALTER COLUMN body_sealed SET STORAGE EXTERNAL")
