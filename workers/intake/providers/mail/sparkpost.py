"""SparkPost (now Bird): relay webhooks for mail that comes in, event webhooks for mail that went out.

https://developers.sparkpost.com/api/relay-webhooks/ (batches of `msys.relay_message`),
https://developers.sparkpost.com/api/webhooks/ (batches of events; anything but 200 is tried again for 8
hours), https://support.sparkpost.com/docs/deliverability/bounce-classification-codes.

Nothing is signed: a relay webhook shows its `auth_token` in a header, an event webhook may log in instead.
A call that lost its end on the way cannot be told from nonsense: both are answered with 400, and come again.
A mail that comes again in another batch has the same bytes, and so the same key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from workers.errors import InvalidInput
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest, same
from workers.intake.providers.mail.account import MailAccount, need_known, need_login
from workers.intake.providers.mail.fields import at, code_in, key_of, objects_in, piece, text_at
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
from workers.intake.providers.mail.stored import reply_in
from workers.intake.transfer import base64_bytes

TOKEN = "x-messagesystems-webhook-token"  # noqa: S105 - the header's name
BATCH = "x-messagesystems-batch-id"

_FATES: Mapping[str, str] = {
    "delivery": DELIVERED,
    "bounce": BOUNCED,
    "out_of_band": BOUNCED,
    "policy_rejection": BOUNCED,
    "generation_rejection": BOUNCED,
    "generation_failure": BOUNCED,
    "delay": DEFERRED,
    "spam_complaint": COMPLAINED,
    "list_unsubscribe": UNSUBSCRIBED,
    "link_unsubscribe": UNSUBSCRIBED,
}
_REASONS: Mapping[str, str] = {
    "10": "unknown_recipient",
    "22": "mailbox_full",
    "23": "too_large",
    "25": DROPPED,
    "26": DROPPED,
    "30": "unknown_recipient",
    "50": "policy_rejected",
    "51": "policy_rejected",
    "52": "content_rejected",
    "53": "content_rejected",
    "54": "policy_rejected",
}
"""By bounce_class; the other classes leave it to the words of the server."""
_AUTOMATIC = frozenset({"60", "70", "80", "100"})
"""Classes of what comes later by mail and is no bounce: auto-replies, delays, challenges."""


class SparkPost:
    """See `MailProvider`. Token of the relay webhook, or user and password of the event webhook."""

    name = "sparkpost"
    expected = "sparkpost://user:password@ or sparkpost://@?token=AUTH-TOKEN (or both)"
    refused = 401
    unreadable = 400

    def check(self, account: MailAccount) -> None:
        """A token or a login is needed."""
        need_known(account, ("token",), self.expected)
        need_login(account, self.expected)

    def needs_body(self, account: MailAccount) -> bool:
        """No: the login stands in the header or the address."""
        return False

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """By the token in SparkPost's header, or as any login."""
        token, given = account.option("token"), call.headers.get(TOKEN, "")
        if not (token and given and same(given, token)):
            need_proof(call, account)

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """All mails and events of a batch; a ping (`{}`, an empty `msys`) holds none."""
        whole = call.json() if call.body.strip() else []
        if not isinstance(whole, list | dict):
            raise InvalidInput("the batch is no list of objects")
        batch = call.headers.get(BATCH, "") or hashlib.sha256(call.body).hexdigest()[:32]
        items: list[Item] = []
        for place, one in enumerate(objects_in(whole)):
            inner = at(one, "msys")
            for sort, facts in inner.items() if isinstance(inner, dict) else ():
                item = _mail(facts) if sort == "relay_message" else _receipt(facts, f"{batch}:{place}")
                if item is not None:
                    items.append(item)
        return items

    def answer(self) -> HookAnswer:
        """200, and nothing else."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """The mail as it was sent in."""
        if not raw.strip() or details.get("empty"):
            raise InvalidInput("the relay_message holds no email_rfc822")
        return raw


def _mail(relay: Any) -> IncomingMail:
    """A mail without bytes is kept too, as what it is: the others of its batch must not suffer for it."""
    coded = at(relay, "content", "email_rfc822")
    text = coded if isinstance(coded, str) else ""
    if at(relay, "content", "email_rfc822_is_base64") is True:
        raw = base64_bytes(text.encode("ascii", "replace"))
    else:
        raw = text.encode("utf-8", "replace")
    recipient = text_at(relay, "rcpt_to")
    told = at(relay, "msg_from")
    sender = told.strip("<> ") if isinstance(told, str) else None
    return IncomingMail(
        key=hashlib.sha256((raw or piece(relay)) + b"\0" + recipient.lower().encode()).hexdigest(),
        raw=raw or piece(relay),
        details={} if raw.strip() else {"empty": True},
        sender=sender,
        recipients=(recipient,) if recipient else (),
    )


def _receipt(event: Any, place: str) -> MailReceipt | None:
    kind, bounce_class = text_at(event, "type"), text_at(event, "bounce_class")
    fate = _FATES.get(kind)
    if fate is None or (kind == "out_of_band" and bounce_class in _AUTOMATIC):
        return None
    if kind in ("bounce", "out_of_band") and bounce_class == "90":
        fate = UNSUBSCRIBED
    reason = _REASONS.get(bounce_class, "") if fate == BOUNCED else ""
    if kind in ("policy_rejection", "generation_rejection"):
        reason = DROPPED
    words = text_at(event, "raw_reason") or text_at(event, "reason")
    return MailReceipt(
        key=key_of("event", text_at(event, "event_id") or place, kind),
        fate=fate,
        raw=piece(event),
        echo=text_at(event, "rcpt_meta", "closeloop"),
        return_path=text_at(event, "msg_from"),
        reason=reason,
        code=code_in(text_at(event, "error_code")) or reply_in(words)[0],
        status=reply_in(words)[1],
        words=words,
    )
