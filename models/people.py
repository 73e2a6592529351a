"""Customers, staff and teams."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, LargeBinary, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_column, new_id, reference
from models.vocabulary import Medium, Role


class Customer(Base):
    """A customer: shown as `code` or masked; contacts and name sealed under the customer's own data key.

    `merged_into_id` is set when this proved to be the same customer as that one: its row stays for what is
    sealed under its key and for its contacts, and whoever finds it goes on to the other (no foreign key:
    SQLite would have to write the whole table anew for one). `version` rises with every change by staff.
    """

    __tablename__ = "customers"
    __table_args__ = (
        Index(
            "ix_customers_level",
            "level",
            "id",
            sqlite_where=text("level IS NOT NULL"),
            postgresql_where=text("level IS NOT NULL"),
        ),
        Index(
            "ix_customers_group",
            "customer_group",
            "id",
            sqlite_where=text("customer_group IS NOT NULL"),
            postgresql_where=text("customer_group IS NOT NULL"),
        ),
        Index(
            "ix_customers_merged_into_id",
            "merged_into_id",
            sqlite_where=text("merged_into_id IS NOT NULL"),
            postgresql_where=text("merged_into_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(String(24), unique=True)
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
    name_sealed: Mapped[bytes | None]
    email_sealed: Mapped[bytes | None]
    email_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True, unique=True)
    phone_sealed: Mapped[bytes | None]
    phone_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True, unique=True)
    masked: Mapped[str] = mapped_column(String(64), default="")
    locale: Mapped[str | None] = mapped_column(String(12))
    customer_group: Mapped[str | None] = mapped_column(String(24))
    level: Mapped[str | None] = mapped_column(String(24))
    industry: Mapped[str | None] = mapped_column(String(64))
    preferred_channel: Mapped[Medium | None] = mapped_column(enum_column(Medium))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    merged_into_id: Mapped[UUID | None]


class CustomerOrder(Base):
    """An order number that belongs to a customer: the team's own number, no personal data."""

    __tablename__ = "customer_orders"

    order_number: Mapped[str] = mapped_column(String(64), primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(reference("customers.id"), index=True)


class CustomerChange(Base):
    """A line of a customer's history: `kind` is added, changed, merged or unmerged.

    `facts` hold codes and names of fields, never what a contact or name was.
    """

    __tablename__ = "customer_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    customer_id: Mapped[UUID] = mapped_column(reference("customers.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Team(Base):
    """A team with the people an escalation climbs to."""

    __tablename__ = "teams"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    supervisor_id: Mapped[UUID | None] = mapped_column(reference("staff.id", use_alter=True))
    substitute_id: Mapped[UUID | None] = mapped_column(reference("staff.id", use_alter=True))
    head_id: Mapped[UUID | None] = mapped_column(reference("staff.id", use_alter=True))


class Staff(Base):
    """A member of staff. Company addresses are not customers' data: they stay readable, in lower case.

    `open_limit` is how many tickets they may have in progress before they get no new one (None: no limit of
    their own). `last_assigned_at` is when they got the last one.
    """

    __tablename__ = "staff"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    email: Mapped[str] = mapped_column(String(254), unique=True)
    phone: Mapped[str | None] = mapped_column(String(24))
    role: Mapped[Role] = mapped_column(enum_column(Role), default=Role.AGENT)
    team_id: Mapped[UUID | None] = mapped_column(reference("teams.id"), index=True)
    skills: Mapped[list[str]] = mapped_column(JSON, default=list)
    locale: Mapped[str | None] = mapped_column(String(12))
    active: Mapped[bool] = mapped_column(default=True)
    absent_until: Mapped[datetime | None]
    last_assigned_at: Mapped[datetime | None]
    senior: Mapped[bool] = mapped_column(default=False, server_default=false())
    open_limit: Mapped[int | None]


class Absence(Base):
    """Somebody is away from `starts_at` to `ends_at` (exclusive), unless it was cancelled.

    `substitute_id` stands in; who that is may be absent as well and have a substitute in turn.
    """

    __tablename__ = "absences"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[UUID] = mapped_column(reference("staff.id"))
    substitute_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    made_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]


class Duty(Base):
    """Somebody is on duty 值班 from `starts_at` to `ends_at` (exclusive), for one team, or for all teams."""

    __tablename__ = "duties"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[UUID] = mapped_column(reference("staff.id"))
    team_id: Mapped[UUID | None] = mapped_column(reference("teams.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    made_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
