"""What became of each row of a table."""

from __future__ import annotations

from dataclasses import dataclass

from workers.errors import CloseloopError


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row: `added`, `changed`, `known` (nothing new in it) or `wrong`; `words` say why.

    `number` is the record's own, where there is one.
    """

    line: int
    outcome: str
    number: str = ""
    words: str = ""


def told_of(error: CloseloopError) -> str:
    """An expected error in the answer of a row: what is wrong, and what to do."""
    return f"{error.message}" + (f" ({error.hint})" if error.hint else "")
