"""What all tables share: ids, times in UTC, and the promise that a row makes."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import JSON, DateTime, Enum, ForeignKey, FromClause, LargeBinary, MetaData, String, Uuid
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from models.vocabulary import Lane

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_id() -> UUID:
    """A fresh UUID version 7 (RFC 9562 §5.7): ordered by time of making, so that indexes stay dense."""
    return uuid_utils.compat.uuid7()


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, the same on SQLite (which drops zones) and on PostgreSQL.

    Raises ValueError for a naive datetime: a moment without a zone is a bug, not a default.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Declarative base. Enums are stored as their words, so that a table can be read by eye."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        UUID: Uuid(as_uuid=True),
        datetime: UtcDateTime(),
        bytes: LargeBinary(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
    }

    def __init__(self, **values: Any) -> None:
        """A new row with these values. Raises TypeError for what is no column.

        SQLAlchemy's own constructor notes each value as a change, which a row that is going to be inserted
        whole does not need: a fifth of the time of making a ticket.
        """
        unknown = values.keys() - _columns(type(self))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        self.__dict__.update(values)


@cache  # it is asked for each new row
def _columns(model: type[Base]) -> frozenset[str]:
    return frozenset(model.__mapper__.columns.keys())


def word(length: int = 24) -> String:
    """Column type for a word of `models.vocabulary` (kept as text: adding a word needs no migration)."""
    return String(length)


def enum_column(enum: type) -> Enum:
    """Column type that gives back members of `enum` and stores their values, without a database type."""
    return Enum(
        enum,
        native_enum=False,
        create_constraint=False,
        length=24,
        values_callable=lambda e: [member.value for member in e],
    )


def reference(target: str, *, use_alter: bool = False) -> ForeignKey:
    """A foreign key to `target` ("table.column") that the database checks when the transaction commits.

    So the rows of one fact may be written in any order: nothing here uses ORM relationships, by which
    SQLAlchemy would find the order itself.
    """
    return ForeignKey(target, use_alter=use_alter, deferrable=True, initially="DEFERRED")


TRACE: ContextVar[str | None] = ContextVar("closeloop_trace", default=None)
"""The trace that the work at hand belongs to (W3C traceparent), while traces are wanted."""


def _trace_at_hand() -> str | None:
    return TRACE.get()


class Traced:
    """A row that takes over the trace of the work by which it came about, and hands it on.

    `trace` is a W3C traceparent: random numbers, which tell nothing of anybody.
    """

    trace: Mapped[str | None] = mapped_column(String(55), default=_trace_at_hand)


class Promised:
    """A row that promises to be acted on at `due_at`.

    `due_at` is promise time; a settled row has none, so an index over open rows stays as small as the
    work that is left, however long the ledger grows. `free_at` is machine time: before it nobody may
    claim the row, be it leased (`lease_token` set) or pausing before a new try. `tries` counts claims
    that ended in a try.
    """

    if TYPE_CHECKING:
        __table__: ClassVar[FromClause]  # each such row has one, which `Base` brings

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-1)
    lane: Mapped[Lane] = mapped_column(enum_column(Lane), default=Lane.NORMAL)
    due_at: Mapped[datetime | None]
    free_at: Mapped[datetime | None]
    lease_token: Mapped[UUID | None]
    tries: Mapped[int] = mapped_column(default=0)
