"""The ledger: every message to anyone, every attempt, every receipt, and who must not be written to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Promised, Traced, enum_column, new_id, reference
from models.vocabulary import Medium, NotificationState

RARE = "state IN ('bounced', 'complained', 'expired', 'failed', 'held', 'unknown')"
"""What the index over rare states holds."""


class Notification(Promised, Traced, Base):
    """One message to one person by one channel, a row before it is sent.

    `key` = kind : fact : generation : rung : recipient : channel makes it happen once per reason.
    `facts_sealed` is what the template is given (JSON), `links` which links to mint when it is rendered:
    name → {purpose, subject, hours, …}. `meets` names the deadline kind that its acceptance meets.
    `message_id` is fixed here and the same on every try. A merged one that is told as a line of a digest
    names it by `digest_id` (no foreign key: SQLite would have to write the whole table anew for one).
    """

    __tablename__ = "notifications"
    __table_args__ = (
        Index(
            "ix_notifications_open",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_notifications_unknown",
            "state",
            sqlite_where=text("state = 'unknown'"),
            postgresql_where=text("state = 'unknown'"),
        ),
        Index(
            "ix_notifications_trouble",
            "state",
            sqlite_where=text(RARE),
            postgresql_where=text(RARE),
        ),
        Index("ix_notifications_created_at", "created_at", postgresql_using="brin"),
        Index(
            "ix_notifications_key_missing",
            "reason",
            sqlite_where=text("reason = 'key_missing'"),
            postgresql_where=text("reason = 'key_missing'"),
        ),
        Index(
            "ix_notifications_deadline_id",
            "deadline_id",
            sqlite_where=text("deadline_id IS NOT NULL"),
            postgresql_where=text("deadline_id IS NOT NULL"),
        ),
        Index(
            "ix_notifications_digest_id",
            "digest_id",
            sqlite_where=text("digest_id IS NOT NULL"),
            postgresql_where=text("digest_id IS NOT NULL"),
        ),
        Index(
            "ix_notifications_breaches",
            "staff_id",
            "created_at",
            sqlite_where=text("kind = 'breach'"),
            postgresql_where=text("kind = 'breach'"),
        ),
    )

    key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    channel: Mapped[Medium] = mapped_column(enum_column(Medium))
    state: Mapped[NotificationState] = mapped_column(
        enum_column(NotificationState), default=NotificationState.QUEUED
    )
    reason: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]

    ticket_id: Mapped[UUID | None] = mapped_column(reference("tickets.id"), index=True)
    deadline_id: Mapped[UUID | None] = mapped_column(reference("deadlines.id"))
    survey_id: Mapped[UUID | None] = mapped_column(reference("surveys.id"))
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    customer_id: Mapped[UUID | None] = mapped_column(reference("customers.id"))
    meets: Mapped[str | None] = mapped_column(String(24))
    digest_id: Mapped[UUID | None]

    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    recipient_sealed: Mapped[bytes]
    recipient_hash: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    locale: Mapped[str] = mapped_column(String(12))
    facts_sealed: Mapped[bytes]
    links: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    message_id: Mapped[str | None] = mapped_column(String(200))


class NotificationBody(Base):
    """The rendered bytes as they go out, sealed; kept so that every try sends the same, purged by age."""

    __tablename__ = "notification_bodies"

    notification_id: Mapped[UUID] = mapped_column(reference("notifications.id"), primary_key=True)
    made_at: Mapped[datetime]
    body_sealed: Mapped[bytes]


class DeliveryAttempt(Base):
    """One try to send; exists before the first byte goes out. `outcome` is empty while it is under way."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (
        Index("ix_delivery_attempts_notification_id", "notification_id"),
        Index(
            "ix_delivery_attempts_provider_id",
            "provider_id",
            sqlite_where=text("provider_id IS NOT NULL"),
            postgresql_where=text("provider_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    notification_id: Mapped[UUID] = mapped_column(reference("notifications.id"))
    lease_token: Mapped[UUID]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(48))
    code: Mapped[int | None]
    text: Mapped[str | None] = mapped_column(String(500))
    host: Mapped[str | None] = mapped_column(String(128))
    tls: Mapped[bool | None]
    provider_id: Mapped[str | None] = mapped_column(String(128))
    seconds: Mapped[float | None]


class Receipt(Base):
    """What a provider or a bouncing mail said later about a message that had been sent."""

    __tablename__ = "receipts"
    __table_args__ = (UniqueConstraint("source", "external_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(160))
    notification_id: Mapped[UUID | None] = mapped_column(reference("notifications.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(24))
    reason: Mapped[str | None] = mapped_column(String(64))


class Suppression(Base):
    """An address that must not be written to, by keyed hash, and why; `scope` is `all` or `surveys`.

    A row stands until it is lifted or its `until` has passed, and stays as history after that. `made_by` is
    the member of staff who blocked the address, `notification_id` the message that came back or was
    complained of. `lift_reason` says why it was lifted; without `lifted_by` it was the customer, or time.
    """

    __tablename__ = "suppressions"
    __table_args__ = (
        Index(
            "ix_suppressions_standing",
            "address_hash",
            "channel",
            "scope",
            "reason",
            unique=True,
            sqlite_where=text("lifted_at IS NULL"),
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    address_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    channel: Mapped[Medium] = mapped_column(enum_column(Medium))
    scope: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]
    until: Mapped[datetime | None]
    made_by: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    notification_id: Mapped[UUID | None] = mapped_column(reference("notifications.id"))
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    lift_reason: Mapped[str | None] = mapped_column(String(32))
