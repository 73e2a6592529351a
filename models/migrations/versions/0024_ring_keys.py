"""Which keys of the key ring have wrapped data keys, so that none is dropped while one is still needed."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ring_keys",
        sa.Column("name", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ring_keys"),
    )
    op.execute("INSERT INTO ring_keys (name) SELECT DISTINCT ring_key FROM data_keys")
