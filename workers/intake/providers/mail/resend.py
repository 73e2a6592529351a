"""Resend: mail that came in (announced, then fetched) and events of mail that went out.

https://resend.com/docs/webhooks/emails/received, …/api-reference/emails/retrieve-received-email (the raw
mail behind a signed link), …/webhooks/event-types; signatures: https://docs.svix.com/receiving/verifying-payloads/how-manual.
What is not answered with 2xx comes again for about ten hours.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from workers.errors import BadSignature, InvalidInput, SettingsError, Unavailable
from workers.intake.fetching import FetchRefused
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest
from workers.intake.providers.mail.account import MailAccount, need_known
from workers.intake.providers.mail.fields import at, key_of, objects_in, piece, text_at, texts_at
from workers.intake.providers.mail.port import (
    BOUNCED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    DROPPED,
    IncomingMail,
    Item,
    MailReceipt,
)
from workers.intake.providers.mail.proof import need_fresh, unix

API = "https://api.resend.com/emails/receiving/"
HOSTS = frozenset({"api.resend.com"})
RAW_HOST = "inbound-cdn.resend.com"
MINUTES = 5
MOST_FACTS = 36 * 1024 * 1024
"""Of the API's answer, which holds text and HTML with its pictures."""
MOST_BYTES = 40 * 1024 * 1024
SHORTEST_KEY = 16

_IDENT = re.compile(r"[A-Za-z0-9_-]{8,64}")
_FATES: Mapping[str, str] = {
    "email.delivered": DELIVERED,
    "email.bounced": BOUNCED,
    "email.failed": BOUNCED,
    "email.suppressed": BOUNCED,
    "email.complained": COMPLAINED,
    "email.delivery_delayed": DEFERRED,
}


