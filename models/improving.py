"""Targets, improvement measures, and the log of what was said and decided about each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_column, new_id, reference
from models.vocabulary import Category, ImprovementState, TargetState


class Target(Base):
    """A measure that is to go from `start_value` to `goal_value` by `ends_at`, with an owner.

    `measure` and `scope` (codes only: team, category …) name the figure; values are in its own unit. It is
    measured over `window_days`, before the start and before each look. With `promised_to` it is an agreement:
    `department` promises it to that one. `start_cases` None: the start was given by hand.
    `told_behind_at` is when the owner last heard that it lags. Its title is sealed under a key of its own.
    """

    __tablename__ = "targets"
    __table_args__ = (Index("ix_targets_state_ends_at", "state", "ends_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[TargetState] = mapped_column(enum_column(TargetState), default=TargetState.RUNNING)
    measure: Mapped[str] = mapped_column(String(48))
    scope: Mapped[dict[str, Any]] = mapped_column(default=dict)
    start_value: Mapped[float]
    start_cases: Mapped[int | None]
    goal_value: Mapped[float]
    window_days: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    owner_id: Mapped[UUID] = mapped_column(reference("staff.id"), index=True)
    made_by_id: Mapped[UUID] = mapped_column(reference("staff.id"))
    department: Mapped[str | None] = mapped_column(String(64))
    promised_to: Mapped[str | None] = mapped_column(String(64))
    told_behind_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    result_value: Mapped[float | None]
    result_cases: Mapped[int | None]
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    words_sealed: Mapped[bytes | None]


class Improvement(Base):
    """An improvement measure 改进措施 with its verification cycle 验证周期 and what came of it.

    It is about a ticket, a follow-up's case, or a theme (`category`, or words only). It is to be carried out
    by `due_at`, was so at `done_at`, and is verified `cycle_days` after that, at `verify_at`; while a review
    report is asked for, `report_by` says until when. `measure` and `scope` name the figure that is compared.
    Theme and measure are sealed under a key of its own.
    """

    __tablename__ = "improvements"
    __table_args__ = (Index("ix_improvements_state_verify_at", "state", "verify_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[ImprovementState] = mapped_column(
        enum_column(ImprovementState), default=ImprovementState.TO_VERIFY
    )
    round: Mapped[int] = mapped_column(default=1)
    ticket_id: Mapped[UUID | None] = mapped_column(reference("tickets.id"), index=True)
    followup_id: Mapped[UUID | None] = mapped_column(reference("followups.id"))
    category: Mapped[Category | None] = mapped_column(enum_column(Category))
    kind: Mapped[str] = mapped_column(String(16))
    cause: Mapped[str] = mapped_column(String(16))
    department: Mapped[str] = mapped_column(String(64))
    owner_id: Mapped[UUID] = mapped_column(reference("staff.id"), index=True)
    made_by_id: Mapped[UUID] = mapped_column(reference("staff.id"))
    made_at: Mapped[datetime]
    due_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    cycle_days: Mapped[int]
    verify_at: Mapped[datetime]
    evaluated_at: Mapped[datetime | None]
    report_by: Mapped[datetime | None]
    measure: Mapped[str | None] = mapped_column(String(48))
    scope: Mapped[dict[str, Any]] = mapped_column(default=dict)
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    words_sealed: Mapped[bytes | None]


class LoopEntry(Base):
    """One line of the log of a target or of an improvement: set, changed, reported, evaluated, ended.

    Rows are only added. `facts` hold codes, numbers and times; what people wrote is in `words_sealed`, under
    the key of what it is about.
    """

    __tablename__ = "loop_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    target_id: Mapped[UUID | None] = mapped_column(reference("targets.id"), index=True)
    improvement_id: Mapped[UUID | None] = mapped_column(reference("improvements.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(32))
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"))
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    words_sealed: Mapped[bytes | None]
