"""Links and reply addresses that let their holder do one thing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, new_id, reference


class Link(Base):
    """A token (kept as its hash only) with its purpose and subject.

    `purpose` is what it allows (survey, confirm, unsubscribe, accept, acknowledge, acknowledge_all,
    approve, take_back, take_followup, followup, reply …). A link works until `expires_at`, once if
    `single_use`; `used_at` tells when.
    """

    __tablename__ = "links"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    purpose: Mapped[str] = mapped_column(String(24))
    ticket_id: Mapped[UUID | None] = mapped_column(reference("tickets.id"), index=True)
    subject_id: Mapped[UUID | None]
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    customer_id: Mapped[UUID | None] = mapped_column(reference("customers.id"))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    single_use: Mapped[bool] = mapped_column(default=False)
    used_at: Mapped[datetime | None]
