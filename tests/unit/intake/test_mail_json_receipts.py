"""Brevo, SparkPost, Resend, Mailjet: what became of a sent mail, why, and which mail it was."""

from __future__ import annotations

import pytest

from tests.mail_hooks_json import (
    CUSTOMER,
    SUPPORT,
    Call,
    brevo,
    brevo_event,
    mailjet,
    mailjet_event,
    resend,
    resend_event,
    sparkpost,
    sparkpost_event,
)
from tests.mail_hooks_reading import (
    NOW,
    items_in,
    receipt_in,
)
from workers.intake.providers.mail.port import DROPPED
from workers.intake.providers.mail.stored import reply_in

ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("call", "fate", "reason"),
    [
        (brevo(brevo_event("delivered")), "delivered", ""),
        (brevo(brevo_event("hard_bounce")), "bounced", "unknown_recipient"),
        (brevo(brevo_event("hard_bounce", reason="550-5.7.1 blocked by policy")), "bounced", ""),
        (brevo(brevo_event("soft_bounce", reason="452 4.2.2 over quota")), "bounced", ""),
        (brevo(brevo_event("blocked")), "bounced", DROPPED),
        (brevo(brevo_event("invalid_email")), "bounced", "unknown_recipient"),
        (brevo(brevo_event("error")), "bounced", "server_error"),
        (brevo(brevo_event("deferred")), "deferred", ""),
        (brevo(brevo_event("spam")), "complained", ""),
        (brevo(brevo_event("unsubscribed")), "unsubscribed", ""),
        (brevo([brevo_event("delivered")]), "delivered", ""),
        (sparkpost([sparkpost_event("delivery")]), "delivered", ""),
        (sparkpost([sparkpost_event("bounce", bounce_class="10")]), "bounced", "unknown_recipient"),
        (sparkpost([sparkpost_event("bounce", bounce_class="22")]), "bounced", "mailbox_full"),
        (sparkpost([sparkpost_event("bounce", bounce_class="25")]), "bounced", DROPPED),
        (sparkpost([sparkpost_event("bounce", bounce_class="52")]), "bounced", "content_rejected"),
        (sparkpost([sparkpost_event("bounce", bounce_class="1")]), "bounced", ""),
        (sparkpost([sparkpost_event("out_of_band", bounce_class="10")]), "bounced", "unknown_recipient"),
        (sparkpost([sparkpost_event("out_of_band", bounce_class="90")]), "unsubscribed", ""),
        (sparkpost([sparkpost_event("delay", bounce_class="21")]), "deferred", ""),
        (sparkpost([sparkpost_event("policy_rejection")]), "bounced", DROPPED),
        (sparkpost([sparkpost_event("generation_rejection", family="gen_event")]), "bounced", DROPPED),
        (sparkpost([sparkpost_event("spam_complaint")]), "complained", ""),
        (sparkpost([sparkpost_event("list_unsubscribe", family="unsubscribe_event")]), "unsubscribed", ""),
        (resend(resend_event("email.delivered"), at=NOW), "delivered", ""),
        (resend(resend_event("email.delivery_delayed"), at=NOW), "deferred", ""),
        (resend(resend_event("email.complained"), at=NOW), "complained", ""),
        (resend(resend_event("email.failed", failed={"reason": "quota"}), at=NOW), "bounced", "server_error"),
        (mailjet(mailjet_event("sent")), "delivered", ""),
        (mailjet(mailjet_event("spam", source="JMRPP")), "complained", ""),
        (mailjet([mailjet_event("unsub")]), "unsubscribed", ""),
    ],
)  # fmt: skip # packed, to be read at a glance
def test_each_event_has_its_fate_and_reason(call: Call, fate: str, reason: str) -> None:
    found = receipt_in(call)
    assert (found.fate, found.reason) == (fate, reason)


@pytest.mark.parametrize(
    ("bounce", "reason"),
    [
        ({"type": "Permanent", "subType": "General"}, "unknown_recipient"),
        ({"type": "Permanent", "subType": "NoEmail"}, "unknown_recipient"),
        ({"type": "Permanent", "subType": "Suppressed"}, DROPPED),
        ({"type": "Permanent", "subType": "OnAccountSuppressionList"}, DROPPED),
        ({"type": "Transient", "subType": "General"}, "server_error"),
        ({"type": "Transient", "subType": "MailboxFull"}, "mailbox_full"),
        ({"type": "Transient", "subType": "ContentRejected"}, "content_rejected"),
        ({"type": "Undetermined", "subType": "Undetermined"}, ""),
        ({"message": "no more is told"}, ""),
    ],
)
def test_resends_bounces_are_told_apart(bounce: dict[str, str], reason: str) -> None:
    assert receipt_in(resend(resend_event("email.bounced", bounce=bounce), at=NOW)).reason == reason


