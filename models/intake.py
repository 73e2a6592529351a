"""What came in: every authentic event, stored before it is answered, once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Promised, Traced, enum_column, new_id, reference
from models.vocabulary import EventState


class IntakeEvent(Promised, Traced, Base):
    """One event from a mailbox, webhook or the API. `source` + `external_id` outlive the body's purge.

    `group_hash` is the same in all parts of one long SMS.
    """

    __tablename__ = "intake_events"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index(
            "ix_intake_events_open",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_intake_events_poison",
            "state",
            sqlite_where=text("state = 'poison'"),
            postgresql_where=text("state = 'poison'"),
        ),
        Index(
            "ix_intake_events_rejected",
            "kind",
            "id",
            sqlite_where=text("state = 'rejected'"),
            postgresql_where=text("state = 'rejected'"),
        ),
        Index(
            "ix_intake_events_group_hash",
            "group_hash",
            sqlite_where=text("group_hash IS NOT NULL"),
            postgresql_where=text("group_hash IS NOT NULL"),
        ),
    )

    source: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(128))
    received_at: Mapped[datetime]
    state: Mapped[EventState] = mapped_column(enum_column(EventState), default=EventState.RECEIVED)
    kind: Mapped[str | None] = mapped_column(String(24))
    reason: Mapped[str | None] = mapped_column(String(200))
    ticket_id: Mapped[UUID | None] = mapped_column(reference("tickets.id"), index=True)
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    group_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))


class IntakeBody(Base):
    """The raw bytes and envelope of an event, sealed; purged by age without touching the event."""

    __tablename__ = "intake_bodies"

    event_id: Mapped[UUID] = mapped_column(reference("intake_events.id"), primary_key=True)
    envelope_sealed: Mapped[bytes]
    raw_sealed: Mapped[bytes]


class BlockedSender(Base):
    """An address, or all addresses of a domain, whose new mails and SMS are no requests; by keyed hash.

    `scope` is `address` or `domain`, `shown` the address masked, or the domain. A row stands until it is
    lifted or its `until` has passed, and stays as history after that. `ticket_id` is the ticket by which
    staff came to block the sender.
    """

    __tablename__ = "blocked_senders"
    __table_args__ = (
        Index(
            "ix_blocked_senders_standing",
            "sender_hash",
            unique=True,
            sqlite_where=text("lifted_at IS NULL"),
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    sender_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    scope: Mapped[str] = mapped_column(String(8))
    shown: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]
    until: Mapped[datetime | None]
    made_by: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    ticket_id: Mapped[UUID | None] = mapped_column(reference("tickets.id"))
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    lift_reason: Mapped[str | None] = mapped_column(String(32))
