"""Tickets and their append-only log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Traced, enum_column, new_id, reference
from models.vocabulary import Category, Medium, Priority, TicketState

APART = "special_period IS NOT NULL OR close_reason IN ('not_a_ticket', 'merged')"
"""Requests that measures leave out, or may; who asks for all others leaves out these few by their index."""


class Ticket(Traced, Base):
    """One customer request from received to closed. All `*_at` are promise time in UTC.

    `opening` counts how often it was opened (1, then +1 per re-open): it is the generation of everything
    that may legitimately happen once more. `version` rises with every change, against lost updates.
    `thread_sealed` keeps the customer-side Message-IDs (JSON list) that our mails refer to. `close_reason` is
    `not_a_ticket` where staff found that it is no request, none where it was closed as usual. `subject_hash`
    tells equal subjects; `earlier_id` is the closed ticket that this one takes further (no
    foreign key: SQLite would have to write the whole table anew for one). `waiting_since` is set while the
    customer is waited for; `waits` counts how often that has begun (the log tells from when to when).
    `credited_id` and `credited_team_id` are who gave the result of this opening: a transfer after it changes
    neither. `order_number` is the team's own number of what was bought.
    `merged_into_id` is the ticket that this one goes on in (`close_reason` is `merged`; no foreign key).
    """

    __tablename__ = "tickets"
    __table_args__ = (
        Index("ix_tickets_state_received_at", "state", "received_at"),
        Index("ix_tickets_received_at", "received_at"),
        Index(
            "ix_tickets_resolved_at",
            "resolved_at",
            sqlite_where=text("resolved_at IS NOT NULL"),
            postgresql_where=text("resolved_at IS NOT NULL"),
        ),
        Index(
            "ix_tickets_order_number",
            "order_number",
            sqlite_where=text("order_number IS NOT NULL"),
            postgresql_where=text("order_number IS NOT NULL"),
        ),
        Index(
            "ix_tickets_merged_into_id",
            "merged_into_id",
            sqlite_where=text("merged_into_id IS NOT NULL"),
            postgresql_where=text("merged_into_id IS NOT NULL"),
        ),
        Index("ix_tickets_apart", "id", sqlite_where=text(APART), postgresql_where=text(APART)),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    version: Mapped[int] = mapped_column(default=1)
    opening: Mapped[int] = mapped_column(default=1)
    state: Mapped[TicketState] = mapped_column(enum_column(TicketState), default=TicketState.TO_ASSIGN)
    priority: Mapped[Priority] = mapped_column(enum_column(Priority))
    category: Mapped[Category] = mapped_column(enum_column(Category), default=Category.OTHER)
    further_categories: Mapped[list[str]] = mapped_column(JSON, default=list)
    subkind: Mapped[str | None] = mapped_column(String(24))
    channel: Mapped[Medium] = mapped_column(enum_column(Medium))
    locale: Mapped[str] = mapped_column(String(12))
    customer_id: Mapped[UUID] = mapped_column(reference("customers.id"), index=True)
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    subject_sealed: Mapped[bytes]
    description_sealed: Mapped[bytes]
    background_sealed: Mapped[bytes | None]
    thread_sealed: Mapped[bytes | None]
    policy_version_id: Mapped[UUID] = mapped_column(reference("policy_versions.id"))
    special_period: Mapped[str | None] = mapped_column(String(64))

    team_id: Mapped[UUID | None] = mapped_column(reference("teams.id"), index=True)
    first_team_id: Mapped[UUID | None] = mapped_column(reference("teams.id"))
    cooperating: Mapped[list[str]] = mapped_column(JSON, default=list)
    handler_id: Mapped[UUID | None] = mapped_column(reference("staff.id"), index=True)

    occurred_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    opened_at: Mapped[datetime]
    triaged_at: Mapped[datetime | None]
    assigned_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    expected_resolution_at: Mapped[datetime | None]
    first_response_at: Mapped[datetime | None]
    transferred_at: Mapped[datetime | None]
    planned_at: Mapped[datetime | None]
    feedback_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[str | None] = mapped_column(String(16))
    unconfirmed_reason: Mapped[str | None] = mapped_column(String(64))
    rated_at: Mapped[datetime | None]
    unrated_reason: Mapped[str | None] = mapped_column(String(64))
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None] = mapped_column(String(32))
    subject_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    earlier_id: Mapped[UUID | None]

    attention: Mapped[bool] = mapped_column(default=False)
    overdue_count: Mapped[int] = mapped_column(default=0)
    urged_count: Mapped[int] = mapped_column(default=0)
    waiting_since: Mapped[datetime | None]
    waits: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    credited_id: Mapped[UUID | None]
    credited_team_id: Mapped[UUID | None]
    order_number: Mapped[str | None] = mapped_column(String(64))
    merged_into_id: Mapped[UUID | None]


class TicketEntry(Base):
    """One line of a ticket's log. Rows are never changed or deleted (the database refuses it).

    A correction is a new row with `corrects_id`. `facts` holds codes, ids and times only; what a customer
    or an agent said stands in `words_sealed`. `evidence` refers to a call record or message.
    """

    __tablename__ = "ticket_entries"
    __table_args__ = (
        Index("ix_ticket_entries_ticket_id_at", "ticket_id", "at"),
        Index(
            "ix_ticket_entries_customer_wrote",
            "ticket_id",
            "at",
            sqlite_where=text("kind = 'customer_wrote'"),
            postgresql_where=text("kind = 'customer_wrote'"),
        ),
        Index(
            "ix_ticket_entries_untold",
            "kind",
            "at",
            sqlite_where=text("kind IN ('rung_broken', 'nobody_to_tell')"),
            postgresql_where=text("kind IN ('rung_broken', 'nobody_to_tell')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    ticket_id: Mapped[UUID] = mapped_column(reference("tickets.id"))
    followup_id: Mapped[UUID | None] = mapped_column(reference("followups.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(24))
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    words_sealed: Mapped[bytes | None]
    evidence: Mapped[str | None] = mapped_column(String(128))
    corrects_id: Mapped[UUID | None] = mapped_column(reference("ticket_entries.id"))
    notification_id: Mapped[UUID | None] = mapped_column(reference("notifications.id"))


class TicketMessage(Base):
    """Which Message-ID belongs to which ticket, both ways, by keyed hash (threading, RFC 5322 §3.6.4)."""

    __tablename__ = "ticket_messages"

    message_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    ticket_id: Mapped[UUID] = mapped_column(reference("tickets.id"), index=True)


class NumberSeries(Base):
    """The last number drawn of a series such as `CS20240520`; drawn in a short transaction of its own."""

    __tablename__ = "number_series"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    last: Mapped[int]


class ImportedRow(Base):
    """A row of a table, or a form of the console, that was taken in: the keyed hash of its number or of all
    it says, and what it became.

    `number` is that of the ticket, survey or whatever else it has become.
    """

    __tablename__ = "imported_rows"

    row_key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    number: Mapped[str] = mapped_column(String(24))
