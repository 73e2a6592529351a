"""What keeps an installation over the years: its running processes, and chores with their last outcome."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, new_id


class Chore(Base):
    """Something that is done for the installation as a whole, by any one of its processes, and how it went.

    `name` is what: `backup`, `restore`, `move`, or `schema`. All moments are machine time. `tried_at` is the
    last try, `done_at` the last success; `fault` is the code of what is wrong since `failing_since`, after
    `failures` tries in a row. `busy_until` is the lease of the process that is at it.
    """

    __tablename__ = "chores"

    name: Mapped[str] = mapped_column(String(24), primary_key=True)
    tried_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    fault: Mapped[str | None] = mapped_column(String(48))
    failing_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    busy_until: Mapped[datetime | None]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class Process(Base):
    """A process that works on this database; it says so again and again (`seen_at`, machine time).

    `kind` is up, web, worker …; `schema` the newest revision that its code knows. The row goes when the
    process ends in order; one that was killed is known by its silence.
    """

    __tablename__ = "processes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(24))
    host: Mapped[str] = mapped_column(String(64))
    pid: Mapped[int]
    version: Mapped[str] = mapped_column(String(24))
    schema: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
