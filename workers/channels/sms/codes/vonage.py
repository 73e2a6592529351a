"""Vonage's codes. `status` of an answer: developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms;
`err-code` of a delivery receipt: developer.vonage.com/en/messaging/sms/guides/delivery-receipts. Both lists
use the same numbers for different things.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        "1": "throttled",
        "4": "authentication_failed",
        "5": "server_error",
        "6": "unreachable_recipient",
        "7": "opted_out",
        "8": "authentication_failed",
        "9": "out_of_credit",
        "10": "throttled",
        "11": "authentication_failed",
        "12": "too_large",
        "14": "authentication_failed",
        "15": "sender_rejected",
        "22": "unreachable_recipient",
        "29": "policy_rejected",
        "33": "unknown_recipient",
    }
)
RECEIPTS: Mapping[str, str] = MappingProxyType(
    {
        "2": "unreachable_recipient",
        "3": "unknown_recipient",
        "4": "blocked",
        "5": "carrier_trouble",
        "6": "content_rejected",
        "7": "unreachable_recipient",
        "8": "carrier_trouble",
        "9": "invalid_recipient",
        "10": "content_rejected",
        "11": "carrier_trouble",
        "12": "unreachable_recipient",
        "13": "policy_rejected",
        "14": "blocked",
        "15": "blocked",
        "16": "quota",
        "39": "sender_rejected",
        "50": "policy_rejected",
        "51": "sender_rejected",
        "52": "content_rejected",
        "53": "blocked",
        "54": "policy_rejected",
        "99": "carrier_trouble",
    }
)
"""1 means that the network does not say why; it stays `vonage_1`."""


def reason_of_answer(status: str) -> str | None:
    """Our word for the `status` of a part; None for one that is not in the table."""
    return ANSWERS.get(status)


def reason_of_receipt(code: str) -> str | None:
    """Our word for an `err-code`; None for one that is not in the table."""
    return RECEIPTS.get(code)
