"""Keys, policies, teams, staff and customers have their tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _data_keys()
    _policy_versions()
    _number_series()
    _teams()
    _staff()
    _customers()
    _close_circle()


def _data_keys() -> None:
    op.create_table(
        "data_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=True),
        sa.Column("ring_key", sa.String(32), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_data_keys"),
        sa.UniqueConstraint("purpose", name="uq_data_keys_purpose"),
    )


def _policy_versions() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_policy_versions"),
        sa.UniqueConstraint("digest", name="uq_policy_versions_digest"),
    )


def _number_series() -> None:
    op.create_table(
        "number_series",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_number_series"),
    )


def _teams() -> None:
    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("supervisor_id", sa.Uuid(), nullable=True),
        sa.Column("substitute_id", sa.Uuid(), nullable=True),
        sa.Column("head_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_teams"),
        sa.UniqueConstraint("name", name="uq_teams_name"),
        sa.ForeignKeyConstraint(
            ["head_id"],
            ["staff.id"],
            name="fk_teams_head_id_staff",
            initially="DEFERRED",
            deferrable=True,
            use_alter=True,
        ),
        sa.ForeignKeyConstraint(
            ["substitute_id"],
            ["staff.id"],
            name="fk_teams_substitute_id_staff",
            initially="DEFERRED",
            deferrable=True,
            use_alter=True,
        ),
        sa.ForeignKeyConstraint(
            ["supervisor_id"],
            ["staff.id"],
            name="fk_teams_supervisor_id_staff",
            initially="DEFERRED",
            deferrable=True,
            use_alter=True,
        ),
    )


def _staff() -> None:
    op.create_table(
        "staff",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(24), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("phone", sa.String(24), nullable=True),
        sa.Column("role", sa.String(24), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("skills", sa.JSON(), nullable=False),
        sa.Column("locale", sa.String(12), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("absent_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staff"),
        sa.UniqueConstraint("email", name="uq_staff_email"),
        sa.UniqueConstraint("number", name="uq_staff_number"),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name="fk_staff_team_id_teams", initially="DEFERRED", deferrable=True
        ),
    )
    op.create_index("ix_staff_team_id", "staff", ["team_id"], unique=False)


def _customers() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(24), nullable=False),
        sa.Column("data_key_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("email_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("email_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("phone_hash", sa.LargeBinary(32), nullable=True),
        sa.Column("masked", sa.String(64), nullable=False),
        sa.Column("locale", sa.String(12), nullable=True),
        sa.Column("customer_group", sa.String(24), nullable=True),
        sa.Column("level", sa.String(24), nullable=True),
        sa.Column("industry", sa.String(64), nullable=True),
        sa.Column("preferred_channel", sa.String(24), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.UniqueConstraint("code", name="uq_customers_code"),
        sa.ForeignKeyConstraint(
            ["data_key_id"],
            ["data_keys.id"],
            name="fk_customers_data_key_id_data_keys",
            initially="DEFERRED",
            deferrable=True,
        ),
    )
    op.create_index("ix_customers_email_hash", "customers", ["email_hash"], unique=True)
    op.create_index("ix_customers_phone_hash", "customers", ["phone_hash"], unique=True)


def _close_circle() -> None:
    # SQLite takes a reference to a table that is made later; PostgreSQL gets it afterwards.
    if op.get_bind().dialect.name == "sqlite":
        return
    for column in ("head_id", "substitute_id", "supervisor_id"):
        op.create_foreign_key(
            f"fk_teams_{column}_staff",
            "teams",
            "staff",
            [column],
            ["id"],
            initially="DEFERRED",
            deferrable=True,
        )
