"""Who is senior, how much one person may have open at once, and policies that a team tries for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff", sa.Column("senior", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("staff", sa.Column("open_limit", sa.Integer(), nullable=True))
    op.create_table(
        "policy_pilots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("teams", sa.JSON(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end", sa.String(12), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by", sa.String(64), nullable=True),
        sa.Column("reason", sa.String(240), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_policy_pilots"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["policy_versions.id"],
            name="fk_policy_pilots_version_id_policy_versions",
            deferrable=True,
            initially="DEFERRED",
        ),
    )
