"""Twilio SendGrid: Inbound Parse (parsed or raw) and the Event Webhook.

https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/setting-up-the-inbound-parse-webhook
(fields), …/parsing-email/securing-your-parse-webhooks and
…/tracking-events/getting-started-event-webhook-security-features (one signature for both: ECDSA on P-256
with SHA-256 over timestamp and raw body), …/tracking-events/event (events).

A 5xx is tried again (mail for three days, events for one), a 4xx is not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workers.errors import BadSignature, InvalidInput, SettingsError
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest
from workers.intake.providers.mail import proof
from workers.intake.providers.mail.account import MailAccount, need_known, need_login
from workers.intake.providers.mail.fields import key_of, objects_in, piece, text_at, texts_at
from workers.intake.providers.mail.forms import Form, charsets_of, field_text, read_form
from workers.intake.providers.mail.port import (
    BOUNCED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    DROPPED,
    UNSUBSCRIBED,
    IncomingMail,
    Item,
    MailReceipt,
)
from workers.intake.providers.mail.rebuild import File, build_mail
from workers.intake.providers.mail.verdicts import verdicts

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_SPAM_SCORE = 5.0
"""SpamAssassin's own threshold, which SendGrid's score follows."""
_FATES = {
    "delivered": DELIVERED,
    "bounce": BOUNCED,
    "dropped": BOUNCED,
    "deferred": DEFERRED,
    "spamreport": COMPLAINED,
    "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
}
_CLASSES = {
    "Invalid Address": "unknown_recipient",
    "Mailbox Unavailable": "mailbox_full",
    "Content": "content_rejected",
    "Reputation": "policy_rejected",
    "Frequency or Volume Too High": "throttled",
}
"""https://www.twilio.com/docs/sendgrid/ui/analytics-and-reporting/bounce-and-block-classifications"""


