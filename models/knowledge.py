"""Knowledge entries: what has been found out once, in each language, version by version."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import JSON, Date, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, enum_column, new_id, reference
from models.vocabulary import Category, KnowledgeState


class KnowledgeEntry(Base):
    """One entry. Its words stand in `knowledge_texts`; `version` counts every change, against lost updates.

    `data_key_id` is a key of its own: a draft is made of a customer's masked case, and may hold what the mask
    has missed. `sources` are the numbers of the tickets it comes from. `review_on` is when it is to be looked
    at again; `write_up_by` when a draft that was asked for is to be published (promise time, UTC).
    """

    __tablename__ = "knowledge_entries"
    __table_args__ = (Index("ix_knowledge_entries_state_id", "state", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[KnowledgeState] = mapped_column(enum_column(KnowledgeState))
    category: Mapped[Category | None] = mapped_column(enum_column(Category))
    product: Mapped[str | None] = mapped_column(String(64))
    sources: Mapped[list[str]] = mapped_column(JSON, default=list)
    author_id: Mapped[UUID] = mapped_column(reference("staff.id"))
    data_key_id: Mapped[UUID] = mapped_column(reference("data_keys.id"))
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
    review_on: Mapped[date | None] = mapped_column(Date)
    write_up_by: Mapped[datetime | None]


class KnowledgeText(Base):
    """The words of an entry in one language, as they were from `version` on. Rows are never changed.

    `words_sealed` holds title, problem, cause, solution (JSON, under the entry's key).
    """

    __tablename__ = "knowledge_texts"
    __table_args__ = (UniqueConstraint("entry_id", "locale", "version"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    entry_id: Mapped[UUID] = mapped_column(reference("knowledge_entries.id"))
    locale: Mapped[str] = mapped_column(String(12))
    version: Mapped[int]
    at: Mapped[datetime]
    by_id: Mapped[UUID] = mapped_column(reference("staff.id"))
    words_sealed: Mapped[bytes]


class KnowledgeUse(Base):
    """An entry (or the result of a solved ticket) was passed on to the customer of a ticket.

    Once for each ticket and what was passed on, however often.
    """

    __tablename__ = "knowledge_uses"
    __table_args__ = (
        UniqueConstraint("ticket_id", "source"),
        Index("ix_knowledge_uses_entry_id", "entry_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    ticket_id: Mapped[UUID] = mapped_column(reference("tickets.id"))
    source: Mapped[str] = mapped_column(String(24))
    entry_id: Mapped[UUID | None] = mapped_column(reference("knowledge_entries.id"))
    entry_version: Mapped[int | None]
    staff_id: Mapped[UUID] = mapped_column(reference("staff.id"))
    at: Mapped[datetime]
