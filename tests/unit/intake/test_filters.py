"""What kind a mail is, and whether it may be taken in and answered."""

# Tables of mails as they are read best unbroken.
# ruff: noqa: E501

import pytest

from workers.intake.filters import Traits, classify
from workers.intake.mail import parse_mail


def traits(headers: str, body: str = "Hello", envelope_from: str | None = None) -> Traits:
    raw = f"To: support@help.example\r\n{headers}\r\n\r\n{body}".encode()
    if "From:" not in headers:
        raw = b"From: Lin <lin@qq.example>\r\n" + raw
    return classify(
        parse_mail(raw),
        envelope_from=envelope_from,
        own_domains=["help.example"],
        own_addresses=["support@help.example"],
    )


AUTO_REPLIES = [
    "Subject: 自动回复: 您的工单", "Subject: 自動回覆：您好", "Subject: Automatic reply: Ticket",
    "Subject: Automatische Antwort: Ticket",
    "Subject: =?utf-8?Q?R=C3=A9ponse_automatique?= : x", "Subject: Respuesta automatica: x",
    "Subject: Risposta automatica: x", "Subject: Autosvar: x", "Subject: x\r\nAuto-Submitted: auto-replied",
    "Subject: x\r\nX-Autoreply: yes", "Subject: x\r\nPrecedence: auto_reply", "Subject: x\r\nX-Autorespond: x",
    "Subject: Re: x\r\nIn-Reply-To: <a@b>\r\nAuto-Submitted: auto-generated",
]  # fmt: skip # packed, to be read at a glance


@pytest.mark.parametrize("headers", AUTO_REPLIES)
def test_an_answering_machine_is_no_person(headers: str) -> None:
    found = traits(headers)
    assert (found.kind, found.automatic, found.may_answer) == ("auto_reply", True, False)


ABSENT = {
    "Subject: Out of Office Re: Ticket": "", "Subject: Abwesenheitsnotiz": "", "Subject: 不在通知": "",
    "Subject: Automatic reply: Ticket": "I am on annual leave until 3 June.", "Subject: 부재중": "",
    "Subject: 自动回复: 您的工单": "您好，我正在休假，6月3日回来后回复您。", "Subject: OOO: back on Monday": "",
    "Subject: Automatische Antwort: Ticket": "Ich bin bis 3. Juni nicht im Büro.",
    "Subject: Re: x\r\nAuto-Submitted: auto-replied": "Je suis en congés, de retour le 3 juin.",
    "Subject: Respuesta automática: x": "Estoy fuera de la oficina.", "Subject: Nieobecność w biurze": "",
    "Subject: Автоответ: x": "Я в отпуске до 3 июня.",
}  # fmt: skip # packed, to be read at a glance


@pytest.mark.parametrize(("headers", "body"), ABSENT.items())
def test_somebody_who_is_away_is_told_from_other_machines(headers: str, body: str) -> None:
    found = traits(headers, body)
    assert (found.kind, found.automatic, found.may_answer) == ("out_of_office", True, False)


PERSONS = [
    "Subject: My office is out of paper", "Subject: Question about automatic replies", "Subject: 关于自动回复功能的咨询",
    "Subject: read: the manual says otherwise", "Subject: Your mail was rejected by our boss",
    "Subject: Undelivered parcel", "Subject: x\r\nAuto-Submitted: no", "Subject: 退信了怎么办",
    "From: Bounce Fitness <info@bouncefitness.example>\r\nSubject: delivery failure of our order",
]  # fmt: skip # packed, to be read at a glance


@pytest.mark.parametrize("headers", PERSONS)
def test_a_person_who_writes_about_such_things_is_a_person(headers: str) -> None:
    found = traits(headers)
    assert (found.kind, found.take_in, found.may_answer) == ("person", True, True)


SILENCES = {
    "From: no-reply@shop.example\r\nSubject: x": "no_reply_address",
    "From: wang@help.example\r\nSubject: x": "own_domain",
    "Message-ID: <1@help.example>\r\nSubject: x": "own_message_id",
    "X-Auto-Response-Suppress: OOF, AutoReply\r\nSubject: x": "response_suppressed",
    "Authentication-Results: mx; dmarc=fail (p=reject)\r\nSubject: x": "dmarc_failed",
    "\r\n".join(["Received: from a by b"] * 26) + "\r\nSubject: x": "too_many_hops",
    "Return-Path: <>\r\nSubject: x": "null_sender",
}


@pytest.mark.parametrize(("headers", "reason"), SILENCES.items())
def test_a_ticket_may_open_without_an_automatic_answer(headers: str, reason: str) -> None:
    found = traits(headers)
    assert found.take_in
    assert not found.may_answer
    assert reason in found.reasons


def test_a_null_envelope_is_never_answered() -> None:
    assert "null_sender" in traits("Subject: x", envelope_from="<>").reasons
    assert traits("Subject: x", envelope_from="lin@qq.example").may_answer


def test_our_own_mail_coming_back_opens_nothing() -> None:
    found = traits("Subject: x\r\nX-Closeloop: 018f")
    assert found.kind == "own"
    assert (found.take_in, found.automatic, found.may_answer) == (False, True, False)


def test_a_group_of_ours_that_serves_as_the_inbox_makes_no_list_of_a_customer() -> None:
    found = traits(
        "Subject: x\r\nList-Id: <support.help.example>\r\nList-Post: <mailto:s@help.example>\r\nPrecedence: list"
    )
    assert (found.kind, found.take_in) == ("person", True)


def test_a_discussion_list_is_kept_but_not_answered() -> None:
    found = traits("Subject: x\r\nList-Id: <talk.lists.example>\r\nList-Post: <mailto:talk@lists.example>")
    assert (found.kind, found.take_in, found.may_answer) == ("list", True, False)


def test_an_answer_from_a_gateway_that_marks_all_as_bulk_is_a_persons() -> None:
    found = traits("Subject: RE: x\r\nPrecedence: bulk\r\nIn-Reply-To: <1@help.example>")
    assert (found.kind, found.take_in, found.may_answer) == ("reply", True, False)
    assert traits("Subject: News\r\nPrecedence: bulk").kind == "list"


def test_what_the_mailbox_calls_spam_is_left_out() -> None:
    found = traits("Subject: x\r\nX-Spam-Flag: YES")
    assert (found.kind, found.take_in) == ("junk", False)


def test_a_contact_form_is_automatic_and_still_a_request() -> None:
    found = traits("Subject: Contact form\r\nAuto-Submitted: auto-generated")
    assert (found.kind, found.take_in, found.automatic, found.may_answer) == ("machine", True, True, False)


def report(kind: str, part: str) -> str:
    return (
        f"Subject: x\r\nContent-Type: multipart/report; report-type={kind}; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
        f"--b\r\nContent-Type: message/{part}\r\n\r\nUser-Agent: x\r\n\r\n--b--"
    )


def test_complaints_and_read_receipts_are_told_apart() -> None:
    assert traits(report("feedback-report", "feedback-report"), "").kind == "complaint"
    assert traits(report("disposition-notification", "disposition-notification"), "").kind == "read_receipt"
