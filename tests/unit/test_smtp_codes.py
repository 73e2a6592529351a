"""Replies of real relays are read as what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.channels.port import Verdict
from workers.channels.smtp_codes import Step, enhanced_code, judge

RETRY, REJECTED, UNKNOWN = Verdict.RETRY, Verdict.REJECTED, Verdict.UNKNOWN

REPLIES = [
    # recipients
    (Step.RCPT, 550, "5.1.1 The account you wrote to does not exist", REJECTED, "unknown_recipient"),
    (Step.RCPT, 550, "5.4.1 Recipient address rejected: Access denied.", REJECTED, "unknown_recipient"),
    (Step.RCPT, 550, "Mailbox not found. http://service.mail.qq.com/", REJECTED, "unknown_recipient"),
    (Step.RCPT, 550, "User not found: bob", REJECTED, "unknown_recipient"),
    (Step.RCPT, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound", REJECTED, "unreachable_domain"),
    (Step.RCPT, 553, "sorry, no such user here", REJECTED, "unknown_recipient"),
    (Step.RCPT, 554, "dd This user doesn't have an account", REJECTED, "unknown_recipient"),
    (Step.RCPT, 554, "30 Sorry, your message cannot be delivered. This mailbox is disabled", REJECTED,
     "mailbox_disabled"),
    (Step.RCPT, 554, "5.7.1 Service unavailable; Client host blocked", REJECTED, "policy_rejected"),
    (Step.RCPT, 550, "Blocked by Spamhaus", REJECTED, "policy_rejected"),
    (Step.RCPT, 550, "relaying denied", REJECTED, "policy_rejected"),
    (Step.RCPT, 552, "5.2.2 The email account is over quota", REJECTED, "mailbox_full"),
    (Step.RCPT, 550, "5.2.1 The email account is disabled", REJECTED, "mailbox_disabled"),
    (Step.RCPT, 450, "4.7.1 Greylisted", RETRY, "greylisted"),
    (Step.RCPT, 451, "Graylisting in effect", RETRY, "greylisted"),
    (Step.RCPT, 450, "4.7.1 Client host rejected: try again later", RETRY, "greylisted"),
    (Step.RCPT, 452, "4.2.2 Mailbox full", RETRY, "mailbox_full"),
    (Step.RCPT, 451, "4.3.0 internal error", RETRY, "server_error"),
    (Step.RCPT, 421, "4.7.28 Our system has detected an unusual rate", RETRY, "throttled"),
    (Step.RCPT, 450, "Requested mail action not taken: too much mail, frequency limited", RETRY, "throttled"),
    # ourselves
    (Step.MAIL, 501, "mail from address must be same as authorization user", REJECTED, "sender_rejected"),
    (Step.MAIL, 553, "Mail from must equal authorized user", REJECTED, "sender_rejected"),
    (Step.MAIL, 550, "5.1.8 bad sender's system address", REJECTED, "sender_rejected"),
    (Step.MAIL, 550, "5.1.1 unknown sender", REJECTED, "sender_rejected"),
    (Step.MAIL, 552, "size exceeds", REJECTED, "too_large"),
    (Step.MAIL, 530, "5.7.0 Authentication required", RETRY, "authentication_failed"),
    (Step.MAIL, 421, "4.3.2 shutting down", RETRY, "throttled"),
    # content
    (Step.DOT, 554, "5.6.0 bad content", REJECTED, "content_rejected"),
    (Step.DOT, 550, "5.7.1 message looks like spam", REJECTED, "policy_rejected"),
    (Step.DOT, 554, "DT:SPM 163 smtp12", REJECTED, "content_rejected"),
    (Step.DOT, 550, "No such user here", REJECTED, "unknown_recipient"),
    (Step.DOT, 552, "5.3.4 message too big", REJECTED, "too_large"),
    (Step.DOT, 552, "message too big", REJECTED, "too_large"),
    (Step.DOT, 451, "4.3.0 queue file write error", RETRY, "server_error"),
    (Step.DOT, 354, "go on", UNKNOWN, "protocol_error"),
    (Step.DATA, 250, "what?", RETRY, "protocol_error"),
    (Step.DATA, 503, "5.5.1 no valid recipients", REJECTED, "server_error"),
    # the relay as such
    (Step.CONNECT, 554, "5.7.1 you are on a list", RETRY, "connection_failed"),
    (Step.CONNECT, 421, "too many connections from you", RETRY, "throttled"),
    (Step.AUTH, 535, "5.7.8 bad credentials", RETRY, "authentication_failed"),
    (Step.AUTH, 454, "4.7.0 temporary authentication failure", RETRY, "authentication_failed"),
]  # fmt: skip # packed, to be read at a glance


@pytest.mark.parametrize(("step", "code", "text", "verdict", "reason"), REPLIES)
def test_a_reply_is_read_as_what_it_means(
    step: Step, code: int, text: str, verdict: Verdict, reason: str
) -> None:
    assert judge(step, code, text) == (verdict, reason)


@given(st.sampled_from(Step), st.integers(0, 999), st.text(max_size=200))
def test_no_reply_that_is_not_success_counts_as_sent_and_4xx_is_never_final(
    step: Step, code: int, text: str
) -> None:
    verdict, reason = judge(step, code, text)
    assert verdict is not Verdict.SENT
    assert verdict is not Verdict.UNKNOWN or step is Step.DOT
    if 400 <= code < 500:
        assert verdict is Verdict.RETRY
    assert reason.replace("_", "").isalpha()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5.1.1 x", (5, 1, 1)), ("4.7.28", (4, 7, 28)), ("no 5.1.1", None), ("5.1.1234", None), ("", None)],
)
def test_the_enhanced_code_stands_at_the_beginning(text: str, expected: tuple[int, int, int] | None) -> None:
    assert enhanced_code(text) == expected
