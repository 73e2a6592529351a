"""What measures of a period ask for has indexes: requests, limits, surveys and what customers wrote.

Requests are many and change often, so only moments that are asked for alone have an index, and none where it
would not be set. Limits are as many as deadlines, which are written most: a BRIN index over them costs next
to nothing, and they come nearly in order.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_tickets_received_at", "tickets", ["received_at"], None),
    ("ix_tickets_resolved_at", "tickets", ["resolved_at"], "resolved_at IS NOT NULL"),
    ("ix_ticket_entries_customer_wrote", "ticket_entries", ["ticket_id", "at"], "kind = 'customer_wrote'"),
    ("ix_deadlines_breached_at", "deadlines", ["breached_at"], "breached_at IS NOT NULL"),
    ("ix_surveys_invited_at", "surveys", ["invited_at"], None),
    ("ix_surveys_answered_at", "surveys", ["answered_at"], "answered_at IS NOT NULL"),
    ("ix_survey_answers_anonymous", "survey_answers", ["at"], "survey_id IS NULL"),
)


def upgrade() -> None:
    for name, table, columns, which in INDEXES:
        rows = sa.text(which) if which else None
        op.create_index(name, table, columns, sqlite_where=rows, postgresql_where=rows)
    op.create_index(
        "ix_deadlines_limit_at",
        "deadlines",
        ["limit_at"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )
