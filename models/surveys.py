"""CSAT surveys, their unchangeable answers, and the follow-ups that low scores open."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_column, new_id, reference
from models.vocabulary import Category, FollowupState, Medium


class Survey(Base):
    """One invitation to rate one resolution. `staff_id` is the agent credited, frozen at resolution.

    `touchpoint` is where in the service it asks, `questionnaire` names what it asks in its policy (None:
    that of the category), `reason` why somebody is not asked (`not_sampled`, `by_rule`, `fatigue_cap` …).
    """

    __tablename__ = "surveys"
    __table_args__ = (
        UniqueConstraint("ticket_id", "opening"),
        Index("ix_surveys_invited_at", "invited_at"),
        Index(
            "ix_surveys_answered_at",
            "answered_at",
            sqlite_where=text("answered_at IS NOT NULL"),
            postgresql_where=text("answered_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    ticket_id: Mapped[UUID] = mapped_column(reference("tickets.id"))
    opening: Mapped[int]
    customer_id: Mapped[UUID] = mapped_column(reference("customers.id"))
    staff_id: Mapped[UUID | None] = mapped_column(reference("staff.id"), index=True)
    team_id: Mapped[UUID | None] = mapped_column(reference("teams.id"))
    category: Mapped[Category] = mapped_column(enum_column(Category))
    customer_group: Mapped[str | None] = mapped_column(String(24))
    channel: Mapped[Medium] = mapped_column(enum_column(Medium))
    locale: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(16), default="invited")
    service_at: Mapped[datetime]
    invited_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    revised_at: Mapped[datetime | None]
    asked_back_at: Mapped[datetime | None]
    anonymous: Mapped[bool] = mapped_column(default=False)
    touchpoint: Mapped[str | None] = mapped_column(String(24))
    questionnaire: Mapped[str | None] = mapped_column(String(48))
    reason: Mapped[str | None] = mapped_column(String(48))
    policy_version_id: Mapped[UUID] = mapped_column(reference("policy_versions.id"))


class SurveyAnswer(Base):
    """The customer's scores and own words. Rows are never changed or deleted (the database refuses it).

    Who completes or changes an answer makes a new `version`; the latest one counts, those before it tell how
    it was. One that is not `final` lacks the overall score: a beginning that was completed under the
    customer's name. A fully anonymous answer has no `survey_id` and only a day, that on which it left the
    ballot box with others: nobody can link it back.
    """

    __tablename__ = "survey_answers"
    __table_args__ = (
        Index(None, "survey_id", "version", unique=True),
        Index(
            "ix_survey_answers_anonymous",
            "at",
            sqlite_where=text("survey_id IS NULL"),
            postgresql_where=text("survey_id IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    survey_id: Mapped[UUID | None] = mapped_column(reference("surveys.id"))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    final: Mapped[bool] = mapped_column(default=True, server_default=true())
    at: Mapped[datetime]
    category: Mapped[Category] = mapped_column(enum_column(Category))
    scores: Mapped[dict[str, int]] = mapped_column(JSON)
    source: Mapped[str] = mapped_column(String(16))
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    words_sealed: Mapped[bytes | None]


class SurveyDraft(Base):
    """What a customer has begun to answer, until it is completed; shown to nobody but them meanwhile.

    Completed under their name it becomes the first version of the answer. Completed fully anonymously the
    row is deleted, which those of `survey_answers` never are.
    """

    __tablename__ = "survey_drafts"

    survey_id: Mapped[UUID] = mapped_column(reference("surveys.id"), primary_key=True)
    at: Mapped[datetime]
    scores: Mapped[dict[str, int]] = mapped_column(JSON)
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    words_sealed: Mapped[bytes | None]


class AnonymousAnswer(Base):
    """A fully anonymous answer in the ballot box, where it waits for others to leave with."""

    __tablename__ = "anonymous_answers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    category: Mapped[Category] = mapped_column(enum_column(Category))
    scores: Mapped[dict[str, int]] = mapped_column(JSON)
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    words_sealed: Mapped[bytes | None]


class Followup(Base):
    """The second follow-up 二次跟进 after a low score: must be *started* by `start_by`, ends re-evaluated.

    `tries` counts contacts that reached nobody. `due_at` is until when a measure is to be set, and once it is
    (`measured_at`) until when it is to be evaluated; `measure_owner_id` answers for it.
    """

    __tablename__ = "followups"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    survey_id: Mapped[UUID] = mapped_column(reference("surveys.id"), unique=True)
    ticket_id: Mapped[UUID] = mapped_column(reference("tickets.id"), index=True)
    customer_id: Mapped[UUID] = mapped_column(reference("customers.id"))
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    state: Mapped[FollowupState] = mapped_column(enum_column(FollowupState), default=FollowupState.OPEN)
    round: Mapped[int] = mapped_column(default=1)
    version: Mapped[int] = mapped_column(default=1)
    scores: Mapped[dict[str, int]] = mapped_column(JSON)
    opened_at: Mapped[datetime]
    start_by: Mapped[datetime]
    started_at: Mapped[datetime | None]
    owner_id: Mapped[UUID | None] = mapped_column(reference("staff.id"), index=True)
    cause: Mapped[str | None] = mapped_column(String(16))
    term: Mapped[str | None] = mapped_column(String(8))
    department: Mapped[str | None] = mapped_column(String(64))
    tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    measure_owner_id: Mapped[UUID | None]
    measured_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    evaluated_at: Mapped[datetime | None]
    plan: Mapped[dict[str, Any]] = mapped_column(default=dict)
