"""What providers found out about a mail, in words that mean the same for all of them."""

from __future__ import annotations

import re

_RESULTS = {
    "pass": "pass",
    "fail": "fail",
    "hardfail": "fail",
    "softfail": "softfail",
    "neutral": "neutral",
    "none": "none",
    "gray": "none",
    "temperror": "error",
    "permerror": "error",
    "error": "error",
    "processing_failed": "error",
}
_YES = frozenset({"yes", "true", "fail", "spam", "1"})
_NO = frozenset({"no", "false", "pass", "0"})
_SCORE = re.compile(r"-?\d{1,4}(?:\.\d{1,6})?")
_WORD = re.compile(r"[a-z_]+")


def verdicts(
    *, spf: str = "", dkim: str = "", dmarc: str = "", spam: str = "", virus: str = "", spam_score: str = ""
) -> dict[str, str]:
    """See `IncomingMail`; what is not told or not understood is left out."""
    found: dict[str, str] = {}
    for name, told in (("spf", spf), ("dkim", dkim), ("dmarc", dmarc)):
        word = _WORD.search(told.lower())
        if word and word[0] in _RESULTS:
            found[name] = _RESULTS[word[0]]
    for name, told in (("spam", spam), ("virus", virus)):
        plain = told.strip().lower()
        if plain in _YES or plain in _NO:
            found[name] = "yes" if plain in _YES else "no"
    if _SCORE.fullmatch(spam_score.strip()):
        found["spam_score"] = spam_score.strip()
    return found
