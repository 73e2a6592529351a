"""A text as the words by which it is found: pure, and the same for what is kept and for what is asked.

Words are folded (NFKC, case, NFKC: Unicode Standard Annex 15 §1.2 and §3.13 of the core specification), not
stemmed. Scripts that leave no blanks between words (Chinese, Japanese, Korean, Thai …) become pairs of
characters that stand side by side.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Set

MOST_TOKENS = 600
"""So many different words of one document are kept: the first ones, subject before description before log."""
LONGEST_WORD = 40
"""Longer ones are keys, addresses of pages, and the like."""
LONGEST_TEXT = 60_000
SHORTEST_WORD = 2

# Han with its extensions, kana, Hangul; Thai, Lao, Myanmar, Khmer with their marks.
_PAIRED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff\u0e01-\u0e5b\u0e81-\u0eff\u1000-\u109f\u1780-\u17dd"
)
# Marks belong to the letter before them: accents without a letter of their own, points, vowel signs.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670"
    "\u0900-\u0963\u0981-\u0dff\u1ab0-\u1aff"
)
_LETTER = rf"(?![{_PAIRED}])[^\W_]"
_RUNS = re.compile(rf"(?P<paired>[{_PAIRED}]+)|{_LETTER}(?:{_LETTER}|[{_MARKS}])*")


def fold(text: str) -> str:
    """The text in the form in which words are compared."""
    if text.isascii():
        return text.lower()
    normal = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", normal)


def tokens(texts: Iterable[str], most: int = MOST_TOKENS) -> list[str]:
    """The different words of all texts, in the order in which they come, at most `most`."""
    found: dict[str, None] = {}
    for text in texts:
        for run in _RUNS.finditer(fold(text[:LONGEST_TEXT])):
            for word in _pairs(run[0]) if run["paired"] else (run[0],):
                if SHORTEST_WORD <= len(word) <= LONGEST_WORD:
                    found[word] = None
            if len(found) >= most:
                return list(found)[:most]
    return list(found)


def _pairs(run: str) -> Iterable[str]:
    return (run[place : place + 2] for place in range(len(run) - 1))


def phrases(texts: Iterable[str], wanted: Set[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Where the `wanted` tokens stand in the texts: each word with its tokens, each once, in their order.

    Pairs of characters that overlap in a text are one word: 打印 and 印机 in 打印机.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        for run in _RUNS.finditer(fold(text[:LONGEST_TEXT])):
            if not run["paired"]:
                if run[0] in wanted:
                    found[run[0]] = (run[0],)
                continue
            pairs = [*_pairs(run[0]), ""]
            begin = None
            for place, pair in enumerate(pairs):
                if pair in wanted:
                    begin = place if begin is None else begin
                elif begin is not None:
                    found[run[0][begin : place + 1]] = tuple(pairs[begin:place])
                    begin = None
    return list(found.items())
