"""Twilio: signature of a webhook, an inbound SMS, a delivery status.

https://www.twilio.com/docs/usage/webhooks/webhooks-security and
https://www.twilio.com/docs/messaging/guides/webhook-request (inbound), …/outbound-message-status (status).
"""

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from workers.errors import BadSignature, InvalidInput
from workers.intake.charset import scrub
from workers.intake.providers.calls import Credentials, HookAnswer, HookRequest
from workers.intake.providers.sms.port import InboundSms, SmsStatus

_PORTS = {"https": 443, "http": 80}
_MAX_TEXT = 4_000
_MAX_MEDIA = 20

Params = Sequence[tuple[str, str]]


class Twilio:
    """See `SmsProvider`. The secrets are auth tokens of the account."""

    name = "twilio"

    def verify(self, request: HookRequest, credentials: Credentials) -> None:
        """By the signature over address and form fields."""
        signature = request.headers.get("x-twilio-signature", "")
        try:
            params = request.form()
        except InvalidInput as error:
            raise BadSignature("the body is no form, so it cannot have been signed") from error
        tokens = credentials.secrets or ("",)
        for token in tokens[:-1]:
            with suppress(BadSignature):  # the next token may fit
                return verify(request.url, params, signature, token)
        return verify(request.url, params, signature, tokens[-1])

    def inbound(self, request: HookRequest) -> list[InboundSms]:
        """The one SMS of a call."""
        return [parse_inbound(request.form())]

    def statuses(self, request: HookRequest) -> list[SmsStatus]:
        """The one status of a call."""
        return [parse_status(request.form())]

    def answer(self) -> HookAnswer:
        """204: nothing is answered by SMS."""
        return HookAnswer(204)


def verify(url: str, params: Params, signature: str, auth_token: str) -> None:
    """Raises BadSignature unless Twilio signed this request with the account's `auth_token`.

    `url` is the public URL as Twilio called it, with its query; `params` are all form fields as they
    arrived, blank ones too, nothing trimmed. The signature is the Base64 of HMAC-SHA1 over the URL followed
    by each name and value, sorted by name; a name given several times adds its different values in order.
    Twilio signs sometimes with and sometimes without the standard port, so both spellings of the URL count.
    Compared in constant time.
    """
    if not auth_token or not signature:
        raise BadSignature(
            "the request is not signed", "set the account's auth token and check the webhook URL"
        )
    given = signature.strip().encode("utf-8", "replace")
    tail = _signed_tail(params)
    matches = [hmac.compare_digest(given, _sign(spelling + tail, auth_token)) for spelling in _spellings(url)]
    if not any(matches):
        raise BadSignature(
            "the signature does not match", "is CLOSELOOP_PUBLIC_URL the address Twilio calls?"
        )


def sign(url: str, params: Params, auth_token: str) -> str:
    """The signature Twilio would send for this request: for simulators and tests."""
    return _sign(url + _signed_tail(params), auth_token).decode("ascii")


def parse_inbound(params: Params) -> InboundSms:
    """The SMS in a webhook's form fields. Raises InvalidInput when the sender or the id is missing."""
    fields = _fields(params)
    external_id = fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid") or ""
    sender = fields.get("From", "")
    if not external_id or not sender:
        raise InvalidInput("the SMS names no sender or no id", "expected the fields From and MessageSid")
    return InboundSms(
        sender=_number(sender),
        recipient=_number(fields.get("To", "")),
        text=fields.get("Body", "")[:_MAX_TEXT],
        external_id=external_id[:64],
        media=_media(fields),
    )


def parse_status(params: Params) -> SmsStatus:
    """The delivery status in a callback's form fields. Raises InvalidInput when id or state is missing."""
    fields = _fields(params)
    external_id = fields.get("MessageSid") or fields.get("SmsSid") or ""
    state = (fields.get("MessageStatus") or fields.get("SmsStatus") or "").strip().lower()
    if not external_id or not state:
        raise InvalidInput("the status names no message or no state", "expected MessageSid and MessageStatus")
    return SmsStatus(
        external_id=external_id[:64], state=state[:40], error_code=fields.get("ErrorCode", "")[:20]
    )


def _signed_tail(params: Params) -> str:
    values: defaultdict[str, set[str]] = defaultdict(set)
    for name, value in params:
        values[name].add(value)
    return "".join(name + value for name in sorted(values) for value in sorted(values[name]))


def _sign(text: str, auth_token: str) -> bytes:
    # SHA-1 is Twilio's choice; in an HMAC it is still sound.
    mac = hmac.new(auth_token.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha1)
    return base64.b64encode(mac.digest())


def _spellings(url: str) -> tuple[str, ...]:
    """The URL as given, without its port, and with the standard one."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        return (url,)
    if not host:
        return (url,)
    login, at, rest = parts.netloc.rpartition("@")
    host = rest.partition("]")[0] + "]" if rest.startswith("[") else rest.partition(":")[0]
    without = urlunsplit(parts._replace(netloc=f"{login}{at}{host}"))
    standard = _PORTS.get(parts.scheme.lower())
    ported = urlunsplit(parts._replace(netloc=f"{login}{at}{host}:{port or standard}")) if standard else url
    return tuple(dict.fromkeys((url, without, ported)))


def _fields(params: Params) -> dict[str, str]:
    """The first value of each field, storable."""
    fields: dict[str, str] = {}
    for name, value in params:
        fields.setdefault(name, scrub(value))
    return fields


def _number(value: str) -> str:
    # "whatsapp:+1…" names the channel before the number.
    return value.strip().rpartition(":")[2][:40]


def _media(fields: dict[str, str]) -> tuple[str, ...]:
    stated = fields.get("NumMedia", "0").strip()
    count = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 4 else 0
    urls = (fields.get(f"MediaUrl{number}", "") for number in range(min(count, _MAX_MEDIA)))
    return tuple(url[:2_000] for url in urls if url.startswith(("https://", "http://")))
