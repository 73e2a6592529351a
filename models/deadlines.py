"""Deadlines: what must have happened by when, and who hears of it before and after."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Promised, enum_column, reference
from models.vocabulary import DeadlineKind, DeadlineState

UNMET = (
    "met_at IS NULL AND ended_reason IS NULL AND limit_at IS NOT NULL"
    " AND kind IN ('first_response', 'acceptance', 'plan', 'resolution', 'progress')"
)
"""Limits of the work that nothing has met; a list by the next one asks in these words, for its index."""


class Deadline(Promised, Base):
    """One clock on one fact. `alarms` is the plan made when it was armed: what to do when, in time order.

    `due_at` is the next alarm that is left (`alarm_no` its place), none when there is nothing left to do.
    `key` = kind : fact : generation, so that arming twice is arming once. The verdict (`met_at` against
    `limit_at`) comes from time stamps, never from when an alarm was heard. A paused one stands still since
    `paused_at`; its limit moves when it runs again.
    """

    __tablename__ = "deadlines"
    __table_args__ = (
        Index(
            "ix_deadlines_open",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_deadlines_next_limit",
            "limit_at",
            "id",
            sqlite_where=text(UNMET),
            postgresql_where=text(UNMET),
        ),
        Index(
            "ix_deadlines_limit_at",
            "limit_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        ),
        Index(
            "ix_deadlines_breached_at",
            "breached_at",
            sqlite_where=text("breached_at IS NOT NULL"),
            postgresql_where=text("breached_at IS NOT NULL"),
        ),
    )

    key: Mapped[str] = mapped_column(String(96), unique=True)
    kind: Mapped[DeadlineKind] = mapped_column(enum_column(DeadlineKind))
    generation: Mapped[int]
    state: Mapped[DeadlineState] = mapped_column(enum_column(DeadlineState), default=DeadlineState.RUNNING)
    ticket_id: Mapped[UUID] = mapped_column(reference("tickets.id"), index=True)
    survey_id: Mapped[UUID | None] = mapped_column(reference("surveys.id"))
    followup_id: Mapped[UUID | None] = mapped_column(reference("followups.id"), index=True)
    started_at: Mapped[datetime]
    limit_at: Mapped[datetime | None]
    alarms: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    alarm_no: Mapped[int] = mapped_column(default=0)
    met_at: Mapped[datetime | None]
    breached_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None] = mapped_column(String(48))
    acknowledged_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    policy_version_id: Mapped[UUID] = mapped_column(reference("policy_versions.id"))


class Errand(Promised, Base):
    """Something to be done at a time that belongs to no ticket: an absence begins, a review is due.

    `key` makes it once; `subject_id` names the row it is about. No personal data is in it.
    """

    __tablename__ = "errands"
    __table_args__ = (
        Index(
            "ix_errands_open",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    key: Mapped[str] = mapped_column(String(96), unique=True)
    kind: Mapped[str] = mapped_column(String(24))
    subject_id: Mapped[UUID | None]
    done_at: Mapped[datetime | None]
