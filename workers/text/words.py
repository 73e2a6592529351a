"""Durations in words and texts made fit for one line."""

import re
import unicodedata
from functools import lru_cache

ERASED = "已删除 (erased)"
"""What is shown where a customer's words or contacts were, whatever the language of the page."""


def duration_words(seconds: float, locale: str) -> str:
    """A length of time in its two largest units: 3分22秒, 1小时20分; 3 min 22 s, 1 h 20 min.

    `seconds` of elapsed time, cut to whole ones (the sign is dropped, "overdue by" is said around it);
    `locale` zh* or any other.
    """
    total = abs(int(seconds))
    days, rest = divmod(total, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, secs = divmod(rest, 60)
    chinese = locale.lower().startswith("zh")
    units = ("天", "小时", "分", "秒") if chinese else ("d", "h", "min", "s")
    amounts = (days, hours, minutes, secs)
    first = next((i for i, amount in enumerate(amounts) if amount), 3)
    shown = [(amounts[i], units[i]) for i in (first, first + 1) if i < 4 and (amounts[i] or i == first)]
    if chinese:
        words = "".join(f"{amount}{unit}" for amount, unit in shown)
        return words + "钟" if len(shown) == 1 and first == 2 else words
    return " ".join(f"{amount} {unit}" for amount, unit in shown)


def one_line(text: str, limit: int = 0) -> str:
    """The text on one line without control or direction-override characters, cut to `limit` (0: never)."""
    kept = text if text.isprintable() else "".join(" " if _breaks(c) else c for c in text)
    return excerpt(" ".join(kept.split()), limit) if limit else " ".join(kept.split())


def _breaks(char: str) -> bool:
    # Cc: controls and newlines; Zl, Zp: Unicode's own line ends; the bidi overrides can reverse a shown name.
    overrides = "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"
    return overrides or unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs")


def excerpt(text: str, limit: int) -> str:
    """The first `limit` characters of a text, with an ellipsis when something was cut off."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


_PREFIX = re.compile(
    r"^(?:\s|\[C[SR]\d{6,16}\]|(?:re|fwd?|aw|wg|sv|回复|答复|转发|回覆|轉寄)"
    r"(?:\[\d{1,3}\]|\(\d{1,3}\))?\s?[:：])+",
    re.IGNORECASE,
)


@lru_cache(maxsize=64)  # a mail says it in its subject, its text and its HTML
def bare_subject(subject: str, limit: int = 60) -> str:
    """A subject without Re:/Fwd:/回复: prefixes, ticket tags and web addresses, on one line, to use again.

    Web addresses go because an automatic receipt must not carry a stranger's advertisement to a third party.
    """
    plain = re.sub(r"(?:https?://|www\.)\S+", "…", _PREFIX.sub("", one_line(subject)))
    return excerpt(plain.strip(), limit)