class Resend:
    """See `MailProvider`. The secret is the signing secret of the webhook, `key` an API key that may read."""

    name = "resend"
    expected = (
        "resend://:whsec_SECRET@?key=API-KEY (options host: another host of raw mails; window: minutes)"
    )
    refused = 401
    unreadable = 200

    def check(self, account: MailAccount) -> None:
        """The signing secret is needed."""
        need_known(account, ("key", "host", "window"), self.expected)
        if len(_key(account.secret)) < SHORTEST_KEY:
            raise SettingsError("resend: the signing secret is needed, whsec_ and Base64", self.expected)

    def needs_body(self, account: MailAccount) -> bool:
        """What is signed, or the signature itself, stands in the body."""
        return True

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """HMAC-SHA256 over id, time and body; one of several signatures does, while a secret is replaced."""
        ident, stamp, given = (_header(call, name) for name in ("id", "timestamp", "signature"))
        key = _key(account.secret)
        if not (ident and stamp and given and key):
            raise BadSignature("the call is not signed", "is it Resend that calls?")
        mac = sign(key, ident, stamp, call.body)
        matches = [hmac.compare_digest(one.encode("utf-8", "replace"), mac) for one in given.split()[:20]]
        if not any(matches):
            raise BadSignature("the signature does not match", "is the secret this webhook's own?")
        need_fresh(call, unix(stamp), account, MINUTES)

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """The one mail or event of a call."""
        whole = call.json()
        kind, data = text_at(whole, "type"), at(whole, "data")
        if not kind or not isinstance(data, dict):
            raise InvalidInput("there is no type, or no data")
        if kind == "email.received":
            return [_announced(data)]
        fate = _FATES.get(kind)
        return [_receipt(whole, fate, _header(call, "id"))] if fate else []

    def answer(self) -> HookAnswer:
        """Any 2xx."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """The raw mail, fetched with the key of whichever account may read it."""
        ident = str(details.get("email_id", ""))
        if not _IDENT.fullmatch(ident):
            raise InvalidInput("the event names no mail")
        keys = [account.option("key") for account in accounts if account.option("key")]
        if not keys:
            raise Unavailable(
                "resend: an API key is needed to fetch mail", "add ?key=… to CLOSELOOP_EMAIL_HOOKS"
            )
        link = _link(ident, keys, outside)
        hosts = {RAW_HOST, *(host for account in accounts for host in account.options.get("host", ()))}
        where = _host(link)
        if where not in hosts:
            hint = "add host= with this name to the options in CLOSELOOP_EMAIL_HOOKS, if it is Resend's"
            raise InvalidInput(f"resend: the raw mail lies at {where or 'no host'}, which is not known", hint)
        try:
            return outside.get(link, hosts=hosts, cap=MOST_BYTES)
        except FetchRefused as error:  # a link ends after an hour: the next try gets another
            raise Unavailable(f"resend: {error.message}", error.hint) from error


def sign(key: bytes, ident: str, stamp: str, body: bytes) -> bytes:
    """A signature of version 1 as it stands in the header; `key` is the secret behind whsec_, decoded."""
    signed = b".".join((ident.encode("utf-8", "replace"), stamp.encode("utf-8", "replace"), body))
    return b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _header(call: HookRequest, name: str) -> str:
    return (call.headers.get(f"svix-{name}") or call.headers.get(f"webhook-{name}", "")).strip()


def _announced(data: Mapping[str, Any]) -> IncomingMail:
    """One mail has one key, however many webhooks announce it."""
    ident = text_at(data, "email_id")
    if not _IDENT.fullmatch(ident):
        raise InvalidInput("the event names no mail", "expected data.email_id")
    told = at(data, "received_for") or at(data, "to")
    addresses = [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
    return IncomingMail(
        key=key_of("received", ident),
        raw=piece(data),
        details={"email_id": ident},
        recipients=tuple(address[:320] for address in addresses[:50]),
    )


def _receipt(whole: Mapping[str, Any], fate: str, ident: str) -> MailReceipt:
    data = whole["data"]
    kind = text_at(whole, "type")
    headers = {text_at(one, "name").lower(): text_at(one, "value") for one in objects_in(at(data, "headers"))}
    words = text_at(data, "bounce", "message") or text_at(data, "failed", "reason")
    named = texts_at(data, "message_id")
    return MailReceipt(
        key=key_of("event", ident, kind),
        fate=fate,
        raw=piece(whole),
        echo=headers.get("x-closeloop", "") or text_at(data, "tags", "closeloop"),
        message_ids=named or ((headers["message-id"],) if headers.get("message-id") else ()),
        known_as=named,
        reason=_reason(data, kind) if fate == BOUNCED else "",
        words=words,
    )


def _reason(data: Mapping[str, Any], kind: str) -> str:
    """Resend tells types as Amazon SES does: Permanent, Transient or Undetermined, with a subtype."""
    sort, detail = text_at(data, "bounce", "type").lower(), text_at(data, "bounce", "subType").lower()
    if kind == "email.failed":
        return "server_error"
    if kind == "email.suppressed" or "suppress" in detail:
        return DROPPED
    details = {
        "noemail": "unknown_recipient",
        "mailboxfull": "mailbox_full",
        "messagetoolarge": "too_large",
        "contentrejected": "content_rejected",
        "attachmentrejected": "content_rejected",
    }
    if detail in details:
        return details[detail]
    return "unknown_recipient" if sort == "permanent" else "server_error" if sort == "transient" else ""


def _link(ident: str, keys: Sequence[str], outside: Outside) -> str:
    """The signed link of the raw mail. The API may know a mail a moment later than the webhook does."""
    for key in keys:
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        try:
            answer = outside.get(API + ident, hosts=HOSTS, cap=MOST_FACTS, headers=headers)
        except FetchRefused:
            continue
        try:
            link = at(json.loads(answer), "raw", "download_url")
        except (ValueError, RecursionError) as error:
            raise Unavailable("resend: the API's answer is no JSON") from error
        if not isinstance(link, str) or not link:
            raise Unavailable("resend: the raw mail is not ready")
        return link
    raise Unavailable("resend: no API key finds this mail", "is the key allowed to read (full access)?")


def _host(link: str) -> str:
    try:
        return (urlsplit(link).hostname or "")[:80]
    except ValueError:
        return ""
