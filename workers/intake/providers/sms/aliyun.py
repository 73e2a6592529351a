"""阿里云短信: inbound SMS (SmsUp) and delivery reports (SmsReport) in HTTP batch push.

help.aliyun.com/zh/sms/developer-reference/smsup-http and …/smsreport-2. The pushes are not signed: the
webhook address carries the hook token. What is not answered with 200 comes again after 1, 5 and 10 minutes,
then never.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from workers.errors import InvalidInput
from workers.intake.providers.calls import Credentials, HookAnswer, HookRequest, as_text, need_token
from workers.intake.providers.sms.port import LONGEST_ID, LONGEST_TEXT, InboundSms, SmsStatus, international

MOST_ITEMS = 1_000
LONGEST_CODE = 40


class Aliyun:
    """See `SmsProvider`."""

    name = "aliyun"

    def verify(self, request: HookRequest, credentials: Credentials) -> None:
        """By the hook token in the address."""
        need_token(request, credentials)

    def inbound(self, request: HookRequest) -> list[InboundSms]:
        """All messages of a push; number and sequence_id (a string or a number) make one unique."""
        return [_inbound(item) for item in _items(request)]

    def statuses(self, request: HookRequest) -> list[SmsStatus]:
        """All reports of a push; `biz_id` is what the sending answer called BizId."""
        return [_status(item) for item in _items(request)]

    def answer(self) -> HookAnswer:
        """A numeric `code`; nothing else of it is read."""
        return HookAnswer(200, "application/json", b'{"code":0,"msg":"ok"}')


def mainland(number: str) -> str:
    """A number as 阿里云 gives it: eleven digits are a mainland mobile number, others have their country
    code.
    """
    bare = number.strip().lstrip("+")
    return (
        f"+86{bare}" if len(bare) == 11 and bare.startswith("1") and bare.isdigit() else international(bare)
    )


def _items(request: HookRequest) -> list[Mapping[str, Any]]:
    whole = request.json()
    items = whole if isinstance(whole, list) else [whole]
    if not items or len(items) > MOST_ITEMS or not all(isinstance(item, dict) for item in items):
        raise InvalidInput("the push is no list of objects")
    return items


def _inbound(item: Mapping[str, Any]) -> InboundSms:
    number, sequence = as_text(item.get("phone_number")), as_text(item.get("sequence_id"))
    if not number or not sequence:
        raise InvalidInput("the SMS names no sender or no id", "expected phone_number and sequence_id")
    sender = mainland(number)
    text = as_text(item.get("content"))[:LONGEST_TEXT]
    # Ids of events stand in clear: the number is only in there as a hash.
    ident = hashlib.sha256(f"{sender}\0{sequence}".encode()).hexdigest()
    return InboundSms(sender, as_text(item.get("dest_code"))[:40], text, ident)


def _status(item: Mapping[str, Any]) -> SmsStatus:
    ident, success = as_text(item.get("biz_id")), item.get("success")
    if not ident or success is None:
        raise InvalidInput("the report names no message or no state", "expected biz_id and success")
    arrived = success is True or as_text(success).lower() == "true"
    code = "" if arrived else as_text(item.get("err_code"))[:LONGEST_CODE]
    return SmsStatus(ident[:LONGEST_ID], "delivered" if arrived else "undelivered", code)
