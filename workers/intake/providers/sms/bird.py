"""Bird (the former MessageBird): signature of a webhook, inbound SMS, delivery status.

Signature of Bird's webhook subscriptions:
docs.bird.com/api/notifications-api/api-reference/webhook-subscriptions/verifying-a-webhook-subscription.
Signature of the former MessageBird API (a JWT with url_hash and payload_hash):
developers.messagebird.com/docs/verify-http-requests.
Messages: docs.bird.com/api/channels-api/supported-channels/programmable-sms/receiving-messages; states:
docs.bird.com/api/channels-api/message-status-and-interactions. Anything but 2xx is repeated for 8 hours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from workers.errors import BadSignature, InvalidInput
from workers.intake.providers.calls import Credentials, HookAnswer, HookRequest, as_text, same
from workers.intake.providers.sms.jwt import check_payload, verify_token
from workers.intake.providers.sms.port import LONGEST_ID, LONGEST_TEXT, InboundSms, SmsStatus, international

WINDOW = timedelta(hours=9)
"""How old a signed call may be: it is repeated for 8 hours; the message's id sorts out the repetitions."""
_STATES: Mapping[str, str] = {
    "accepted": "queued",
    "processing": "queued",
    "scheduled": "queued",
    "buffered": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "sending_failed": "failed",
    "rejected": "failed",
    "skipped": "failed",
    "deleted": "failed",
    "delivery_failed": "undelivered",
    "expired": "undelivered",
}


class Bird:
    """See `SmsProvider`. The secrets are signing keys of the webhook subscription."""

    name = "bird"

    def verify(self, request: HookRequest, credentials: Credentials) -> None:
        """By Bird's signature over time, address and body, or by MessageBird's JWT."""
        headers = request.headers
        if token := headers.get("messagebird-signature-jwt"):
            self._check_token(request, token, credentials)
            return
        stamp = headers.get("messagebird-request-timestamp", "").strip()
        try:
            given = base64.b64decode(headers.get("messagebird-signature", ""), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadSignature("the signature is no Base64") from error
        if not given or not stamp:
            raise BadSignature("the request is not signed", "give the webhook subscription a signing key")
        secrets = [secret for secret in credentials.secrets if secret]
        matches = [
            hmac.compare_digest(given, sign(stamp, request.url, request.body, secret)) for secret in secrets
        ]
        if not any(matches):
            raise BadSignature(
                "the signature does not match", "is CLOSELOOP_PUBLIC_URL the address Bird calls?"
            )
        if not stamp.isdecimal() or abs(request.at.timestamp() - float(stamp[:12])) > WINDOW.total_seconds():
            raise BadSignature("the request is too old", "is this machine's clock right?")

    def inbound(self, request: HookRequest) -> list[InboundSms]:
        """The one SMS of a call. Our own messages, which the same subscription may show, are none."""
        message = _message(request)
        if message is None:
            return [_former_inbound(request.fields())]
        if message.get("direction", "incoming") != "incoming":
            return []
        contact = _at(message, "sender", "contact")
        connector = _at(message, "receiver", "connector")
        ident, sender = as_text(message.get("id")), as_text(contact.get("identifierValue"))
        if not ident or not sender:
            raise InvalidInput("the SMS names no sender or no id", "expected payload.id and payload.sender")
        text = as_text(_at(message, "body", "text").get("text"))
        return [
            InboundSms(
                international(sender),
                international(as_text(connector.get("identifierValue"))),
                text[:LONGEST_TEXT],
                ident[:LONGEST_ID],
            )
        ]

    def statuses(self, request: HookRequest) -> list[SmsStatus]:
        """The one status of a call."""
        message = _message(request)
        fields = request.fields() if message is None else {}
        whole: Mapping[str, Any] = message if message is not None else fields
        ident, said = as_text(whole.get("id")), as_text(whole.get("status")).strip().lower()
        if not ident or not said:
            raise InvalidInput("the status names no message or no state", "expected id and status")
        source = _at(whole, "failure", "source")
        code = as_text(source.get("code")) or as_text(whole.get("statusErrorCode"))
        return [SmsStatus(ident[:LONGEST_ID], _STATES.get(said, said[:24]), code[:20])]

    def answer(self) -> HookAnswer:
        """Any 2xx does."""
        return HookAnswer()

    def _check_token(self, request: HookRequest, token: str, credentials: Credentials) -> None:
        claims = verify_token(token, credentials.secrets, request.at)
        if claims.get("iss") != "MessageBird" or not isinstance(claims.get("exp"), int | float):
            raise BadSignature("the token is not MessageBird's")
        if not same(as_text(claims.get("url_hash")), hashlib.sha256(request.url.encode()).hexdigest()):
            raise BadSignature(
                "the address is not the one that was signed",
                "is CLOSELOOP_PUBLIC_URL the address Bird calls?",
            )
        check_payload(claims, request.body)


def sign(stamp: str, url: str, body: bytes, secret: str) -> bytes:
    """Bird's signature, before Base64: HMAC-SHA256 over time stamp, address and the body's SHA-256 (its
    bytes), each on a line.
    """
    text = b"\n".join((stamp.encode(), url.encode(), hashlib.sha256(body).digest()))
    return hmac.digest(secret.encode(), text, "sha256")


def _message(request: HookRequest) -> dict[str, Any] | None:
    """The message in a webhook of Bird's channels API; None for the flat fields of the former API."""
    if not request.body.lstrip().startswith(b"{"):
        return None
    whole = request.json()
    inner = whole.get("payload", whole) if isinstance(whole, dict) else None
    return inner if isinstance(inner, dict) and ("channelId" in inner or "event" in whole) else None


def _former_inbound(fields: Mapping[str, str]) -> InboundSms:
    ident, sender = fields.get("id", ""), fields.get("originator", "")
    if not ident or not sender:
        raise InvalidInput("the SMS names no sender or no id", "expected the fields originator and id")
    return InboundSms(
        international(sender),
        international(fields.get("recipient", "")),
        (fields.get("body") or fields.get("payload") or "")[:LONGEST_TEXT],
        ident[:LONGEST_ID],
    )


def _at(whole: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    found: Any = whole
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