class SendGrid:
    """See `MailProvider`. The secret is the public key of the signature; with a user it is a password
    instead,
    for parse webhooks without a security policy.
    """

    name = "sendgrid"
    expected = "sendgrid://:PUBLIC-KEY@ (signed) or sendgrid://user:password@ (option window: minutes)"
    refused = 401
    unreadable = 400

    def check(self, account: MailAccount) -> None:
        """A public key that is one, or a login."""
        need_known(account, ("window", "token"), self.expected)
        if account.user or account.option("token"):
            need_login(account, self.expected)
            return
        try:
            _public_key(account.secret)
        except BadSignature as error:
            raise SettingsError("sendgrid: the public key cannot be read", self.expected) from error

    def needs_body(self, account: MailAccount) -> bool:
        """Only what is signed does; a login stands in the header."""
        return not (account.user or account.option("token"))

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """By the signature over timestamp and body, else by login."""
        if account.user or account.option("token"):
            return proof.need_login(call, account)
        timestamp = call.headers.get(TIMESTAMP, "")
        _need_ecdsa(account.secret, call.headers.get(SIGNATURE, ""), timestamp.encode() + call.body)
        return proof.need_fresh(call, proof.unix(timestamp), account)

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """A mail (a form), or a batch of events (a JSON array)."""
        if call.headers.get("content-type", "").lower().startswith("application/json"):
            events = call.json()
            if not isinstance(events, list):
                raise InvalidInput("the events are no list")
            return list(_receipts(objects_in(events)))
        return [_mail(call)]

    def answer(self) -> HookAnswer:
        """200."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """The field `email` as it is, else the mail put together again."""
        form = read_form(raw, str(details.get("content_type", "")))
        return form.data("email") or _rebuilt(form)


def _public_key(text: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise BadSignature("the public key cannot be read") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise BadSignature("the public key is not one of an elliptic curve")
    return key


def _need_ecdsa(key: str, signature: str, signed: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    public = _public_key(key)
    try:
        public.verify(base64.b64decode(signature, validate=True), signed, ECDSA(SHA256()))
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise BadSignature(
            "the signature is missing or does not match", "is it the public key of this webhook?"
        ) from error


def _mail(call: HookRequest) -> IncomingMail:
    kind = call.headers.get("content-type", "")
    form = read_form(call.body, kind)
    if not any(form.data(name) for name in ("email", "headers", "from")):
        raise InvalidInput("the form holds no mail", "expected the field email, or headers and text")
    envelope = _object(form.data("envelope"))
    to = envelope.get("to")
    told = [str(one) for one in to if isinstance(one, str)] if isinstance(to, list) else []
    content = form.data("email") or form.data("headers") + form.data("text") + form.data("html")
    return IncomingMail(
        key=hashlib.sha256(form.data("envelope") + b"\0" + content).hexdigest(),
        details={"content_type": kind},
        sender=str(envelope["from"]) if isinstance(envelope.get("from"), str) else None,
        recipients=tuple(told[:50]),
        verdicts=_verdicts(form),
    )


def _verdicts(form: Form) -> dict[str, str]:
    score = form.text("spam_score")
    spam = ""
    try:
        spam = "yes" if float(score) >= _SPAM_SCORE else "no"
    except ValueError:
        spam = ""
    # "{@example.com : pass}", one for each signature; one good signature will do.
    dkim = form.text("dkim").lower()
    signed = "pass" if ": pass" in dkim else "fail" if ": fail" in dkim else dkim.strip("{} ")
    return verdicts(spf=form.text("SPF"), dkim=signed, spam=spam, spam_score=score)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _rebuilt(form: Form) -> bytes:
    charsets = charsets_of(form)

    def text(name: str) -> str:
        return field_text(form.data(name), charsets.get(name))

    headers = _headers(field_text(form.data("headers")))
    known = {name.lower() for name, _ in headers}
    headers += [(name, text(name)) for name in ("from", "to", "cc", "subject") if name not in known]
    about = _object(form.data("attachment-info"))
    files = [_file(one.within, one.filename, one.content_type, one.content, about) for one in form.files]
    return build_mail([pair for pair in headers if pair[1]], text("text"), text("html"), files)


def _headers(block: str) -> list[tuple[str, str]]:
    """The header block of a mail, unfolded (RFC 5322 section 2.2.3)."""
    found: list[tuple[str, str]] = []
    for line in block.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and found:
            name, value = found[-1]
            found[-1] = (name, f"{value} {line.strip()}")
        elif ":" in line:
            name, _, value = line.partition(":")
            found.append((name.strip(), value.strip()))
    return found


def _file(within: str, filename: str, kind: str, content: bytes, about: Mapping[str, Any]) -> File:
    return File(
        filename or text_at(about, within, "filename"),
        text_at(about, within, "type") or kind,
        content,
        text_at(about, within, "content-id"),
    )


def _receipts(events: Iterable[Mapping[str, Any]]) -> Iterable[Item]:
    for event in events:
        kind = text_at(event, "event")
        fate = _FATES.get(kind)
        if fate is None:
            continue
        own = text_at(event, "sg_event_id")
        stamp = (text_at(event, "sg_message_id"), text_at(event, "timestamp"), text_at(event, "email"))
        yield MailReceipt(
            key=key_of("event", own) if own else key_of("event", kind, *stamp),
            fate=fate,
            raw=piece(event),
            echo=text_at(event, "closeloop"),
            message_ids=texts_at(event, "smtp-id"),
            reason=_reason(event, kind),
            code=0,
            status=text_at(event, "status"),
            words=text_at(event, "reason") or text_at(event, "response"),
        )


def _reason(event: Mapping[str, Any], kind: str) -> str:
    if kind == "dropped":
        return "opted_out" if text_at(event, "reason").startswith("Unsubscribed") else DROPPED
    if text_at(event, "status"):
        return ""
    return _CLASSES.get(text_at(event, "bounce_classification"), "")
