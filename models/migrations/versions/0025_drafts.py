"""Answers that were only begun wait apart from answers, so that they can vanish without a trace.

Of those that may still be completed the newest moves there; those before it, and what was begun before an
answer that then was fully anonymous, are deleted. This is the one time that rows of `survey_answers` go.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

DELETED = (
    "DELETE FROM survey_answers WHERE NOT final AND survey_id IN "
    "(SELECT id FROM surveys WHERE state = 'invited' OR anonymous)"
)
MOVED = """
INSERT INTO survey_drafts (survey_id, at, scores, data_key_id, words_sealed)
SELECT survey_id, at, scores, data_key_id, words_sealed FROM survey_answers
WHERE NOT final AND survey_id IN (SELECT id FROM surveys WHERE state = 'invited')
AND NOT EXISTS (SELECT 1 FROM survey_answers later
                WHERE later.survey_id = survey_answers.survey_id AND later.version > survey_answers.version)
"""


def upgrade() -> None:
    op.create_table(
        "survey_drafts",
        sa.Column("survey_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("data_key_id", sa.Uuid(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("survey_id", name="pk_survey_drafts"),
        _reference("survey_id", "surveys"),
        _reference("data_key_id", "data_keys"),
    )
    op.execute(MOVED)
    with _deleting():
        op.execute(DELETED)


def _reference(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column],
        [f"{table}.id"],
        name=f"fk_survey_drafts_{column}_{table}",
        initially="DEFERRED",
        deferrable=True,
    )


@contextmanager
def _deleting() -> Iterator[None]:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER survey_answers_no_delete")
        yield
        op.execute(
            "CREATE TRIGGER survey_answers_no_delete BEFORE DELETE ON survey_answers "
            "BEGIN SELECT RAISE(ABORT, 'survey_answers rows are never changed or deleted'); END"
        )
        return
    op.execute("ALTER TABLE survey_answers DISABLE TRIGGER survey_answers_no_delete")
    yield
    op.execute("ALTER TABLE survey_answers ENABLE TRIGGER survey_answers_no_delete")