@pytest.mark.parametrize("bounce_class", ["60", "70", "80", "100"])
def test_an_automatic_answer_is_no_bounce_of_sparkposts(bounce_class: str) -> None:
    assert items_in(sparkpost([sparkpost_event("out_of_band", bounce_class=bounce_class)])) == []


def test_each_receipt_says_which_mail_it_speaks_of() -> None:
    found = receipt_in(brevo(brevo_event("delivered", "<n1@help.example>", **{"X-Mailin-custom": ID})))
    assert (found.message_ids, found.echo) == (("<n1@help.example>",), ID)
    event = sparkpost_event(
        "bounce", rcpt_meta={"closeloop": ID}, error_code="550", raw_reason="550 5.1.1 unknown"
    )
    found = receipt_in(sparkpost([event]))
    assert (found.echo, found.return_path, found.code, found.words) == (ID, SUPPORT, 550, "550 5.1.1 unknown")
    found = receipt_in(resend(resend_event("email.delivered"), at=NOW))
    assert (found.message_ids, found.provider_id) == (("<n1@help.example>",), "")
    headers = [{"name": "Message-ID", "value": "<n1@help.example>"}, {"name": "X-Closeloop", "value": ID}]
    rewritten = resend_event("email.delivered", "<0107@email.amazonses.example>", headers=headers)
    found = receipt_in(resend(rewritten, at=NOW))
    assert (found.echo, found.known_as) == (ID, ("<0107@email.amazonses.example>",))
    found = receipt_in(mailjet(mailjet_event("sent", ID)))
    assert found.echo == ID


@pytest.mark.parametrize(
    "calls",
    [
        (brevo(brevo_event("delivered")), brevo(brevo_event("spam"))),
        (sparkpost([sparkpost_event("delivery")]), sparkpost([sparkpost_event("bounce", event_id="2")])),
        (resend(resend_event("email.delivered"), ident="msg_1", at=NOW),
         resend(resend_event("email.delivered"), ident="msg_2", at=NOW)),
        (mailjet(mailjet_event("sent")), mailjet(mailjet_event("spam"))),
    ],
)  # fmt: skip # packed, to be read at a glance
def test_an_event_has_one_key_and_another_event_another(calls: tuple[Call, Call]) -> None:
    first, second = calls
    assert receipt_in(first).key == receipt_in(first).key != receipt_in(second).key
    assert CUSTOMER not in receipt_in(first).key


@pytest.mark.parametrize(
    ("kind", "hard", "about", "error", "reason"),
    [
        ("bounce", True, "recipient", "user unknown", "unknown_recipient"),
        ("bounce", False, "recipient", "user unknown", "server_error"),
        ("bounce", True, "recipient", "a word they may add", "unknown_recipient"),
        ("bounce", True, "domain", "invalid domain", "unreachable_domain"),
        ("bounce", False, "recipient", "quota exceeded", "mailbox_full"),
        ("bounce", True, "spam", "content blocked", "content_rejected"),
        ("blocked", None, "recipient", "user unknown", DROPPED),
        ("blocked", None, "mailjet", "preblocked", DROPPED),
        ("blocked", None, "spam", "content blocked", "content_rejected"),
        ("blocked", None, "system", "system issue", "server_error"),
    ],
)
def test_mailjets_errors_say_whether_the_address_is_at_fault(
    kind: str, hard: bool | None, about: str, error: str, reason: str
) -> None:
    found = receipt_in(mailjet(mailjet_event(kind, hard_bounce=hard, error_related_to=about, error=error)))
    assert (found.fate, found.reason) == ("bounced", reason)


def test_a_greylisted_mail_of_mailjets_is_still_on_its_way() -> None:
    found = receipt_in(mailjet(mailjet_event("bounce", hard_bounce=False, error="greylisted")))
    assert found.fate == "deferred"


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        ("550 5.1.1 <x@y.example>: user unknown", 550, "5.1.1"),
        ("550-5.7.1 [192.0.2.1 1] blocked", 550, "5.7.1"),
        ("host mx.example said: 452-4.2.2 over quota (in reply to RCPT)", 452, "4.2.2"),
        ("5.1.2 no such domain", 0, "5.1.2"),
        ("recipient 192.0.2.550 unknown, 5.1", 0, ""),
        ("", 0, ""),
    ],
)
def test_codes_are_found_in_what_a_server_is_said_to_have_answered(
    words: str, code: int, status: str
) -> None:
    assert reply_in(words) == (code, status)
    found = receipt_in(brevo(brevo_event("soft_bounce", reason=words)))
    assert (found.code, found.status) == (code or (0 if status else 450), status)
