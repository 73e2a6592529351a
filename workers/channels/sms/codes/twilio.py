"""Twilio's error codes: www.twilio.com/docs/api/errors. One list for answers (2xxxx) and receipts (3xxxx).

30003 is not taken for an unknown number: a phone that is switched off gets it as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "20003": "authentication_failed",
        "20005": "authentication_failed",
        "20008": "authentication_failed",
        "20404": "authentication_failed",
        "20429": "throttled",
        "21211": "invalid_recipient",
        "21212": "sender_rejected",
        "21217": "invalid_recipient",
        "21401": "invalid_recipient",
        "21408": "region_not_permitted",
        "21602": "content_rejected",
        "21603": "sender_rejected",
        "21605": "too_large",
        "21606": "sender_rejected",
        "21608": "policy_rejected",
        "21610": "opted_out",
        "21611": "throttled",
        "21612": "unreachable_recipient",
        "21614": "invalid_recipient",
        "21617": "too_large",
        "21619": "content_rejected",
        "21635": "invalid_recipient",
        "21659": "sender_rejected",
        "21660": "sender_rejected",
        "30001": "throttled",
        "30002": "authentication_failed",
        "30003": "unreachable_recipient",
        "30004": "blocked",
        "30005": "unknown_recipient",
        "30006": "unknown_recipient",
        "30007": "content_rejected",
        "30008": "carrier_trouble",
        "30010": "policy_rejected",
        "30017": "carrier_trouble",
        "30022": "throttled",
        "30023": "quota",
        "30032": "sender_rejected",
        "30034": "sender_rejected",
        "30036": "not_in_time",
        "63038": "quota",
    }
)


def reason_of_answer(code: int) -> str | None:
    """Our word for the `code` of a refusal; None for one that is not in the table."""
    return REASONS.get(str(code))


def reason_of_receipt(code: str) -> str | None:
    """Our word for a status callback's ErrorCode; None for one that is not in the table."""
    return REASONS.get(code)
