"""Communication records 沟通记录: each talk with a customer, and the append-only history of each record."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_column, new_id, reference
from models.vocabulary import CommunicationState, Medium


class Communication(Base):
    """One talk with a customer, on a ticket or on none. All `*_at` are promise time in UTC.

    `happened_at` may lie in the past (`late_entry` 补录: it never meets a limit), `recorded_at` never does.
    `words_sealed` holds description, summary, solution and next action (JSON, under the customer's key).
    `next_round` counts how often the time of the next action was set: reminders of an earlier one are void.
    `row_key` is the keyed hash of the row or request that it was made from, so that it is made once.
    """

    __tablename__ = "communications"
    __table_args__ = (
        Index("ix_communications_happened_at", "happened_at"),
        Index("ix_communications_handler_id_id", "handler_id", "id"),
        Index("ix_communications_customer_id_id", "customer_id", "id"),
        Index("ix_communications_closed_at", "closed_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[CommunicationState] = mapped_column(enum_column(CommunicationState))
    channel: Mapped[Medium] = mapped_column(enum_column(Medium))
    happened_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    late_entry: Mapped[bool] = mapped_column(default=False)
    customer_id: Mapped[UUID] = mapped_column(reference("customers.id"))
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    ticket_id: Mapped[UUID | None] = mapped_column(reference("tickets.id"), index=True)
    handler_id: Mapped[UUID] = mapped_column(reference("staff.id"))
    words_sealed: Mapped[bytes]
    next_at: Mapped[datetime | None]
    next_round: Mapped[int] = mapped_column(default=0)
    shared_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    row_key: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)


class CommunicationEntry(Base):
    """One line of a record's history. Rows are never changed, and go only when their record is purged.

    `facts` holds codes, ids and times; what people wrote stands in `words_sealed`. A line that tells of
    sharing names with whom: a person, or a team.
    """

    __tablename__ = "communication_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    communication_id: Mapped[UUID] = mapped_column(reference("communications.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(32))
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    words_sealed: Mapped[bytes | None]
    shared_staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"), index=True)
    shared_team_id: Mapped[UUID | None] = mapped_column(reference("teams.id"), index=True)
