"""Data keys and policy versions: what later rows are read and judged by."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, new_id, reference


class DataKey(Base):
    """A random key that seals one customer's (or event's) data, wrapped by the key ring's key `ring_key`.

    Re-wrapping rotates it, emptying `wrapped` erases all that it sealed. `purpose` names the few keys of
    the installation itself: `lookup` (keyed hashes), `reply` (reply addresses), `system`.
    """

    __tablename__ = "data_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    purpose: Mapped[str | None] = mapped_column(String(16), unique=True)
    ring_key: Mapped[str] = mapped_column(String(32))
    wrapped: Mapped[bytes | None]


class RingKey(Base):
    """A key of the key ring that has wrapped data keys, by its id. The key itself is not in the database.

    A process that starts without one of these looks whether anything is still wrapped by it; if nothing is,
    the row goes.
    """

    __tablename__ = "ring_keys"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)


class PolicyVersion(Base):
    """The text of an SLA policy as it was when tickets were judged by it."""

    __tablename__ = "policy_versions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    applied_at: Mapped[datetime]


class PolicyChange(Base):
    """One change of the policy in force; the one with the highest `number` is in force.

    `origin` is `start` (a process found another file than before) or `apply` (a person applied it; `made_by`
    says who, `reason` why). What was applied stays in force until the next `apply`, whatever file a process
    starts with.
    """

    __tablename__ = "policy_changes"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version_id: Mapped[UUID] = mapped_column(reference("policy_versions.id"))
    at: Mapped[datetime]
    origin: Mapped[str] = mapped_column(String(8))
    made_by: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(240))


class PolicyPilot(Base):
    """A policy version that some teams try: their tickets are judged by it from `began_at` to `ends_at`.

    `teams` holds the ids of the teams as texts. `end` is `over` (the time was up), `stopped` or `promoted`,
    since `ended_at`; `settled_at` says when the last of its open tickets had come under the version in force
    again. `told_at` is up to when the managers have been sent summaries.
    """

    __tablename__ = "policy_pilots"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version_id: Mapped[UUID] = mapped_column(reference("policy_versions.id"))
    teams: Mapped[list[str]] = mapped_column(JSON)
    began_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end: Mapped[str | None] = mapped_column(String(12))
    settled_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    made_by: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(240))
