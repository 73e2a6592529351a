"""Vonage: signed webhooks, inbound SMS, delivery receipts.

Inbound: developer.vonage.com/en/messaging/sms/guides/inbound-sms; receipts: …/guides/delivery-receipts;
signatures: developer.vonage.com/en/getting-started/concepts/signing-messages (`sig`) and
developer.vonage.com/en/getting-started/concepts/webhooks (JWT). Vonage calls by GET or POST, sends again for
24 hours until it hears 200, and signs only where the account has asked for it: without a signature secret the
hook token counts.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta

from workers.errors import BadSignature, InvalidInput
from workers.intake.providers.calls import Credentials, HookAnswer, HookRequest, need_token, same
from workers.intake.providers.sms.jwt import check_payload, verify_token
from workers.intake.providers.sms.port import LONGEST_ID, LONGEST_TEXT, InboundSms, SmsStatus, international

WINDOW = timedelta(hours=25)
"""How old a signed call may be: it is repeated for a day with its first timestamp; the message's id sorts
out the repetitions.
"""
_STATES: Mapping[str, str] = {
    "delivered": "delivered",
    "accepted": "sent",
    "buffered": "queued",
    "submitted": "sent",
    "expired": "undelivered",
    "undeliverable": "undelivered",
    "failed": "failed",
    "rejected": "failed",
    "deleted": "failed",
    "read": "read",
}


class Vonage:
    """See `SmsProvider`. The secrets are signature secrets; the option `method` is md5hash (the default of
    Vonage's accounts), md5, sha1, sha256 or sha512.
    """

    name = "vonage"

    def verify(self, request: HookRequest, credentials: Credentials) -> None:
        """By the JWT in Authorization, else by `sig` among the fields, else by the hook token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not credentials.secrets:
            need_token(request, credentials)
        elif scheme.lower() == "bearer":
            check_payload(verify_token(token, credentials.secrets, request.at), request.body)
        else:
            self._check_sig(request, credentials)

    def inbound(self, request: HookRequest) -> list[InboundSms]:
        """The SMS, or the part of one: long messages come in parts with a common `concat-ref`."""
        fields = request.fields()
        ident, sender = fields.get("messageId", ""), fields.get("msisdn", "")
        if not ident or not sender:
            raise InvalidInput("the SMS names no sender or no id", "expected msisdn and messageId")
        part, parts, group = 1, 1, ""
        if fields.get("concat") == "true":
            part, parts = _number(fields.get("concat-part")), _number(fields.get("concat-total"))
            group = fields.get("concat-ref", "")[:40]
        sms = InboundSms(
            sender=international(sender),
            recipient=international(fields.get("to", "")),
            text=fields.get("text", "")[:LONGEST_TEXT],
            external_id=ident[:LONGEST_ID],
            group=group,
            part=part,
            parts=parts,
        )
        return [sms]

    def statuses(self, request: HookRequest) -> list[SmsStatus]:
        """The one receipt of a call."""
        fields = request.fields()
        ident = fields.get("messageId") or fields.get("message_uuid") or ""
        said = fields.get("status", "").strip().lower()
        if not ident or not said:
            raise InvalidInput("the receipt names no message or no state", "expected messageId and status")
        error = fields.get("err-code", "")
        return [
            SmsStatus(ident[:LONGEST_ID], _STATES.get(said, said[:24]), "" if error == "0" else error[:20])
        ]

    def answer(self) -> HookAnswer:
        """200, as the documentation asks."""
        return HookAnswer()

    def _check_sig(self, request: HookRequest, credentials: Credentials) -> None:
        fields = request.fields()
        given = fields.pop("sig", "").lower()
        if not given:
            raise BadSignature(
                "the request is not signed", "let Vonage sign webhooks, or leave out the option signature"
            )
        method = credentials.options.get("method", "md5hash")
        matches = [same(given, sign(fields, secret, method)) for secret in credentials.secrets]
        if not any(matches):
            raise BadSignature("the signature does not match", "are secret and method those of the account?")
        stamp = fields.get("timestamp", "")
        if not stamp.isdecimal() or abs(request.at.timestamp() - float(stamp[:12])) > WINDOW.total_seconds():
            raise BadSignature("the request is too old", "is this machine's clock right?")


def sign(fields: Mapping[str, str], secret: str, method: str) -> str:
    """The `sig` of these fields (without sig): all by name as &name=value, & and = in values turned into _;
    hashed with the secret behind it (md5hash) or under it (HMAC). Hexadecimal, lower case.
    """
    text = "".join(f"&{name}={fields[name].translate(_TAMED)}" for name in sorted(fields))
    if method == "md5hash":
        # Vonage's oldest scheme, and the default of its accounts; the caller decides by the option `method`.
        return hashlib.md5((text + secret).encode(), usedforsecurity=False).hexdigest()
    return hmac.new(secret.encode(), text.encode(), method).hexdigest()


_TAMED = str.maketrans("&=", "__")


def _number(value: str | None) -> int:
    if not value or len(value) > len("255") or not (value.isascii() and value.isdigit()):
        return 1
    return int(value) if 0 < int(value) <= 255 else 1
