"""Which policy is in force, since when, by whom and why: one line for each change."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy_changes",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", sa.String(8), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=True),
        sa.Column("reason", sa.String(240), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_policy_changes"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["policy_versions.id"],
            name="fk_policy_changes_version_id_policy_versions",
            deferrable=True,
            initially="DEFERRED",
        ),
    )
