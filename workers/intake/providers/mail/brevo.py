"""Brevo (formerly Sendinblue): inbound parsing, and events of transactional mail.

https://developers.brevo.com/docs/inbound-parse-webhooks (`items`, attachments behind a token),
…/reference/get-inbound-email-attachment, …/docs/transactional-webhooks, …/docs/batch-webhooks,
…/docs/secured-webhooks (user and password in the address, or a bearer token), …/docs/retry-mechanism: 429 is
tried again four times in eleven hours, while any other 4xx drops the call for good. So what is not proved is
answered with 429: a password that was mistyped here must not cost a customer's mail.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import structlog

from workers.errors import CloseloopError, InvalidInput
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest, same
from workers.intake.providers.mail.account import MailAccount, need_known, need_login
from workers.intake.providers.mail.fields import at, key_of, objects_in, piece, text_at
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
from workers.intake.providers.mail.proof import need_login as need_proof
from workers.intake.providers.mail.rebuild import File, build_mail
from workers.intake.providers.mail.stored import header_lines, reply_in, stored_object
from workers.intake.providers.mail.verdicts import verdicts

log = structlog.get_logger(__name__)

API = "https://api.brevo.com/v3/inbound/attachments/"
HOSTS = frozenset({"api.brevo.com"})
MOST_FILES = 50
MOST_BYTES = 25 * 1024 * 1024
"""Of all attachments of a mail together."""
MOST_SECONDS = 40.0

_FATES: Mapping[str, str] = {
    "delivered": DELIVERED,
    "hard_bounce": BOUNCED,
    "soft_bounce": BOUNCED,
    "blocked": BOUNCED,
    "invalid_email": BOUNCED,
    "invalid": BOUNCED,
    "error": BOUNCED,
    "deferred": DEFERRED,
    "spam": COMPLAINED,
    "complaint": COMPLAINED,
    "unsubscribed": UNSUBSCRIBED,
    "unsubscribe": UNSUBSCRIBED,
}
"""A soft bounce comes after 36 hours of deferrals: Brevo has given up by then."""
_REASONS: Mapping[str, str] = {
    "blocked": DROPPED,
    "invalid_email": "unknown_recipient",
    "invalid": "unknown_recipient",
    "error": "server_error",
}


class Brevo:
    """See `MailProvider`. User and password, or token, are those that were given to Brevo with the address;
    `key` is an API key, with which attachments are fetched.
    """

    name = "brevo"
    expected = "brevo://user:password@?key=API-KEY (or brevo://@?token=TOKEN&key=API-KEY)"
    refused = 429
    unreadable = 400

    def check(self, account: MailAccount) -> None:
        """A login or a token is needed; without a key attachments are only named."""
        need_known(account, ("token", "key"), self.expected)
        need_login(account, self.expected)

    def needs_body(self, account: MailAccount) -> bool:
        """No: the login stands in the header or the address."""
        return False

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """By a bearer token, or as any login."""
        scheme, _, given = call.headers.get("authorization", "").strip().partition(" ")
        token = account.option("token")
        if not (scheme.lower() == "bearer" and token and same(given.strip(), token)):
            need_proof(call, account)

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """Mails (`items`), or one or more events."""
        whole = call.json()
        if isinstance(whole, dict) and "items" in whole:
            return [_mail(item) for item in objects_in(whole["items"])]
        events = objects_in(whole)
        if not isinstance(whole, list | dict) or (whole and not any("event" in event for event in events)):
            raise InvalidInput("the body holds neither items nor events")
        return [receipt for event in events if (receipt := _receipt(event)) is not None]

    def answer(self) -> HookAnswer:
        """200."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """The mail put together again, its attachments fetched; one that cannot be had is named in a note."""
        item = stored_object(raw)
        keys = [account.option("key") for account in accounts if account.option("key")]
        instead = {
            "From": _mailbox(item.get("From")),
            "To": _mailboxes(item.get("To")),
            "Cc": _mailboxes(item.get("Cc")),
            "Reply-To": _mailbox(item.get("ReplyTo")),
            "Subject": text_at(item, "Subject"),
            "Date": text_at(item, "SentAtDate"),
            "Message-ID": text_at(item, "MessageId"),
            "In-Reply-To": text_at(item, "InReplyTo"),
        }
        text, html = item.get("RawTextBody"), item.get("RawHtmlBody")
        return build_mail(
            header_lines(item.get("Headers"), instead),
            text if isinstance(text, str) else "",
            html if isinstance(html, str) else "",
            _files(item, keys, outside),
        )


def _mail(item: Mapping[str, Any]) -> IncomingMail:
    uuid = item.get("Uuid")
    ident = uuid[0] if isinstance(uuid, list) and uuid else uuid
    facts = piece(item)
    back = at(item, "Headers", "Return-Path")
    told = item.get("Recipients")
    addresses = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
    delivered = text_at(item, "Headers", "Delivered-To")
    return IncomingMail(
        key=key_of("in", ident) if isinstance(ident, str) and ident else hashlib.sha256(facts).hexdigest(),
        raw=facts,
        sender=back.strip("<> ") if isinstance(back, str) else None,
        recipients=tuple(address[:320] for address in addresses[:50]) or ((delivered,) if delivered else ()),
        verdicts=verdicts(spam_score=text_at(item, "SpamScore") or text_at(item, "Spam.Score")),
    )


def _mailbox(told: Any) -> str:
    address, name = text_at(told, "Address"), text_at(told, "Name")
    plain = name.replace("\\", "").replace('"', "")
    return f'"{plain}" <{address}>' if plain and address else address


def _mailboxes(told: Any) -> str:
    return ", ".join(box for one in objects_in(told) if (box := _mailbox(one)))


def _files(item: Mapping[str, Any], keys: Sequence[str], outside: Outside) -> list[File]:
    files: list[File] = []
    left, ends = MOST_BYTES, time.monotonic() + MOST_SECONDS
    for told in objects_in(item.get("Attachments") or [])[:MOST_FILES]:
        name, kind = text_at(told, "Name") or "attachment", text_at(told, "ContentType")
        try:
            if time.monotonic() > ends:
                raise InvalidInput("there was no time left for it")
            content = _fetched(text_at(told, "DownloadToken"), keys, outside, left)
        except CloseloopError as error:
            log.warning("attachment_not_fetched", provider="brevo", reason=error.message)
            files.append(_note(name, kind, text_at(told, "ContentLength"), error.message))
            continue
        left -= len(content)
        files.append(File(name, kind, content, text_at(told, "ContentID")))
    return files


def _fetched(token: str, keys: Sequence[str], outside: Outside, most: int) -> bytes:
    if not token:
        raise InvalidInput("Brevo gives no token to fetch it with")
    if not keys:
        raise InvalidInput("no API key is set (CLOSELOOP_EMAIL_HOOKS, option key)")
    url = API + quote(token, safe="")
    for key in keys[:-1]:
        try:
            return outside.get(url, hosts=HOSTS, cap=most, headers={"api-key": key})
        except CloseloopError:
            continue  # another account's mail, or that account's key: the next may read it
    return outside.get(url, hosts=HOSTS, cap=most, headers={"api-key": keys[-1]})


def _note(name: str, kind: str, size: str, why: str) -> File:
    """Stands for an attachment that is not there: whoever reads the mail must know that there was one."""
    words = (
        f"{name} ({kind or 'unknown type'}, {size or '?'} bytes) could not be fetched from Brevo: {why}.\n"
    )
    return File(f"{name} (not fetched).txt", "text/plain", words.encode("utf-8", "replace"))


def _receipt(event: Mapping[str, Any]) -> MailReceipt | None:
    kind = text_at(event, "event")
    fate = _FATES.get(kind)
    if fate is None:
        return None
    facts, words = piece(event), text_at(event, "reason")
    code, status = reply_in(words)
    reason = _REASONS.get(kind, "")
    if kind == "hard_bounce" and not (code or status):
        reason = "unknown_recipient"
    if kind == "soft_bounce" and not (code or status):
        code = 450
    return MailReceipt(
        key=hashlib.sha256(facts).hexdigest(),
        fate=fate,
        raw=facts,
        echo=text_at(event, "X-Mailin-custom"),
        message_ids=(text_at(event, "message-id"),) if text_at(event, "message-id") else (),
        reason=reason,
        code=code,
        status=status,
        words=words,
    )
