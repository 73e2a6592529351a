"""An answer may be completed or changed, keeping what it was; anonymous ones wait in a ballot box.

The box is the only place from which answers are ever taken: out of it they come several at once, mixed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

KEPT = ("ticket_entries", "survey_answers")


def upgrade() -> None:
    op.add_column("surveys", sa.Column("revised_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("surveys", sa.Column("asked_back_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("survey_answers", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column(
        "survey_answers", sa.Column("final", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.drop_index("ix_survey_answers_survey_id", "survey_answers")
    op.create_index(
        "ix_survey_answers_survey_id_version", "survey_answers", ["survey_id", "version"], unique=True
    )
    op.create_table(
        "anonymous_answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.String(24), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("data_key_id", sa.Uuid(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_anonymous_answers"),
        sa.ForeignKeyConstraint(
            ["data_key_id"],
            ["data_keys.id"],
            name="fk_anonymous_answers_data_key_id_data_keys",
            initially="DEFERRED",
            deferrable=True,
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in KEPT:
            op.execute(
                f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION closeloop_refuse_change()"
            )
