"""Mailjet: the Parse API for mail that comes in, the Event API for mail that went out.

https://dev.mailjet.com/email/guides/parse-api/ (one JSON object per mail),
https://dev.mailjet.com/email/guides/webhooks/ (one event, or those of a second in a list; anything but 200
is tried again every 10 minutes, ten times). Nothing is signed: user and password stand in the address. A call
that lost its end on the way is answered with 400, and comes again whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from typing import Any

from workers.errors import InvalidInput
from workers.intake.file_names import file_name
from workers.intake.outside import Outside
from workers.intake.providers.calls import HookAnswer, HookRequest
from workers.intake.providers.mail.account import MailAccount, need_known, need_login
from workers.intake.providers.mail.fields import at, objects_in, piece, text_at
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
from workers.intake.providers.mail.stored import header_lines, stored_object
from workers.intake.providers.mail.verdicts import verdicts
from workers.intake.transfer import base64_bytes

MOST_PARTS = 500
_FATES: Mapping[str, str] = {
    "sent": DELIVERED,
    "bounce": BOUNCED,
    "blocked": BOUNCED,
    "spam": COMPLAINED,
    "unsub": UNSUBSCRIBED,
}
_LASTING: Mapping[str, str] = {
    "user unknown": "unknown_recipient",
    "mailbox inactive": "mailbox_disabled",
    "invalid domain": "unreachable_domain",
    "no mail host": "unreachable_domain",
}
"""Errors that speak of the address, where the bounce is a hard one."""
_REASONS: Mapping[str, str] = {
    "quota exceeded": "mailbox_full",
    "relay/access denied": "policy_rejected",
    "sender blocked": "policy_rejected",
    "policy issue": "policy_rejected",
    "content blocked": "content_rejected",
    "system issue": "server_error",
    "protocol issue": "server_error",
    "connection issue": "server_error",
    "preblocked": DROPPED,
    "duplicate in campaign": DROPPED,
}


class Mailjet:
    """See `MailProvider`. User and password are those in the address that was given to Mailjet."""

    name = "mailjet"
    expected = "mailjet://user:password@ (or mailjet://@?token=TOKEN)"
    refused = 401
    unreadable = 400

    def check(self, account: MailAccount) -> None:
        """A login or a token is needed."""
        need_known(account, ("token",), self.expected)
        need_login(account, self.expected)

    def needs_body(self, account: MailAccount) -> bool:
        """No: the login stands in the header or the address."""
        return False

    def verify(self, call: HookRequest, account: MailAccount, outside: Outside) -> None:
        """By the login in the address."""
        need_proof(call, account)

    def read(self, call: HookRequest, account: MailAccount) -> Sequence[Item]:
        """One mail, or one or more events."""
        whole = call.json()
        if isinstance(whole, dict) and "event" not in whole:
            return [_mail(whole, call.body)]
        events = objects_in(whole)
        if not isinstance(whole, list | dict) or (whole and not any("event" in event for event in events)):
            raise InvalidInput("the body holds neither a mail nor events")
        return [receipt for event in events if (receipt := _receipt(event)) is not None]

    def answer(self) -> HookAnswer:
        """200, and nothing else."""
        return HookAnswer(200)

    def mime(
        self, raw: bytes, details: Mapping[str, Any], accounts: Sequence[MailAccount], outside: Outside
    ) -> bytes:
        """The mail put together again out of headers and parts."""
        whole = stored_object(raw)
        text, html, files = [], [], []
        for part, ref, content in _contents(whole):
            if ref.startswith("Text-part"):
                text.append(content)
            elif ref.startswith("Html-part"):
                html.append(content)
            else:
                files.append(_file(part, content))
        instead = {name: text_at(whole, name) for name in ("From", "Subject")}
        return build_mail(
            header_lines(whole.get("Headers"), instead), "\n".join(text), "\n".join(html), files
        )


def _mail(whole: Mapping[str, Any], body: bytes) -> IncomingMail:
    if not isinstance(whole.get("Headers"), dict) and not isinstance(whole.get("From"), str):
        raise InvalidInput("the body holds neither a mail nor events", "expected Headers, or event")
    recipient, sender = text_at(whole, "Recipient"), whole.get("Sender")
    return IncomingMail(
        key=hashlib.sha256(body).hexdigest(),
        sender=sender.strip("<> ") if isinstance(sender, str) else None,
        recipients=(recipient,) if recipient else (),
        verdicts=verdicts(spam_score=text_at(whole, "SpamAssassinScore")),
    )


def _contents(whole: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str, str]]:
    """Each part's facts, the name of its content, and that; a text that no part names is one, too."""
    named = set()
    for part in objects_in(whole.get("Parts") or [])[:MOST_PARTS]:
        ref = text_at(part, "ContentRef")
        content = whole.get(ref) if ref else None
        if isinstance(content, str) and ref not in named:
            named.add(ref)
            yield part, ref, content
    for ref in ("Text-part", "Html-part"):
        content = whole.get(ref)
        if isinstance(content, str) and ref not in named:
            yield {}, ref, content


def _file(part: Mapping[str, Any], content: str) -> File:
    """An attachment. Its content is Base64, whatever its own headers say of how it was encoded before."""
    header = Message()
    headers = at(part, "Headers")
    for name, lines in headers.items() if isinstance(headers, dict) else ():
        line = lines[0] if isinstance(lines, list) and lines else lines
        if name.lower() in ("content-type", "content-disposition", "content-id") and isinstance(line, str):
            # As a parser of bytes would hold it: raw 8-bit text stands in surrogates.
            header[name] = (
                " ".join(line.split()).encode("utf-8", "replace").decode("ascii", "surrogateescape")
            )
    return File(
        file_name(header),
        header.get_content_type() if "content-type" in header else "application/octet-stream",
        base64_bytes(content.encode("ascii", "replace")),
        str(header["content-id"] or ""),
    )


def _receipt(event: Mapping[str, Any]) -> MailReceipt | None:
    kind, error = text_at(event, "event"), text_at(event, "error").strip().lower()
    fate = _FATES.get(kind)
    if fate is None:
        return None
    if kind == "bounce" and error == "greylisted":
        fate = DEFERRED
    facts = piece(event)
    return MailReceipt(
        key=hashlib.sha256(facts).hexdigest(),
        fate=fate,
        raw=facts,
        echo=text_at(event, "CustomID"),
        reason=_reason(event, kind, error) if fate == BOUNCED else "",
        words=text_at(event, "comment") or error,
    )


def _reason(event: Mapping[str, Any], kind: str, error: str) -> str:
    """What is blocked was not even tried. A bounce that is not hard says nothing lasting of the address."""
    if kind == "blocked" and text_at(event, "error_related_to") not in ("spam", "system"):
        return DROPPED
    if error in _LASTING:
        return _LASTING[error] if event.get("hard_bounce") is True else "server_error"
    hard = "unknown_recipient" if text_at(event, "error_related_to") == "recipient" else ""
    return _REASONS.get(error) or (hard if event.get("hard_bounce") is True else "server_error")
