"""Reports of a period are kept as they were made, and with them by which mails they went."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
REPORTS, SENDS = "period_reports", "period_report_sends"


def upgrade() -> None:
    op.create_table(
        REPORTS,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(96), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("teams", sa.JSON(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("data_key_id", sa.Uuid(), nullable=False),
        sa.Column("document_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_period_reports"),
        sa.UniqueConstraint("key", name="uq_period_reports_key"),
        _later("staff_id", "staff.id", "fk_period_reports_staff_id_staff"),
        _later("data_key_id", "data_keys.id", "fk_period_reports_data_key_id_data_keys"),
    )
    op.create_index("ix_period_reports_made_at", REPORTS, ["made_at"])
    op.create_index("ix_period_reports_staff_id", REPORTS, ["staff_id"])
    op.create_table(
        SENDS,
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("instead_of_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("notification_id", name="pk_period_report_sends"),
        _later("notification_id", "notifications.id", "fk_period_report_sends_notification_id_notifications"),
        _later("report_id", f"{REPORTS}.id", "fk_period_report_sends_report_id_period_reports"),
        _later("instead_of_id", "staff.id", "fk_period_report_sends_instead_of_id_staff"),
    )
    op.create_index("ix_period_report_sends_report_id", SENDS, ["report_id"])


def _later(column: str, target: str, name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=name, deferrable=True, initially="DEFERRED")
