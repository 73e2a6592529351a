"""Keyed hashes by which words are found, and knowledge entries with their texts and uses."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ENTRIES, TEXTS, USES = "knowledge_entries", "knowledge_texts", "knowledge_uses"


def upgrade() -> None:
    _search()
    _entries()
    _texts_and_uses()


def _search() -> None:
    op.create_table(
        "search_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.String(24), nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("free_at", MOMENT, nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_tasks"),
    )
    op.create_index(
        "ix_search_tasks_open",
        "search_tasks",
        ["lane", "due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "search_documents",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("tokens", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_search_documents"),
        sa.UniqueConstraint("subject_id", name="uq_search_documents_subject_id"),
    )
    op.create_table(
        "search_buckets",
        sa.Column("place", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_search_buckets"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "search_lists",
        sa.Column("token", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("block", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("many", sa.SmallInteger(), nullable=False),
        sa.Column("documents", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("token", "block", name="pk_search_lists"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_state",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("last_id", sa.Uuid(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_search_state"),
    )


def _entries() -> None:
    op.create_table(
        ENTRIES,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("category", sa.String(24), nullable=True),
        sa.Column("product", sa.String(64), nullable=True),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("data_key_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.Column("retired_at", MOMENT, nullable=True),
        sa.Column("review_on", sa.Date(), nullable=True),
        sa.Column("write_up_by", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_knowledge_entries"),
        sa.UniqueConstraint("number", name="uq_knowledge_entries_number"),
        _key(ENTRIES, "author_id", "staff"),
        _key(ENTRIES, "data_key_id", "data_keys"),
    )
    op.create_index("ix_knowledge_entries_state_id", ENTRIES, ["state", "id"])


def _texts_and_uses() -> None:
    op.create_table(
        TEXTS,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("locale", sa.String(12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("words_sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_knowledge_texts"),
        sa.UniqueConstraint(
            "entry_id", "locale", "version", name="uq_knowledge_texts_entry_id_locale_version"
        ),
        _key(TEXTS, "entry_id", ENTRIES),
        _key(TEXTS, "by_id", "staff"),
    )
    op.create_table(
        USES,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(24), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=True),
        sa.Column("entry_version", sa.Integer(), nullable=True),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_knowledge_uses"),
        sa.UniqueConstraint("ticket_id", "source", name="uq_knowledge_uses_ticket_id_source"),
        _key(USES, "ticket_id", "tickets"),
        _key(USES, "entry_id", ENTRIES),
        _key(USES, "staff_id", "staff"),
    )
    op.create_index("ix_knowledge_uses_entry_id", USES, ["entry_id"])


def _key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column],
        [f"{target}.id"],
        name=f"fk_{table}_{column}_{target}",
        deferrable=True,
        initially="DEFERRED",
    )
