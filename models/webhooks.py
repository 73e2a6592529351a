"""Endpoints of other systems, what they are told, and each try to tell them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import JSON, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Promised, enum_column, new_id, reference


class WebhookState(StrEnum):
    """What became of an event on its way to one endpoint; `stopped`: the endpoint hears nothing any more."""

    QUEUED = "queued"
    SENDING = "sending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    STOPPED = "stopped"


class WebhookEndpoint(Base):
    """Where another system listens. The address may carry a token: it is sealed under the system's key.

    `events` are the types it hears, `push` says that messages to customers' apps go out by it. Without
    `team_id` it hears of all teams. `disabled_reason` is `gone`, `failing` or `by_staff`. `failures` counts
    tries in a row that failed, `failing_since` (promise time) is when the first of them was.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    url_sealed: Mapped[bytes]
    host: Mapped[str] = mapped_column(String(255))
    events: Mapped[list[str]] = mapped_column(JSON, default=list)
    push: Mapped[bool] = mapped_column(default=False)
    team_id: Mapped[UUID | None] = mapped_column(reference("teams.id"))
    active: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str | None] = mapped_column(String(24))
    disabled_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    made_by: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    made_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    resting_until: Mapped[datetime | None]


class WebhookSecret(Base):
    """A secret by which calls to an endpoint are signed; several are valid while one replaces another."""

    __tablename__ = "webhook_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    endpoint_id: Mapped[UUID] = mapped_column(reference("webhook_endpoints.id"), index=True)
    secret_sealed: Mapped[bytes]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class WebhookEvent(Base):
    """Something that endpoints are told, as the bytes that go out, written in the transaction of its fact.

    `body` holds numbers, codes, states and times: nothing of a customer but the masked code. `team_id` is
    whose ticket it was then (no foreign key: it only says who may hear of it).
    """

    __tablename__ = "webhook_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    type: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    made_at: Mapped[datetime] = mapped_column(index=True)
    ticket_id: Mapped[UUID | None] = mapped_column(reference("tickets.id"), index=True)
    team_id: Mapped[UUID | None]
    body: Mapped[str] = mapped_column(Text)


class WebhookDelivery(Promised, Base):
    """The promise to tell one endpoint of one event. `replays` counts how often it was asked for again."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "ix_webhook_deliveries_open",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_webhook_deliveries_of_endpoint",
            "endpoint_id",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("ix_webhook_deliveries_event_id_endpoint_id", "event_id", "endpoint_id", unique=True),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
    )

    event_id: Mapped[UUID] = mapped_column(reference("webhook_events.id"))
    endpoint_id: Mapped[UUID] = mapped_column(reference("webhook_endpoints.id"))
    state: Mapped[WebhookState] = mapped_column(enum_column(WebhookState), default=WebhookState.QUEUED)
    reason: Mapped[str | None] = mapped_column(String(48))
    made_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    replays: Mapped[int] = mapped_column(default=0)


class WebhookAttempt(Base):
    """One try; exists before the first byte goes out. `outcome` is empty while it is under way."""

    __tablename__ = "webhook_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    delivery_id: Mapped[UUID] = mapped_column(reference("webhook_deliveries.id"), index=True)
    lease_token: Mapped[UUID]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(48))
    code: Mapped[int | None]
    text: Mapped[str | None] = mapped_column(String(300))
    seconds: Mapped[float | None]


class AppAccount(Base):
    """By what the team's app or official account 公众号 knows a customer, sealed under the customer's key."""

    __tablename__ = "app_accounts"

    customer_id: Mapped[UUID] = mapped_column(reference("customers.id"), primary_key=True)
    account_sealed: Mapped[bytes]
    account_hash: Mapped[bytes] = mapped_column(LargeBinary(32), index=True)
    made_at: Mapped[datetime]
