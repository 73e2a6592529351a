"""Plivo's codes. An answer carries words only (docs.plivo.com/docs/messaging/api/response); a receipt's
ErrorCode: docs.plivo.com/docs/messaging/concepts/error-codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_WORDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bdst\b|destination|recipient", re.I), "invalid_recipient"),
    (re.compile(r"\bsrc\b|sender|source|powerpack", re.I), "sender_rejected"),
    (re.compile(r"length|too long", re.I), "too_large"),
    (re.compile(r"\btext\b|content", re.I), "content_rejected"),
)
"""What names the parameter that was wrong; the first that fits counts."""

RECEIPTS: Mapping[str, str] = MappingProxyType(
    {
        "10": "content_rejected",
        "20": "carrier_trouble",
        "30": "content_rejected",
        "40": "sender_rejected",
        "50": "invalid_recipient",
        "60": "policy_rejected",
        "70": "unknown_recipient",
        "80": "unreachable_recipient",
        "90": "carrier_trouble",
        "100": "blocked",
        "110": "too_large",
        "200": "opted_out",
        "201": "region_not_permitted",
        "300": "server_error",
        "420": "not_in_time",
        "450": "region_not_permitted",
        "900": "out_of_credit",
        "910": "authentication_failed",
    }
)


def reason_of_answer(words: str) -> str | None:
    """Our word for the `error` of a 400; None when it names nothing known."""
    return next((reason for pattern, reason in _WORDS if pattern.search(words)), None)


def reason_of_receipt(code: str) -> str | None:
    """Our word for an ErrorCode (leading zeros do not count); None for one that is not in the table."""
    return RECEIPTS.get(code.lstrip("0"))
