"""Mailgun: routes (parsed or raw MIME) and event webhooks.

https://documentation.mailgun.com/docs/mailgun/user-manual/receive-forward-store/receive-http (routes),
…/user-manual/webhooks/securing-webhooks (signature), …/user-manual/events/event-structure (events).

Signed are a timestamp and a token, not the body: a token is the key of what it came with, and is remembered,
so that it cannot carry a second body. 200 and 406 end the retries, anything else is tried again for 8 hours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from workers.errors import BadSignature, InvalidInput, SettingsError
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest
from workers.intake.providers.mail.account import MailAccount, need_known
from workers.intake.providers.mail.fields import code_in, key_of, piece, text_at, texts_at
from workers.intake.providers.mail.forms import Form, read_form
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
from workers.intake.providers.mail.proof import need_fresh, need_hmac, unix
from workers.intake.providers.mail.rebuild import File, build_mail
from workers.intake.providers.mail.verdicts import verdicts

_JSON = "application/json"
MOST_BYTES = 2 * 1024 * 1024
"""Of an event, which has some KB."""
_HELD = frozenset({"suppress-bounce", "suppress-complaint", "suppress-unsubscribe"})


class Mailgun:
    """See `MailProvider`. The secret is the HTTP webhook signing key."""

    name = "mailgun"
    expected = "mailgun://:SIGNING-KEY@ (option window: minutes)"
    refused = 406
    unreadable = 406

    def check(self, account: MailAccount) -> None:
        """The signing key is needed."""
        need_known(account, ("window",), self.expected)
        if not account.secret:
            raise SettingsError("mailgun: the webhook signing key is needed", self.expected)

    def needs_body(self, account: MailAccount) -> bool:
        """What is signed, or the signature itself, stands in the body."""
        return True

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """HMAC-SHA256 over timestamp and token, and a moment that is now."""
        try:
            timestamp, token, signature = _signed(call)
        except InvalidInput as error:
            raise BadSignature("the body holds no signature") from error
        need_hmac(signature, account.secret, f"{timestamp}{token}".encode())
        need_fresh(call, unix(timestamp), account)

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """A mail by a route, or one event."""
        if _is_json(call):
            return _event(call)
        form = _form(call)
        if not form.text("recipient") or not (form.data("body-mime") or form.data("message-headers")):
            raise InvalidInput("the form holds no mail", "expected body-mime or message-headers")
        return [
            IncomingMail(
                key=key_of(form.text("token")),
                details={"content_type": call.headers.get("content-type", "")},
                sender=form.text("sender"),
                recipients=(form.text("recipient"),),
                verdicts=_verdicts(form),
            )
        ]

    def answer(self) -> HookAnswer:
        """200."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """`body-mime` as it is, else the mail put together again."""
        form = read_form(raw, str(details.get("content_type", "")))
        whole = form.data("body-mime")
        return whole or _rebuilt(form)


def _is_json(call: HookRequest) -> bool:
    return call.headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON


def _form(call: HookRequest) -> Form:
    return read_form(call.body, call.headers.get("content-type", ""))


def _signed(call: HookRequest) -> tuple[str, str, str]:
    if not _is_json(call):
        form = _form(call)
        return form.text("timestamp"), form.text("token"), form.text("signature")
    whole = call.json(MOST_BYTES)
    return (
        text_at(whole, "signature", "timestamp"),
        text_at(whole, "signature", "token"),
        text_at(whole, "signature", "signature"),
    )


def _verdicts(form: Form) -> dict[str, str]:
    return verdicts(
        spf=form.text("X-Mailgun-Spf"),
        dkim=form.text("X-Mailgun-Dkim-Check-Result"),
        spam=form.text("X-Mailgun-Sflag"),
        spam_score=form.text("X-Mailgun-Sscore"),
    )


def _headers(form: Form) -> list[tuple[str, str]]:
    try:
        told = json.loads(form.text("message-headers") or "[]")
    except (ValueError, RecursionError) as error:
        raise InvalidInput("message-headers is no JSON") from error
    if not isinstance(told, list):
        raise InvalidInput("message-headers is no list")
    pairs = [pair for pair in told if isinstance(pair, list) and len(pair) == 2]
    return [(str(name), str(value)) for name, value in pairs]


def _rebuilt(form: Form) -> bytes:
    headers = _headers(form)
    known = {name.lower() for name, _ in headers}
    headers += [
        (name, form.text(name)) for name in ("from", "subject") if name not in known and form.text(name)
    ]
    ids = {}
    try:
        told = json.loads(form.text("content-id-map") or "{}")
        ids = {str(name): str(ident) for ident, name in told.items()} if isinstance(told, dict) else {}
    except (ValueError, RecursionError):
        ids = {}
    files = [File(one.filename, one.content_type, one.content, ids.get(one.within, "")) for one in form.files]
    return build_mail(headers, form.text("body-plain"), form.text("body-html"), files)


def _event(call: HookRequest) -> list[Item]:
    whole = call.json()
    event = whole.get("event-data") if isinstance(whole, dict) else None
    if not isinstance(event, dict):
        raise InvalidInput("there is no event-data")
    fate, reason = _fate(event)
    if not fate:
        return []
    return [
        MailReceipt(
            key=key_of(text_at(whole, "signature", "token")),
            fate=fate,
            raw=piece(event),
            echo=text_at(event, "user-variables", "closeloop"),
            return_path=text_at(event, "envelope", "sender"),
            message_ids=texts_at(event, "message", "headers", "message-id"),
            reason=reason,
            code=code_in(text_at(event, "delivery-status", "code")),
            status=text_at(event, "delivery-status", "enhanced-code"),
            words=text_at(event, "delivery-status", "message")
            or text_at(event, "delivery-status", "description"),
        )
    ]


def _fate(event: Mapping[str, Any]) -> tuple[str, str]:
    kind = text_at(event, "event")
    if kind == "failed":
        if text_at(event, "severity") == "temporary":
            return DEFERRED, ""
        return BOUNCED, DROPPED if text_at(event, "reason") in _HELD else ""
    simple = {"delivered": DELIVERED, "complained": COMPLAINED, "unsubscribed": UNSUBSCRIBED}
    if kind == "rejected":
        return BOUNCED, "content_rejected"
    return simple.get(kind, ""), ""
