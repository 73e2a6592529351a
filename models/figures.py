"""Figures that took long to work out, kept for a while."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class KeptFigures(Base):
    """The answer to one question, as the records stood at `answered_at`; it took `took` seconds.

    `key` is a hash of the question (who asks, period, filters, measures), so that nobody finds the answer to
    another one. `days` in `answer` tell of which days it is: those of a named period move on. `asked_at` is
    when somebody last wanted it, to within some minutes; in 1970 if nobody has yet. Counts, times and codes
    only: no customer, and of staff their numbers.
    """

    __tablename__ = "kept_figures"

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    question: Mapped[dict[str, Any]] = mapped_column(JSON)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    answered_at: Mapped[datetime]
    asked_at: Mapped[datetime]
    took: Mapped[float]
