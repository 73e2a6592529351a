"""Reports of a week, a month or a quarter as they were made, and the mails that brought them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, new_id, reference


class PeriodReport(Base):
    """A report as it was when it was made, once for each kind, period and scope (`key`).

    `first_day` and `last_day` (included) are local days of `zone`. `staff_id` is the supervisor whose
    teams it is about (`teams`: their names then), none for a report about all teams. The figures are sealed.
    """

    __tablename__ = "period_reports"
    __table_args__ = (Index("ix_period_reports_made_at", "made_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(String(96), unique=True)
    kind: Mapped[str] = mapped_column(String(12))
    first_day: Mapped[date]
    last_day: Mapped[date]
    zone: Mapped[str] = mapped_column(String(64))
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"), index=True)
    teams: Mapped[list[Any]] = mapped_column(JSON, default=list)
    made_at: Mapped[datetime]
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    document_sealed: Mapped[bytes]


class PeriodReportSend(Base):
    """A mail by which a report went to somebody; in place of whom, when that person was absent."""

    __tablename__ = "period_report_sends"

    notification_id: Mapped[UUID] = mapped_column(reference("notifications.id"), primary_key=True)
    report_id: Mapped[UUID] = mapped_column(reference("period_reports.id"), index=True)
    instead_of_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
