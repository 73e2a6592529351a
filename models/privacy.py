"""Erasures of customers with their certificates; the audit log and its seals."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, new_id, reference


class Erasure(Base):
    """What was removed of a customer, what stays and why. Rows are never changed or deleted.

    `certificate` holds counts, codes and times only; `made_by` is empty when it was done at the command line.
    """

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    customer_id: Mapped[UUID] = mapped_column(reference("customers.id"), unique=True)
    at: Mapped[datetime]
    made_by: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    certificate: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditEntry(Base):
    """Who saw or changed what, or was refused.

    `kind` is view, change, export, sign_in, denied or command; `action` the route or command, `subject` the
    number or code that it named, `status` the HTTP status. `details_sealed` holds what is personal of whoever
    did it (address, browser), under the installation's key; it goes earlier than the row, and
    `details_hash`, its keyed hash, stays. `seal` is the number of the seal that covers the row; nothing else
    of it can be changed.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index(
            "ix_audit_entries_unsealed",
            "id",
            sqlite_where=text("seal IS NULL"),
            postgresql_where=text("seal IS NULL"),
        ),
        Index("ix_audit_entries_seal", "seal"),
        Index("ix_audit_entries_staff_id_id", "staff_id", "id"),
        Index("ix_audit_entries_subject_id", "subject", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(12))
    action: Mapped[str] = mapped_column(String(120))
    subject: Mapped[str | None] = mapped_column(String(64))
    staff_id: Mapped[UUID | None]
    key_id: Mapped[UUID | None]
    status: Mapped[int | None]
    details_sealed: Mapped[bytes | None]
    details_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    seal: Mapped[int | None]


class AuditSeal(Base):
    """A seal over a batch of audit entries, chained to the one before.

    `leaves` holds the id and the keyed hash of each row (48 bytes); they go with the rows when these are too
    old, and `leaves_digest` stays, so that the chain holds. `digest` is keyed over number, time, the digest
    before and `leaves_digest`.
    """

    __tablename__ = "audit_seals"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    rows: Mapped[int]
    leaves: Mapped[bytes | None]
    leaves_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    previous: Mapped[bytes] = mapped_column(LargeBinary(32))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
