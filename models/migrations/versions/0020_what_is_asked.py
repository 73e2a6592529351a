"""Who is credited with a result stands still from then on; a survey says at which touchpoint it asks what.

A request may belong to an order, which its survey then shows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tickets", sa.Column("credited_id", sa.Uuid(), nullable=True))
    op.add_column("tickets", sa.Column("credited_team_id", sa.Uuid(), nullable=True))
    op.add_column("tickets", sa.Column("order_number", sa.String(64), nullable=True))
    op.add_column("surveys", sa.Column("touchpoint", sa.String(24), nullable=True))
    op.add_column("surveys", sa.Column("questionnaire", sa.String(48), nullable=True))
    op.add_column("surveys", sa.Column("reason", sa.String(48), nullable=True))
