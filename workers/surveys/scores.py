"""Read a rating out of a short reply ("5", "五", "满意", "5 thanks!"), and tell when one is unclear."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_WORDS = {
    "非常满意": 5,
    "很满意": 5,
    "十分满意": 5,
    "满意": 4,
    "基本满意": 4,
    "一般": 3,
    "不满意": 2,
    "很不满意": 1,
    "非常不满意": 1,
    "very satisfied": 5,
    "satisfied": 4,
    "fair": 3,
    "dissatisfied": 2,
    "not satisfied": 2,
    "very dissatisfied": 1,
}
_NUMERALS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5}
_END = r"(?=$|[\s,.;:!?。，；！？、~])[\s,.;:!?。，；！？、~]*(.*)"
_COUNTED = (
    r"(?!\s*(?:am|pm|days?|hours?|hrs?|min(?:ute)?s?|weeks?|months?|years?|times?|more|people|persons?|questions?"
    r"|items?|issues?|problems?|attempts?|orders?|of|or|to|and|out|years)\b)"
)
"""What follows a number that counts something ("3 days and no answer") makes it no score."""
_DIGIT = re.compile(r"([1-5])(?![\d.,/~-]*\d)(?:\s*(?:颗?星|分|stars?|points?))?" + _COUNTED + _END, re.S)
_NUMERAL = re.compile("([一二三四五])(?:颗?星|分)?" + _END, re.S)
_WORDY = re.compile("(" + "|".join(sorted(_WORDS, key=len, reverse=True)) + ")" + _END, re.S)
_NUMBERS = re.compile(r"[\d\s.,/~%分星-]*\d[\d\s.,/~%分星-]*(?:(?:or|to|或者?|到)[\d\s分星]+)?")
_STARS = re.compile("[⭐★]")
_FEELING = re.compile(
    r"好|棒|赞|差|糟|烂|还行|还可以|凑合|不错|马马虎虎|一般"
    r"|\b(?:good|great|ok|okay|fine|nice|bad|poor|awful|terrible|excellent)\b|[👍👎😀😊🙂😐🙁😞😡]"
)
LONGEST = 80
LONGEST_UNCLEAR = 30
TRIMMINGS = "。.!,~ \t\r\n"
_KEYCAP = str.maketrans("", "", "\ufe0f\u20e3")
"""What makes a picture of a digit that a phone's keyboard offers: the digit itself stands before it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply says: the score 1–5 if it gives one, and the words beside it. `unclear`: it seems to rate,
    and nobody can be sure how ("4 or 5", "10", "还行").
    """

    score: int | None = None
    comment: str = ""
    unclear: bool = False


def read_reply(text: str) -> Reply:
    """What a reply to a survey says; longer ones are no rating but something to read."""
    words = unicodedata.normalize("NFKC", text).translate(_KEYCAP).strip(TRIMMINGS)
    folded = words.casefold()
    if not words or len(words) > LONGEST:
        return Reply()
    stars = _STARS.findall(words)
    if 1 <= len(stars) <= 5 and not _STARS.sub("", words).strip():
        return Reply(len(stars))
    for found in (pattern.fullmatch(folded) for pattern in (_DIGIT, _NUMERAL, _WORDY)):
        if found is not None and (found[1] in _WORDS or not _more_digits(found[2])):
            score = _WORDS.get(found[1]) or _NUMERALS.get(found[1]) or int(found[1])
            return Reply(score, text.strip() if found[2].strip(TRIMMINGS) else "")
    short = len(words) <= LONGEST_UNCLEAR
    return Reply(unclear=short and bool(_NUMBERS.fullmatch(folded) or _FEELING.search(folded)))


def parse_score(text: str) -> int | None:
    """The score 1–5 that a short reply gives, None when it is no clear answer (longer mails never are)."""
    return read_reply(text).score


def _more_digits(words: str) -> bool:
    return any(letter.isdigit() for letter in words)
