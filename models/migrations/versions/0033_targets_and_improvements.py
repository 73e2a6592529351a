"""Targets, improvement measures, and the log of both, whose lines are never changed."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
TARGETS, IMPROVEMENTS, ENTRIES = "targets", "improvements", "loop_entries"
ACTIONS = ("UPDATE", "DELETE")


def upgrade() -> None:
    _targets()
    _improvements()
    _entries()
    for action in ACTIONS:
        name = f"{ENTRIES}_no_{action.lower()}"
        if op.get_bind().dialect.name == "sqlite":
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {action} ON {ENTRIES} "
                f"BEGIN SELECT RAISE(ABORT, '{ENTRIES} rows are never changed or deleted'); END"
            )
        else:
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {action} ON {ENTRIES} "
                "FOR EACH ROW EXECUTE FUNCTION closeloop_refuse_change()"
            )


def _targets() -> None:
    op.create_table(
        TARGETS,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("measure", sa.String(48), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=False),
        sa.Column("start_value", sa.Double(), nullable=False),
        sa.Column("start_cases", sa.Integer(), nullable=True),
        sa.Column("goal_value", sa.Double(), nullable=False),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("made_by_id", sa.Uuid(), nullable=False),
        sa.Column("department", sa.String(64), nullable=True),
        sa.Column("promised_to", sa.String(64), nullable=True),
        sa.Column("told_behind_at", MOMENT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("result_value", sa.Double(), nullable=True),
        sa.Column("result_cases", sa.Integer(), nullable=True),
        sa.Column("data_key_id", sa.Uuid(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_targets"),
        sa.UniqueConstraint("number", name="uq_targets_number"),
        _key(TARGETS, "owner_id", "staff"),
        _key(TARGETS, "made_by_id", "staff"),
        _key(TARGETS, "data_key_id", "data_keys"),
    )
    op.create_index("ix_targets_state_ends_at", TARGETS, ["state", "ends_at"])
    op.create_index("ix_targets_owner_id", TARGETS, ["owner_id"])


def _improvements() -> None:
    op.create_table(
        IMPROVEMENTS,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("followup_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.String(24), nullable=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("department", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("made_by_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("cycle_days", sa.Integer(), nullable=False),
        sa.Column("verify_at", MOMENT, nullable=False),
        sa.Column("evaluated_at", MOMENT, nullable=True),
        sa.Column("report_by", MOMENT, nullable=True),
        sa.Column("measure", sa.String(48), nullable=True),
        sa.Column("scope", sa.JSON(), nullable=False),
        sa.Column("data_key_id", sa.Uuid(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_improvements"),
        sa.UniqueConstraint("number", name="uq_improvements_number"),
        _key(IMPROVEMENTS, "ticket_id", "tickets"),
        _key(IMPROVEMENTS, "followup_id", "followups"),
        _key(IMPROVEMENTS, "owner_id", "staff"),
        _key(IMPROVEMENTS, "made_by_id", "staff"),
        _key(IMPROVEMENTS, "data_key_id", "data_keys"),
    )
    op.create_index("ix_improvements_state_verify_at", IMPROVEMENTS, ["state", "verify_at"])
    for column in ("ticket_id", "owner_id"):
        op.create_index(f"ix_improvements_{column}", IMPROVEMENTS, [column])


def _entries() -> None:
    op.create_table(
        ENTRIES,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("improvement_id", sa.Uuid(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_loop_entries"),
        _key(ENTRIES, "target_id", TARGETS),
        _key(ENTRIES, "improvement_id", IMPROVEMENTS),
        _key(ENTRIES, "staff_id", "staff"),
    )
    for column in ("target_id", "improvement_id"):
        op.create_index(f"ix_loop_entries_{column}", ENTRIES, [column])


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column],
        [f"{target}.id"],
        name=f"fk_{table}_{column}_{target}",
        deferrable=True,
        initially="DEFERRED",
    )
