"""Postmark: inbound mail, and the webhooks for deliveries, bounces, complaints and subscriptions.

https://postmarkapp.com/developer/webhooks/inbound-webhook, …/bounce-webhook, …/delivery-webhook,
…/spam-complaint-webhook, …/subscription-change-webhook; bounce types:
https://postmarkapp.com/developer/api/bounce-api

Nothing is signed: the address carries user and password (Basic). 403 ends the retries, anything else but 200
is tried again ten times.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from workers.errors import InvalidInput
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest
from workers.intake.providers.mail import proof
from workers.intake.providers.mail.account import MailAccount, need_known, need_login
from workers.intake.providers.mail.fields import at, key_of, objects_in, text_at
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

_BOUNCES: Mapping[str, tuple[str, str]] = {
    "HardBounce": (BOUNCED, ""),
    "BadEmailAddress": (BOUNCED, "unknown_recipient"),
    "SoftBounce": (BOUNCED, ""),
    "DnsError": (BOUNCED, "server_error"),
    "Unknown": (BOUNCED, ""),
    "Blocked": (BOUNCED, "policy_rejected"),
    "SpamNotification": (BOUNCED, "content_rejected"),
    "VirusNotification": (BOUNCED, "content_rejected"),
    "DMARCPolicy": (BOUNCED, "policy_rejected"),
    "ManuallyDeactivated": (BOUNCED, DROPPED),
    "SMTPApiError": (BOUNCED, "server_error"),
    "TemplateRenderingFailed": (BOUNCED, "content_rejected"),
    "Transient": (DEFERRED, ""),
    "SpamComplaint": (COMPLAINED, ""),
    "Unsubscribe": (UNSUBSCRIBED, ""),
}
"""What a bounce of a type means; those that are none (out of office, address change …) are left out."""
_SOFT = frozenset({"SoftBounce", "DnsError", "Unknown"})


class Postmark:
    """See `MailProvider`. User and password stand in the webhook's address, or ?token= does."""

    name = "postmark"
    expected = "postmark://user:password@ or postmark://?token=SECRET"
    refused = 403
    unreadable = 400

    def check(self, account: MailAccount) -> None:
        """A login, or a token."""
        need_known(account, ("token",), self.expected)
        need_login(account, self.expected)

    def needs_body(self, account: MailAccount) -> bool:
        """No: the login stands in the header or the address."""
        return False

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """By login."""
        proof.need_login(call, account)

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """A mail, or one event (named by RecordType)."""
        whole = call.json()
        if not isinstance(whole, dict):
            raise InvalidInput("the body is no JSON object")
        kind = text_at(whole, "RecordType")
        if kind and kind != "Inbound":
            return _receipt(whole, kind)
        if not text_at(whole, "MessageID") or not {"Headers", "RawEmail", "TextBody"} & whole.keys():
            raise InvalidInput("the body holds no mail", "expected MessageID, Headers and TextBody")
        return [_mail(whole)]

    def answer(self) -> HookAnswer:
        """200."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """`RawEmail` as it is, else the mail put together again."""
        whole = json.loads(raw)
        told = whole.get("RawEmail")
        if isinstance(told, str) and told.strip():
            return told.encode("utf-8", "replace")
        return _rebuilt(whole)


def _header_pairs(whole: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(text_at(one, "Name"), at(one, "Value")) for one in objects_in(whole.get("Headers") or [])]
    return [(name, value) for name, value in found if name and isinstance(value, str)]


def _mail(whole: Mapping[str, Any]) -> IncomingMail:
    headers = {name.lower(): value for name, value in reversed(_header_pairs(whole))}
    path = headers.get("return-path")
    return IncomingMail(
        key=key_of("mail", text_at(whole, "MessageID")),
        sender=None if path is None else path.strip("<> ")[:320],
        recipients=tuple(filter(None, [text_at(whole, "OriginalRecipient")[:320]])),
        verdicts=verdicts(
            spf=headers.get("received-spf", ""),
            spam=headers.get("x-spam-status", "").partition(",")[0],
            spam_score=headers.get("x-spam-score", ""),
        ),
    )


def _rebuilt(whole: Mapping[str, Any]) -> bytes:
    headers = _header_pairs(whole)
    known = {name.lower() for name, _ in headers}
    for name, field in (("From", "From"), ("To", "To"), ("Cc", "Cc"), ("Reply-To", "ReplyTo")):
        headers.append((name, _addresses(whole, field)))
    headers += [("Subject", text_at(whole, "Subject")), ("Date", text_at(whole, "Date"))]
    headers = [pair for pair in headers if pair[1] and not (pair[0] in _TOLD and pair[0].lower() in known)]
    files = [
        File(
            text_at(one, "Name"),
            text_at(one, "ContentType"),
            _decoded(at(one, "Content")),
            text_at(one, "ContentID"),
        )
        for one in objects_in(whole.get("Attachments") or [])
    ]
    return build_mail(headers, _long(whole, "TextBody"), _long(whole, "HtmlBody"), files)


_TOLD = frozenset({"From", "To", "Cc", "Reply-To", "Subject", "Date"})


def _addresses(whole: Mapping[str, Any], name: str) -> str:
    """A header with addresses, as told; the one under …Full where the short one is missing."""
    plain = whole.get(name)
    if isinstance(plain, str) and plain:
        return plain[:8_000]
    return ", ".join(text_at(one, "Email") for one in objects_in(whole.get(f"{name}Full") or []))


def _long(whole: Mapping[str, Any], name: str) -> str:
    found = whole.get(name)
    return found if isinstance(found, str) else ""


def _decoded(content: object) -> bytes:
    try:
        return base64.b64decode(content) if isinstance(content, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _receipt(whole: Mapping[str, Any], kind: str) -> list[Item]:
    fate, reason = _fate(whole, kind)
    if not fate:
        return []
    words = text_at(whole, "Details")
    soft = text_at(whole, "Type") in _SOFT
    ident = text_at(whole, "ID") or text_at(whole, "MessageID")
    when = text_at(whole, "BouncedAt") or text_at(whole, "DeliveredAt") or text_at(whole, "ChangedAt")
    return [
        MailReceipt(
            key=key_of(kind, ident, when or fate),
            fate=fate,
            echo=text_at(whole, "Metadata", "closeloop"),
            provider_id=text_at(whole, "MessageID"),
            reason=reason,
            code=450 if soft else 550 if fate == BOUNCED else 0,
            words=words.partition(";")[2].strip() or words or text_at(whole, "Description"),
        )
    ]


def _fate(whole: Mapping[str, Any], kind: str) -> tuple[str, str]:
    match kind:
        case "Delivery":
            return DELIVERED, ""
        case "SpamComplaint":
            return COMPLAINED, ""
        case "Bounce":
            return _BOUNCES.get(text_at(whole, "Type"), ("", ""))
        case "SubscriptionChange" if at(whole, "SuppressSending") is True:
            manual = text_at(whole, "SuppressionReason") == "ManualSuppression"
            return (UNSUBSCRIBED, "") if manual else ("", "")
        case _:
            return "", ""
