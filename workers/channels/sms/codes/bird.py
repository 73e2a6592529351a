"""Bird's codes of receipts, `failure.source.code`: docs.bird.com/api/channels-api/
message-status-and-interactions/message-failure-sources/sms-platform-extended-error-codes. Up to 36 they are
those of the mobile network itself (3GPP TS 29.002 §17.6.6). An answer carries no code worth reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RECEIPTS: Mapping[str, str] = MappingProxyType(
    {
        "1": "unknown_recipient",
        "5": "unknown_recipient",
        "6": "unreachable_recipient",
        "9": "blocked",
        "10": "blocked",
        "11": "blocked",
        "12": "blocked",
        "13": "blocked",
        "21": "carrier_trouble",
        "27": "unreachable_recipient",
        "31": "unreachable_recipient",
        "32": "carrier_trouble",
        "33": "unreachable_recipient",
        "34": "carrier_trouble",
        "35": "carrier_trouble",
        "36": "carrier_trouble",
    }
)


def reason_of_answer(words: str) -> str | None:
    """Our word for `message` and `details` of a refusal; None when they do not name the receiver."""
    return "invalid_recipient" if "receiver" in words else None


def reason_of_receipt(code: str) -> str | None:
    """Our word for the code of a failure's source; None for one that is not in the table."""
    return RECEIPTS.get(code)
