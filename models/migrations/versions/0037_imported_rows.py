"""A row that a team brought from an earlier table is known again: it is taken in once."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imported_rows",
        sa.Column("row_key", sa.LargeBinary(32), nullable=False),
        sa.Column("number", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("row_key", name="pk_imported_rows"),
    )
