"""Amazon SES, by way of SNS: mail (action SNS), bounces, complaints, deliveries, event publishing.

https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html (mail),
…/notification-contents.html and …/event-publishing-retrieving-sns-contents.html (events). SNS never tries a
4xx again and other failures for an hour. A notification holds at most 150 KB of mail; what is larger goes to
S3 (action S3), and is not fetched from there: it is kept as an event with its reason.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from workers.errors import BadSignature, InvalidInput, SettingsError
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest
from workers.intake.providers.mail import sns
from workers.intake.providers.mail.account import MailAccount, need_known
from workers.intake.providers.mail.fields import at, key_of, objects_in, text_at
from workers.intake.providers.mail.port import (
    BOUNCED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    DROPPED,
    UNSUBSCRIBED,
    Confirmation,
    IncomingMail,
    Item,
    MailReceipt,
)
from workers.intake.providers.mail.proof import iso, need_fresh
from workers.intake.providers.mail.verdicts import verdicts

RETRY_MINUTES = 70
"""SNS tries for an hour, under the moment of the first try."""
_SUBTYPES: Mapping[str, str] = {
    "NoEmail": "unknown_recipient",
    "Suppressed": DROPPED,
    "OnAccountSuppressionList": DROPPED,
    "UnsubscribedRecipient": "opted_out",
    "MailboxFull": "mailbox_full",
    "MessageTooLarge": "too_large",
    "ContentRejected": "content_rejected",
    "AttachmentRejected": "content_rejected",
}


class Ses:
    """See `MailProvider`. What proves a call is Amazon's certificate and one of the account's topics."""

    name = "ses"
    expected = "ses://?topic=arn:aws:sns:REGION:ACCOUNT:NAME (topic several times; option window: minutes)"
    refused = 401
    unreadable = 400

    def check(self, account: MailAccount) -> None:
        """One topic at least."""
        need_known(account, ("topic", "window"), self.expected)
        topics = account.options.get("topic", ())
        if not topics or not all(sns.TOPIC.fullmatch(topic) for topic in topics):
            raise SettingsError("ses: the ARN of the SNS topic is needed", self.expected)

    def needs_body(self, account: MailAccount) -> bool:
        """What is signed, or the signature itself, stands in the body."""
        return True

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """The topic first: for a stranger's nothing is fetched."""
        try:
            envelope = sns.read_envelope(call)
        except InvalidInput as error:
            raise BadSignature(error.message, error.hint) from error
        sns.need_topic(envelope, account.options.get("topic", ()))
        sns.need_signature(envelope, outside)
        need_fresh(call, iso(envelope.get("Timestamp", "")), account, RETRY_MINUTES)

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """A confirmation, a mail, or an event for each of its recipients."""
        envelope = sns.read_envelope(call)
        ident = envelope.get("MessageId", "")
        if envelope["Type"] == "SubscriptionConfirmation":
            return [Confirmation(key_of("confirm", ident), envelope.get("SubscribeURL", ""), sns.HOST)]
        if envelope["Type"] == "UnsubscribeConfirmation":
            return []
        message = _message(envelope)
        if not isinstance(at(message, "mail"), dict):
            if "Successfully validated SNS topic" in envelope["Message"]:
                return []
            raise InvalidInput("the notification is not one of SES")
        if text_at(message, "notificationType") == "Received":
            return [_mail(message)]
        return _receipts(message, ident, envelope.get("TopicArn", ""))

    def answer(self) -> HookAnswer:
        """200."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """The content of the notification. Raises InvalidInput when the mail went to S3 instead."""
        message = json.loads(json.loads(raw)["Message"])
        content = message.get("content")
        if not isinstance(content, str) or not content:
            where = text_at(message, "receipt", "action", "type") or "elsewhere"
            raise InvalidInput(f"the mail is not in the notification ({where}): use the action SNS, Base64")
        if text_at(message, "receipt", "action", "encoding").upper() != "BASE64":
            return content.encode("utf-8", "replace")
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput("the mail in the notification is no Base64") from error


def _message(envelope: Mapping[str, str]) -> Any:
    try:
        return json.loads(envelope["Message"])
    except (ValueError, RecursionError):
        return None


def _mail(message: Mapping[str, Any]) -> IncomingMail:
    found = {
        name: text_at(message, "receipt", f"{name}Verdict", "status")
        for name in ("spf", "dkim", "dmarc", "spam", "virus")
    }
    source = at(message, "mail", "source")
    told = at(message, "receipt", "recipients") or at(message, "mail", "destination") or []
    return IncomingMail(
        key=key_of("mail", text_at(message, "mail", "messageId")),
        sender=None if not isinstance(source, str) else source.strip("<> ")[:320],
        recipients=tuple(str(one)[:320] for one in told[:50]) if isinstance(told, list) else (),
        verdicts=verdicts(**found),
    )


def _receipts(message: Mapping[str, Any], ident: str, topic: str) -> list[Item]:
    kind = text_at(message, "eventType") or text_at(message, "notificationType")
    fate, reason = _fate(message, kind)
    if not fate:
        return []
    mail = message["mail"]
    one = _first_recipient(message, kind)
    words = text_at(one, "diagnosticCode") or text_at(message, "reject", "reason")
    status = text_at(one, "status")
    return [
        MailReceipt(
            key=key_of("event", ident),
            fate=fate,
            echo=_header(mail, "x-closeloop"),
            return_path=text_at(mail, "source"),
            message_ids=tuple(filter(None, [_header(mail, "message-id")])),
            provider_id=text_at(mail, "messageId"),
            known_as=_names(text_at(mail, "messageId"), topic),
            reason=reason,
            code=450 if text_at(message, "bounce", "bounceType") == "Transient" else 0,
            status=status,
            words=words.partition(";")[2].strip() or words,
        )
    ]


def _first_recipient(message: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Our mails have one recipient each."""
    path = {
        "Bounce": ("bounce", "bouncedRecipients"),
        "DeliveryDelay": ("deliveryDelay", "delayedRecipients"),
    }
    if kind not in path:
        return {}
    return next(iter(objects_in(at(message, *path[kind]) or [])), {})


def _fate(message: Mapping[str, Any], kind: str) -> tuple[str, str]:
    if kind == "Bounce":
        return BOUNCED, _SUBTYPES.get(text_at(message, "bounce", "bounceSubType"), "")
    if kind == "Complaint":
        # An account-level suppression is told as a complaint, though nobody complained of this mail.
        held = text_at(message, "complaint", "complaintSubType") == "OnAccountSuppressionList"
        return (BOUNCED, DROPPED) if held else (COMPLAINED, "")
    if kind in ("Reject", "Rendering Failure"):
        return BOUNCED, "content_rejected"
    simple = {"Delivery": DELIVERED, "DeliveryDelay": DEFERRED, "Subscription": UNSUBSCRIBED}
    return simple.get(kind, ""), ""


def _header(mail: Mapping[str, Any], name: str) -> str:
    """A header of our mail as we wrote it; there are none unless SES was told to include them."""
    for one in objects_in(mail.get("headers") or []):
        if text_at(one, "name").lower() == name:
            return text_at(one, "value")
    return ""


def _names(ident: str, topic: str) -> tuple[str, ...]:
    """The Message-ID that SES put in the place of ours: its own id, at the region's domain."""
    region = (topic.split(":") + [""] * 4)[3]
    if not ident or not region:
        return ()
    domain = "email.amazonses.com" if region == "us-east-1" else f"{region}.amazonses.com"
    return (f"<{ident}@{domain}>",)
