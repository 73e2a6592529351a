"""The customer master: order numbers, merged customers, a history; and indexes for the lists of the console.

No list of the console reads a whole table. What a claim or a send changes stays in no B-tree index: the rare
states of messages are found by a BRIN index, which a change in place need not touch elsewhere.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("customers", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("customers", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.create_table(
        "customer_orders",
        sa.Column("order_number", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("order_number", name="pk_customer_orders"),
        _reference("customer_orders", "customer_id", "customers"),
    )
    op.create_index("ix_customer_orders_customer_id", "customer_orders", ["customer_id"])
    op.create_table(
        "customer_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer_changes"),
        _reference("customer_changes", "customer_id", "customers"),
        _reference("customer_changes", "staff_id", "staff"),
    )
    op.create_index("ix_customer_changes_customer_id", "customer_changes", ["customer_id"])
    _index("ix_customers_level", "customers", ["level", "id"], "level IS NOT NULL")
    _index("ix_customers_group", "customers", ["customer_group", "id"], "customer_group IS NOT NULL")
    _index("ix_customers_merged_into_id", "customers", ["merged_into_id"], "merged_into_id IS NOT NULL")
    _index("ix_tickets_order_number", "tickets", ["order_number"], "order_number IS NOT NULL")
    untold = "kind IN ('rung_broken', 'nobody_to_tell')"
    _index("ix_ticket_entries_untold", "ticket_entries", ["kind", "at"], untold)
    _index("ix_intake_events_rejected", "intake_events", ["kind", "id"], "state = 'rejected'")
    trouble = "state IN ('bounced', 'complained', 'expired', 'failed', 'held')"
    _index("ix_notifications_trouble", "notifications", ["state"], trouble, brin=True)
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"], postgresql_using="brin")


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{other}"
    return sa.ForeignKeyConstraint(
        [column], [f"{other}.id"], name=name, deferrable=True, initially="DEFERRED"
    )


def _index(name: str, table: str, columns: list[str], where: str, *, brin: bool = False) -> None:
    rows = sa.text(where)
    using = "brin" if brin else "btree"
    op.create_index(name, table, columns, sqlite_where=rows, postgresql_where=rows, postgresql_using=using)
