"""腾讯云's codes: cloud.tencent.com/document/api/382/59177 (answers) and …/382/52075 (common ones).

A receipt's `errmsg` is the network's own word: the states of SMPP 3.4 §5.2.28 and codes of the mainland
networks, of which only those are read that all of them use alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        "FailedOperation.PhoneNumberInBlacklist": "opted_out",
        "FailedOperation.ContainSensitiveWord": "content_rejected",
        "FailedOperation.SignatureIncorrectOrUnapproved": "sender_rejected",
        "FailedOperation.TemplateIncorrectOrUnapproved": "template_not_approved",
        "FailedOperation.TemplateUnapprovedOrNotExist": "template_not_approved",
        "FailedOperation.MarketingSendTimeConstraint": "throttled",
        "FailedOperation.InsufficientBalanceInSmsPackage": "out_of_credit",
        "InvalidParameterValue.IncorrectPhoneNumber": "invalid_recipient",
        "InvalidParameterValue.ContentLengthLimit": "too_large",
        "InvalidParameterValue.TemplateParameterFormatError": "variable_missing",
        "InvalidParameterValue.TemplateParameterLengthLimit": "variable_too_long",
        "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter": "link_in_variable",
        "InvalidParameterValue.SdkAppIdNotExist": "authentication_failed",
        "UnsupportedOperation.UnsupportedRegion": "region_not_permitted",
    }
)
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("AuthFailure", "authentication_failed"),
    ("UnauthorizedOperation", "authentication_failed"),
    ("IpNotInWhitelist", "authentication_failed"),
    ("IpInBlacklist", "authentication_failed"),
    ("LimitExceeded", "throttled"),
    ("RequestLimitExceeded", "throttled"),
    ("InternalError", "server_error"),
    ("ResourceInsufficient", "out_of_credit"),
    ("ServiceUnavailable", "server_error"),
)
"""What a whole family of codes means; the first that fits counts."""

RECEIPTS: Mapping[str, str] = MappingProxyType(
    {
        "UNDELIV": "unreachable_recipient",
        "EXPIRED": "not_in_time",
        "DELETED": "carrier_trouble",
        "UNKNOWN": "carrier_trouble",
        "REJECTD": "blocked",
        "REJECT": "blocked",
        "BLACK": "blocked",
        "MK:0001": "unknown_recipient",
    }
)


def reason_of_answer(code: str) -> str | None:
    """Our word for the `Code` of a refusal; None when neither table nor family has it."""
    if code in ANSWERS:
        return ANSWERS[code]
    return next((reason for family, reason in _FAMILIES if code.startswith(family)), None)


def reason_of_receipt(code: str) -> str | None:
    """Our word for an `errmsg`; None for one that is not in the table."""
    return RECEIPTS.get(code.upper())
