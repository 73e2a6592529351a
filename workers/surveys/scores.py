"""Read a score out of a short reply: "5", "５", "五", "满意", "5 thanks!"."""

from __future__ import annotations

import re
import unicodedata

_WORDS = {
    "非常满意": 5,
    "很满意": 5,
    "满意": 4,
    "一般": 3,
    "不满意": 2,
    "非常不满意": 1,
    "very satisfied": 5,
    "satisfied": 4,
    "fair": 3,
    "dissatisfied": 2,
    "very dissatisfied": 1,
}
_NUMERALS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5}
_LEADING = re.compile(r"([1-5一二三四五])(?:\s*[分星])?(?![\d一二三四五.])\s*(.*)", re.S)
LONGEST = 80
TRIMMINGS = "。.!,~ \t\r\n"


def parse_score(text: str) -> int | None:
    """The score 1–5 that a short reply gives, None when it is no clear answer (longer mails never are)."""
    words = unicodedata.normalize("NFKC", text).strip(TRIMMINGS).casefold()
    if not words or len(words) > LONGEST:
        return None
    if words in _WORDS:
        return _WORDS[words]
    match = _LEADING.fullmatch(words)
    if match is None:
        return None
    score, rest = match.groups()
    if any(letter.isdigit() for letter in rest):
        return None
    return _NUMERALS.get(score) or int(score)
