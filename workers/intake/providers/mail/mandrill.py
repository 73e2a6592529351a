"""Mandrill (Mailchimp Transactional): inbound routes and message events, in one format.

https://mailchimp.com/developer/transactional/docs/webhooks/ and …/docs/inbound-email/ ; signature:
https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/#authenticating-webhook-requests

Signed is the address as it was entered there, with all fields sorted by name. Anything but 200 is tried
again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workers.errors import BadSignature, InvalidInput, SettingsError
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest, same
from workers.intake.providers.mail.account import MailAccount, need_known
from workers.intake.providers.mail.fields import at, key_of, objects_in, piece, text_at
from workers.intake.providers.mail.forms import read_form
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

TEST_KEY = "test-webhook"
"""Signs the empty call by which an address is tried before it is kept, when it has no key yet."""
_FATES = {
    "delivered": DELIVERED,
    "deferral": DEFERRED,
    "hard_bounce": BOUNCED,
    "soft_bounce": BOUNCED,
    "reject": BOUNCED,
    "spam": COMPLAINED,
    "unsub": UNSUBSCRIBED,
}
_DESCRIPTIONS = {
    "bad_mailbox": "unknown_recipient",
    "invalid_domain": "unreachable_domain",
    "mailbox_full": "mailbox_full",
    "spam": "content_rejected",
    "blocked": "policy_rejected",
}


class Mandrill:
    """See `MailProvider`. The secret is the webhook's own key."""

    name = "mandrill"
    expected = "mandrill://:WEBHOOK-KEY@"
    refused = 401
    unreadable = 200

    def check(self, account: MailAccount) -> None:
        """The key is needed."""
        need_known(account, (), self.expected)
        if not account.secret:
            raise SettingsError("mandrill: the webhook's key is needed", self.expected)

    def needs_body(self, account: MailAccount) -> bool:
        """What is signed, or the signature itself, stands in the body."""
        return True

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """HMAC-SHA1 over address and sorted fields."""
        given = call.headers.get("x-mandrill-signature", "")
        try:
            fields = _fields(call)
        except InvalidInput as error:
            raise BadSignature("the body is no form, so it cannot have been signed") from error
        matches = same(given, sign(call.url, fields, account.secret))
        tested = same(given, sign(call.url, fields, TEST_KEY)) and _events_text(fields).strip() == "[]"
        if not given or not (matches or tested):
            raise BadSignature(
                "the signature is missing or does not match",
                "is CLOSELOOP_PUBLIC_URL the address Mandrill calls, to the letter?",
            )

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """Mails and events, mixed."""
        try:
            events = json.loads(_events_text(_fields(call)))
        except (ValueError, RecursionError) as error:
            raise InvalidInput("mandrill_events is no JSON") from error
        if not isinstance(events, list):
            raise InvalidInput("mandrill_events is no list")
        return list(_items(objects_in(events)))

    def answer(self) -> HookAnswer:
        """200."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """`raw_msg` as it is, else the mail put together again."""
        message = at(json.loads(raw), "msg")
        whole = at(message, "raw_msg")
        if isinstance(whole, str) and whole.strip():
            return whole.encode("utf-8", "replace")
        return _rebuilt(message)


def sign(url: str, fields: Sequence[tuple[str, bytes]], key: str) -> str:
    """The signature of a call: for verification, simulators and tests."""
    signed = url.encode() + b"".join(name.encode() + value for name, value in sorted(fields))
    return base64.b64encode(hmac.digest(key.encode(), signed, hashlib.sha1)).decode("ascii")


def _fields(call: HookRequest) -> tuple[tuple[str, bytes], ...]:
    return read_form(call.body, call.headers.get("content-type", "")).fields


def _events_text(fields: Iterable[tuple[str, bytes]]) -> str:
    return next((value for name, value in fields if name == "mandrill_events"), b"").decode(
        "utf-8", "replace"
    )


def _items(events: Iterable[Mapping[str, Any]]) -> Iterable[Item]:
    for event in events:
        kind = text_at(event, "event")
        if kind == "inbound" and isinstance(event.get("msg"), dict):
            yield _mail(event)
        elif kind in _FATES:
            yield _receipt(event, kind)


def _mail(event: Mapping[str, Any]) -> IncomingMail:
    message = event["msg"]
    whole = at(message, "raw_msg")
    content = whole.encode("utf-8", "replace") if isinstance(whole, str) and whole else piece(message)
    recipient = text_at(message, "email")
    sender = at(message, "sender")
    return IncomingMail(
        key=hashlib.sha256(content + b"\0" + recipient.lower().encode("utf-8", "replace")).hexdigest(),
        raw=piece(event),
        sender=sender.strip("<> ")[:320] if isinstance(sender, str) else None,
        recipients=(recipient[:320],) if recipient else (),
        verdicts=_verdicts(message),
    )


def _verdicts(message: Mapping[str, Any]) -> dict[str, str]:
    signed, valid = at(message, "dkim", "signed"), at(message, "dkim", "valid")
    dkim = "" if signed is None else "pass" if valid else "fail" if signed else "none"
    return verdicts(
        spf=text_at(message, "spf", "result"),
        dkim=dkim,
        spam_score=text_at(message, "spam_report", "score"),
    )


def _receipt(event: Mapping[str, Any], kind: str) -> MailReceipt:
    message = at(event, "msg")
    diagnosis = text_at(message, "diag") or text_at(_last(at(message, "smtp_events")), "diag")
    return MailReceipt(
        key=key_of(kind, text_at(event, "_id") or text_at(message, "_id"), text_at(event, "ts") or "0"),
        fate=_FATES[kind],
        raw=piece(event),
        echo=text_at(message, "metadata", "closeloop"),
        provider_id=text_at(message, "_id"),
        reason=_reason(message, kind),
        code=450 if kind == "soft_bounce" else 0,
        words=diagnosis.partition(";")[2].strip() or diagnosis,
    )


def _last(found: Any) -> Any:
    return found[-1] if isinstance(found, list) and found else None


def _reason(message: Any, kind: str) -> str:
    if kind == "reject":
        told = text_at(message, "reject", "reason") or text_at(message, "reject")
        return "opted_out" if told == "unsub" else DROPPED
    if kind not in ("hard_bounce", "soft_bounce") or text_at(message, "diag"):
        return ""
    return _DESCRIPTIONS.get(text_at(message, "bounce_description"), "")


def _rebuilt(message: Any) -> bytes:
    told = at(message, "headers")
    headers: list[tuple[str, str]] = []
    for name, value in told.items() if isinstance(told, dict) else ():
        several = value if isinstance(value, list) else [value]
        headers += [(str(name), str(one)) for one in several if isinstance(one, str | int)]
    known = {name.lower() for name, _ in headers}
    if "from" not in known:
        headers.append(("From", f"{text_at(message, 'from_name')} <{text_at(message, 'from_email')}>"))
    if "subject" not in known:
        headers.append(("Subject", text_at(message, "subject")))
    files = [_file(one) for part in ("attachments", "images") for one in _each(at(message, part))]
    html = at(message, "html")
    text = at(message, "text")
    return build_mail(
        headers, text if isinstance(text, str) else "", html if isinstance(html, str) else "", files
    )


def _each(found: Any) -> list[dict[str, Any]]:
    return objects_in(list(found.values())) if isinstance(found, dict) else []


def _file(one: Mapping[str, Any]) -> File:
    content = one.get("content")
    plain = content.encode("utf-8", "replace") if isinstance(content, str) else b""
    if one.get("base64", True):
        try:
            plain = base64.b64decode(plain)
        except (binascii.Error, ValueError):
            plain = b""
    return File(text_at(one, "name"), text_at(one, "type"), plain)
