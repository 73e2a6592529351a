"""What a relay's reply means: RFC 5321 §4.2 reply codes and RFC 3463 enhanced status codes to verdict and
reason.

The step at which the reply came counts as much as its code: 550 to RCPT speaks of the recipient, 550 after
the final dot of the content, 550 to MAIL of us.
"""

from __future__ import annotations

import re
from enum import StrEnum

from workers.channels.port import Verdict


class Step(StrEnum):
    """Where in the dialogue a reply was given."""

    CONNECT = "connect"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
_GREYLIST = re.compile(r"gr[ea]y-?\s?list", re.IGNORECASE)
_RATE = re.compile(r"\brate\b|too many|throttl|too fast|frequen|quota|limit exceeded", re.IGNORECASE)
_FULL = re.compile(r"(mailbox|inbox|user|recipient)\b.{0,40}\b(full|over ?quota|exceed)", re.IGNORECASE)
_NOBODY = re.compile(
    r"(user|mailbox|recipient|account|address)\b.{0,40}"
    r"\b(unknown|not exist|doesn't exist|no such|not found|unavailable|invalid|non-?existent)"
    r"|no such (user|mailbox)|doesn't have an? (account|mailbox)",
    re.IGNORECASE,
)
_DISABLED = re.compile(
    r"(mailbox|account|user)\b.{0,40}\b(disabled|inactive|suspended|locked)", re.IGNORECASE
)
_POLICY = re.compile(
    r"spam|block|black\s?list|denied|policy|reputation|relay|not allowed|authenticat"
    r"|\b(spf|dkim|dmarc|rbl|dnsbl)\b",
    re.IGNORECASE,
)

# 530 authentication required, 534 mechanism too weak, 535 credentials invalid, 538 encryption required (RFC
# 4954 §6)
AUTH_CODES = frozenset({530, 534, 535, 538})

# Subject and detail of RFC 3463 (and RFC 7504, 7505) that say the same at every step.
_PERMANENT = {
    (1, 0): "unknown_recipient",
    (1, 1): "unknown_recipient",
    (1, 2): "unreachable_domain",
    (1, 3): "unknown_recipient",
    (1, 6): "unknown_recipient",
    (1, 7): "sender_rejected",
    (1, 8): "sender_rejected",
    (1, 10): "unreachable_domain",
    (2, 0): "unknown_recipient",
    (2, 1): "mailbox_disabled",
    (2, 2): "mailbox_full",
    (2, 3): "too_large",
    (3, 4): "too_large",
    (4, 1): "unknown_recipient",  # Exchange Online says 5.4.1 for recipients it does not have
    (4, 4): "unreachable_domain",
}
# How Postfix' policy servers, Exim and Exchange put off a sender they have not seen before (RFC 6647 §2).
_GREYLISTINGS = {(450, 2, 0), (450, 7, 1), (451, 7, 1)}
_TEMPORARY = {
    (2, 1): "mailbox_disabled",
    (2, 2): "mailbox_full",
    (3, 1): "server_error",
    (7, 28): "throttled",
}


def enhanced_code(text: str) -> tuple[int, int, int] | None:
    """Return class, subject and detail of the enhanced status code `text` begins with, if it does."""
    found = _ENHANCED.match(text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def judge(step: Step, code: int, text: str) -> tuple[Verdict, str]:
    """Return verdict and reason for a reply that is no success at `step`.

    Never SENT. UNKNOWN only for a reply after the final dot that is neither success nor failure.
    """
    if step in (Step.CONNECT, Step.AUTH) or code in AUTH_CODES:
        # These concern the relay or our login, never this mail: suppressing its recipient would be wrong.
        return Verdict.RETRY, _about_the_relay(step, code, text)
    if 400 <= code < 500:
        return Verdict.RETRY, _temporary(step, code, text)
    if 500 <= code < 600:
        return Verdict.REJECTED, _permanent(step, code, text)
    return (Verdict.UNKNOWN if step is Step.DOT else Verdict.RETRY), "protocol_error"


def _about_the_relay(step: Step, code: int, text: str) -> str:
    if step is Step.AUTH or code in AUTH_CODES:
        return "authentication_failed"
    return "throttled" if code == 421 and _RATE.search(text) else "connection_failed"


def _temporary(step: Step, code: int, text: str) -> str:
    enhanced = enhanced_code(text)
    if _GREYLIST.search(text):
        return "greylisted"
    if enhanced and (reason := _TEMPORARY.get(enhanced[1:])):
        return reason
    if _FULL.search(text):
        return "mailbox_full"
    if code == 421 or _RATE.search(text):
        return "throttled"
    if step is Step.RCPT and enhanced and (code, *enhanced[1:]) in _GREYLISTINGS:
        return "greylisted"
    return "policy_rejected" if enhanced and enhanced[1] == 7 else "server_error"


def _permanent(step: Step, code: int, text: str) -> str:
    enhanced = enhanced_code(text)
    if enhanced and enhanced[1] == 7:
        return "policy_rejected"
    if enhanced and enhanced[1] == 6:
        return "content_rejected"
    if enhanced and (reason := _PERMANENT.get(enhanced[1:])):
        # QQ and 163 answer MAIL with "unknown" codes although it is our own address they do not like.
        return "sender_rejected" if step is Step.MAIL and reason == "unknown_recipient" else reason
    if step is Step.MAIL:
        return "too_large" if code == 552 else "sender_rejected"
    if step is Step.RCPT:
        return _permanent_at_rcpt(code, text)
    if code == 552:
        return "mailbox_full" if _FULL.search(text) else "too_large"
    if code in (550, 554):
        # Without an enhanced code only the words tell a late "no such user" from a dislike of the content.
        nobody = _NOBODY.search(text) and not _POLICY.search(text)
        return "unknown_recipient" if nobody else "content_rejected"
    return "server_error"


def _permanent_at_rcpt(code: int, text: str) -> str:
    if code == 552 or _FULL.search(text):
        return "mailbox_full"
    if _DISABLED.search(text):
        return "mailbox_disabled"
    if _POLICY.search(text) or (code == 554 and not _NOBODY.search(text)):
        return "policy_rejected"
    if code == 554:
        return "unknown_recipient"
    return "unknown_recipient" if code in (550, 551, 553, 501) else "server_error"
