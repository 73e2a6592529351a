"""How a table of the practices is written: its language, its zone, and the words for our codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from workers.rendering.environment import load_labels
from workers.text import duration_words


@dataclass(frozen=True, slots=True)
class Wording:
    """In which language and time zone (IANA) a table is written."""

    locale: str
    zone: str

    @property
    def place(self) -> int:
        """Which of two words is this language's."""
        return 0 if self.locale.startswith("zh") else 1

    def title(self, words: Any) -> str:
        """A column's title: of a pair, or of more, the one of this language."""
        return str(words[self.place])

    def moment(self, at: datetime | None) -> str:
        """A moment in the team's zone, to the second; nothing for None."""
        return at.astimezone(ZoneInfo(self.zone)).strftime("%Y-%m-%d %H:%M:%S") if at else ""

    def span(self, start: datetime | None, end: datetime | None) -> str:
        """The time that went by between two moments: 3分22秒; nothing where one is missing."""
        if start is None or end is None or end < start:
            return ""
        return duration_words((end - start).total_seconds(), self.locale)

    def word(self, group: str, code: object) -> str:
        """The word for a code of a group of labels; the code itself where there is none, nothing for None."""
        return "" if code is None else _labels(self.locale).get(group, {}).get(str(code), str(code))


@lru_cache(maxsize=4)
def _labels(locale: str) -> Mapping[str, Mapping[str, str]]:
    return load_labels("zh_CN" if locale.startswith("zh") else "en")


@lru_cache(maxsize=16)
def codes_of(group: str) -> Mapping[str, str]:
    """For each word of a group of labels, in either language and as the code itself, its code."""
    found: dict[str, str] = {}
    for locale in ("zh_CN", "en"):
        for code, word in _labels(locale).get(group, {}).items():
            found.setdefault(word.lower(), code)
            found.setdefault(code.lower(), code)
    return found
