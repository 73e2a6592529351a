"""What the error codes of SMS providers mean, in one vocabulary: a module for each provider.

Answers to a sending and later receipts are read by the same tables, so that one fault has one reason however
it is heard of. Kept apart from the channels: whoever reads receipts does not load an HTTP client for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from workers.channels.port import Verdict
from workers.channels.sms.codes import aliyun, bird, plivo, tencent, twilio, vonage

LATER = frozenset(
    {
        "authentication_failed",
        "carrier_trouble",
        "out_of_credit",
        "quota",
        "server_error",
        "throttled",
    }
)
"""Reasons that may be gone at another time; all others would be the same again."""

_RECEIPTS: Mapping[str, Callable[[str], str | None]] = MappingProxyType(
    {
        "twilio": twilio.reason_of_receipt,
        "vonage": vonage.reason_of_receipt,
        "plivo": plivo.reason_of_receipt,
        "bird": bird.reason_of_receipt,
        "aliyun": aliyun.reason_of_receipt,
        "tencent": tencent.reason_of_receipt,
    }
)


def verdict_of(reason: str) -> Verdict:
    """What a refusal for `reason` in the answer to a sending means: RETRY, or REJECTED for good."""
    return Verdict.RETRY if reason in LATER else Verdict.REJECTED


def receipt_reason(provider: str, code: str, state: str) -> str:
    """Why an SMS did not arrive, from a receipt: our word, else the provider's code, else its state."""
    known = _RECEIPTS.get(provider)
    reason = known(code) if known is not None and code else None
    return reason or (coded(provider, code) if code else state)


def coded(provider: str, code: str) -> str:
    """The reason for a code that no table knows: `twilio_30008`; at most 48 characters."""
    word = "".join(letter if letter.isalnum() else "_" for letter in code.lower() if letter.isascii())
    return f"{provider}_{word}"[:48]
