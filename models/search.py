"""What is found by words: keyed hashes of words only, never the words themselves."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Promised


class SearchTask(Promised, Base):
    """The words of something have changed: it is going to be indexed anew.

    `kind` names the table (`ticket`, `communication`, `knowledge`), `subject_id` the row. Each change writes
    a row of its own, and what is indexed is read after the row was claimed: so no change is missed. Rows go
    when they are done.
    """

    __tablename__ = "search_tasks"
    __table_args__ = (
        Index(
            "ix_search_tasks_open",
            "lane",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[UUID]


class SearchDocument(Base):
    """One thing that can be found, under a small number of its own.

    `tokens` are the keyed hashes of its words (4 bytes each, ascending): by them it is taken out of the lists
    again. `version` is that of the row when it was read. `at` is when it was received, took place or was
    written (promise time, UTC).
    """

    __tablename__ = "search_documents"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[UUID] = mapped_column(unique=True)
    version: Mapped[int]
    at: Mapped[datetime]
    tokens: Mapped[bytes]


class SearchBucket(Base):
    """The rarer words of one block of numbers whose hashes begin alike, and which documents hold them.

    `place` is the block's number times the number of buckets, plus the bucket's; the bytes of `entries` are
    described where they are made. Hundreds of words share a row: of one word each, rows would be mostly
    their own overhead.
    """

    __tablename__ = "search_buckets"
    # A batch writes most rows of a block anew: with room beside them PostgreSQL writes over the ones before.
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}

    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entries: Mapped[bytes]


class SearchList(Base):
    """Which documents of one block of numbers hold a word that many of them hold.

    `token` is the keyed hash of the word (32 bits, signed), `many` how many documents stand in `documents`:
    two bytes each (little endian, from the block's first number on, ascending), or, where that is shorter,
    one bit each.
    """

    __tablename__ = "search_lists"
    __table_args__ = {"sqlite_with_rowid": False}

    token: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    block: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    many: Mapped[int] = mapped_column(SmallInteger)
    documents: Mapped[bytes]


class SearchState(Base):
    """How far a rebuilding of the index has come: `kind` is being read, `last_id` was the last one."""

    __tablename__ = "search_state"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    last_id: Mapped[UUID | None]
    done: Mapped[int]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
