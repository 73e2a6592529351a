"""阿里云's codes: help.aliyun.com/document_detail/101346.html (answers), help.aliyun.com/document_detail/
101347.html (receipts). MOBILE_NOT_ON_SERVICE and INVALID_NUMBER are not taken for an unknown number: a phone
that is switched off gets them as well. MOBILE_IN_BLACK is mostly, yet not surely, the customer's own wish.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "isv.MOBILE_NUMBER_ILLEGAL": "invalid_recipient",
        "isv.MOBILE_COUNT_OVER_LIMIT": "invalid_recipient",
        "isv.DOMESTIC_NUMBER_NOT_SUPPORTED": "region_not_permitted",
        "isv.SMS_TEMPLATE_ILLEGAL": "template_not_approved",
        "isv.SMS_SIGNATURE_ILLEGAL": "sender_rejected",
        "isv.SMS_SIGN_ILLEGAL": "sender_rejected",
        "isv.SMS_SIGNATURE_SCENE_ILLEGAL": "sender_rejected",
        "isv.SIGN_STATE_ILLEGAL": "sender_rejected",
        "isv.EXTEND_CODE_ERROR": "sender_rejected",
        "isv.CODE_ERROR": "sender_rejected",
        "isv.ONE_CODE_MULTIPLE_SIGN": "sender_rejected",
        "isv.TEMPLATE_MISSING_PARAMETERS": "variable_missing",
        "isv.TEMPLATE_PARAMS_ILLEGAL": "variable_missing",
        "isv.INVALID_JSON_PARAM": "variable_missing",
        "isv.PARAM_LENGTH_LIMIT": "variable_too_long",
        "isv.PARAM_NOT_SUPPORT_URL": "link_in_variable",
        "isv.BLACK_KEY_CONTROL_LIMIT": "content_rejected",
        "isv.SMS_CONTENT_ILLEGAL": "content_rejected",
        "isv.UNSUPPORTED_CONTENT": "content_rejected",
        "isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE": "content_rejected",
        "isv.CUSTOMER_REFUSED": "opted_out",
        "isv.BUSINESS_LIMIT_CONTROL": "throttled",
        "isv.DAY_LIMIT_CONTROL": "quota",
        "isv.MONTH_LIMIT_CONTROL": "quota",
        "isv.AMOUNT_NOT_ENOUGH": "out_of_credit",
        "isv.OUT_OF_SERVICE": "out_of_credit",
        "isv.PRODUCT_UN_SUBSCRIPT": "authentication_failed",
        "isv.PRODUCT_UNSUBSCRIBE": "authentication_failed",
        "isv.ACCOUNT_NOT_EXISTS": "authentication_failed",
        "isv.ACCOUNT_ABNORMAL": "authentication_failed",
        "isv.DENY_IP_RANGE": "authentication_failed",
        "isp.RAM_PERMISSION_DENY": "authentication_failed",
        "isp.SYSTEM_ERROR": "server_error",
        "isp.GATEWAY_ERROR": "server_error",
        "IS_CLOSE": "carrier_trouble",
        "MOBILE_NOT_ON_SERVICE": "unreachable_recipient",
        "INVALID_NUMBER": "unreachable_recipient",
        "MOBILE_ACCOUNT_ABNORMAL": "unreachable_recipient",
        "MOBLLE_TERMINAL_ERROR": "unreachable_recipient",
        "MOBILE_TERMINAL_ERROR": "unreachable_recipient",
        "REQUEST_SUCCESS": "unreachable_recipient",
        "SP_NOT_BY_INTER_SMS": "blocked",
        "MOBILE_SEND_LIMIT": "throttled",
        "MOBILE_IN_BLACK": "blocked",
        "USER_REJECT": "opted_out",
        "CONTENT_KEYWORD": "content_rejected",
        "CONTENT_ERROR": "content_rejected",
        "NO_ROUTE": "carrier_trouble",
        "SP_UNKNOWN_ERROR": "carrier_trouble",
    }
)
_ACCOUNT = (
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "Forbidden",
    "SignatureNonceUsed",
    "InvalidTimeStamp",
)


def reason_of_answer(code: str) -> str | None:
    """Our word for the `Code` of a refusal; None when neither table nor family has it."""
    if code.startswith("Throttling"):
        return "throttled"
    return "authentication_failed" if code.startswith(_ACCOUNT) else REASONS.get(code)


def reason_of_receipt(code: str) -> str | None:
    """Our word for an `err_code`; None for one that is not in the table (networks add codes of their own)."""
    return REASONS.get(code)
