"""Plivo: signature of a webhook, inbound SMS, delivery status.

Inbound: docs.plivo.com/docs/messaging/api/message/handling-incoming; status:
…/message/message-status-callbacks; signatures:
docs.plivo.com/docs/messaging/concepts/signature-validation (V2) and
docs.plivo.com/docs/voice/xml/request/validation (V3, as in Plivo's own libraries).
"""

from __future__ import annotations

import base64
import hmac
from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from workers.errors import BadSignature, InvalidInput
from workers.intake.providers.calls import Credentials, HookAnswer, HookRequest, same
from workers.intake.providers.sms.port import LONGEST_ID, LONGEST_TEXT, InboundSms, SmsStatus, international

_MOST_MEDIA = 20

Params = Sequence[tuple[str, str]]


class Plivo:
    """See `SmsProvider`. The secrets are auth tokens of the account."""

    name = "plivo"

    def verify(self, request: HookRequest, credentials: Credentials) -> None:
        """V3 covers address and fields and counts whenever it is there. V2 covers the address only; it is
        taken where Plivo sends nothing better, and what it lets in twice the message's id sorts out.
        """
        headers = request.headers
        third = _given(headers.get("x-plivo-signature-v3", ""), headers.get("x-plivo-signature-ma-v3", ""))
        second = _given(headers.get("x-plivo-signature-v2", ""), headers.get("x-plivo-signature-ma-v2", ""))
        if third:
            nonce = headers.get("x-plivo-signature-v3-nonce", "")
            params = [] if request.method == "GET" else request.form()
            wanted = [sign_v3(request.url, params, nonce, each) for each in credentials.secrets if each]
            given = third
        else:
            nonce = headers.get("x-plivo-signature-v2-nonce", "")
            wanted = [sign_v2(request.url, nonce, each) for each in credentials.secrets if each]
            given = second
        if not given or not nonce:
            raise BadSignature("the request is not signed", "is this the address that Plivo calls?")
        matches = [same(one, other) for one in given for other in wanted]
        if not any(matches):
            raise BadSignature(
                "the signature does not match", "is CLOSELOOP_PUBLIC_URL the address Plivo calls?"
            )

    def inbound(self, request: HookRequest) -> list[InboundSms]:
        """The one SMS of a call; Plivo joins long messages itself."""
        fields = request.fields()
        ident, sender = fields.get("MessageUUID", ""), fields.get("From", "")
        if not ident or not sender:
            raise InvalidInput("the SMS names no sender or no id", "expected the fields From and MessageUUID")
        urls = (fields.get(f"Media{number}", "") for number in range(_MOST_MEDIA))
        sms = InboundSms(
            sender=international(sender),
            recipient=international(fields.get("To", "")),
            text=(fields.get("Text") or fields.get("Body") or "")[:LONGEST_TEXT],
            external_id=ident[:LONGEST_ID],
            media=tuple(url[:2_000] for url in urls if url.startswith(("https://", "http://"))),
        )
        return [sms]

    def statuses(self, request: HookRequest) -> list[SmsStatus]:
        """The one status of a call; Plivo's words are queued, sent, failed, delivered, undelivered, read."""
        fields = request.fields()
        ident, state = fields.get("MessageUUID", ""), fields.get("Status", "").strip().lower()
        if not ident or not state:
            raise InvalidInput("the status names no message or no state", "expected MessageUUID and Status")
        return [SmsStatus(ident[:LONGEST_ID], state[:24], fields.get("ErrorCode", "")[:20])]

    def answer(self) -> HookAnswer:
        """An empty response document: nothing is answered by SMS."""
        return HookAnswer(200, "application/xml", b"<Response/>")


def sign_v3(url: str, params: Params, nonce: str, token: str) -> str:
    """Signature V3: Base64 of HMAC-SHA256 over address, sorted query, sorted fields and nonce. `params` are
    the fields of a POST; with any, a question mark follows the path even without a query.
    """
    parts = urlsplit(url)
    text = urlunsplit(parts._replace(query="", fragment=""))
    query = _sorted(parse_qsl(parts.query, keep_blank_values=True), "=", "&")
    if query or params:
        text += f"?{query}"
    if query and params:
        text += "."
    return _mac(f"{text}{_sorted(params, '', '')}.{nonce}", token)


def sign_v2(url: str, nonce: str, token: str) -> str:
    """Signature V2: Base64 of HMAC-SHA256 over the address without its query, and the nonce."""
    return _mac(urlunsplit(urlsplit(url)._replace(query="", fragment="")) + nonce, token)


def _mac(text: str, token: str) -> str:
    return base64.b64encode(hmac.digest(token.encode(), text.encode("utf-8", "replace"), "sha256")).decode()


def _sorted(params: Params, between: str, after: str) -> str:
    values: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in params:
        values[name].append(value)
    return after.join(f"{name}{between}{each}" for name in sorted(values) for each in sorted(values[name]))


def _given(*headers: str) -> list[str]:
    """While a token is being replaced a header holds several signatures."""
    return [one.strip() for header in headers for one in header.split(",") if one.strip()][:8]
