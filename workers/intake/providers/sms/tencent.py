"""腾讯云短信: inbound SMS (one object) and delivery reports (a list).

tencentcloud.com/document/product/382/43548 and …/382/43547. The calls are not signed: the webhook address
carries the hook token. An inbound SMS has no id, so its number, time and words make one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from workers.errors import InvalidInput
from workers.intake.providers.calls import Credentials, HookAnswer, HookRequest, as_text, need_token
from workers.intake.providers.sms.port import LONGEST_ID, LONGEST_TEXT, InboundSms, SmsStatus, international

MOST_ITEMS = 1_000


class Tencent:
    """See `SmsProvider`."""

    name = "tencent"

    def verify(self, request: HookRequest, credentials: Credentials) -> None:
        """By the hook token in the address."""
        need_token(request, credentials)

    def inbound(self, request: HookRequest) -> list[InboundSms]:
        """The one SMS of a call."""
        return [_inbound(item) for item in _items(request)]

    def statuses(self, request: HookRequest) -> list[SmsStatus]:
        """All reports of a call; `sid` is what the sending answer called SerialNo."""
        return [_status(item) for item in _items(request)]

    def answer(self) -> HookAnswer:
        """`result` 0."""
        return HookAnswer(200, "application/json", b'{"result":0,"errmsg":"OK"}')


def _items(request: HookRequest) -> list[Mapping[str, Any]]:
    whole = request.json()
    items = whole if isinstance(whole, list) else [whole]
    if not items or len(items) > MOST_ITEMS or not all(isinstance(item, dict) for item in items):
        raise InvalidInput("the call holds no objects")
    return items


def _number(item: Mapping[str, Any]) -> str:
    mobile = as_text(item.get("mobile")).strip()
    country = as_text(item.get("nationcode")).strip().lstrip("+") or "86"
    return mobile if mobile.startswith("+") or not mobile else international(f"{country}{mobile}")


def _inbound(item: Mapping[str, Any]) -> InboundSms:
    sender, text, time = _number(item), as_text(item.get("text")), as_text(item.get("time"))
    if not sender or not time:
        raise InvalidInput("the SMS names no sender or no time", "expected mobile, text and time")
    ident = hashlib.sha256("\0".join((sender, text, time)).encode()).hexdigest()
    return InboundSms(sender, as_text(item.get("extend"))[:40], text[:LONGEST_TEXT], ident)


def _status(item: Mapping[str, Any]) -> SmsStatus:
    ident, said = as_text(item.get("sid")), as_text(item.get("report_status")).upper()
    if not ident or said not in ("SUCCESS", "FAIL"):
        raise InvalidInput("the report names no message or no state", "expected sid and report_status")
    arrived = said == "SUCCESS"
    code = "" if arrived else as_text(item.get("errmsg"))[:20]
    return SmsStatus(ident[:LONGEST_ID], "delivered" if arrived else "undelivered", code)
