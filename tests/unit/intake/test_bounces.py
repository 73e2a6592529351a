"""Delivery reports: those of RFC 3464 and those in prose."""

# Tables of mails as they are read best unbroken.
# ruff: noqa: E501

import pytest

from workers.intake.bounces import Bounce, read_bounce
from workers.intake.filters import classify
from workers.intake.mail import parse_mail


def bounce_of(raw: str) -> Bounce | None:
    return read_bounce(parse_mail(raw.replace("\n", "\r\n").encode()))


def dsn(action: str, status: str, diagnostic: str) -> str:
    return f"""From: Mail Delivery System <MAILER-DAEMON@mx.example>
To: support@help.example
Subject: Undelivered Mail Returned to Sender
Return-Path: <>
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Mon, 20 May 2024 10:00:00 +0000

Final-Recipient: rfc822; lin@QQ.example
Original-Recipient: rfc822;lin@qq.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--b
Content-Type: text/rfc822-headers

From: support@help.example
Message-ID: <018f@help.example>
Subject: We have received your request

--b--
"""


def test_a_standard_report_is_read_to_its_end() -> None:
    found = bounce_of(dsn("failed", "5.1.1", "550 5.1.1 <lin@qq.example>: user\n unknown"))
    assert found == Bounce(
        status="5.1.1",
        action="failed",
        recipients=("lin@qq.example",),
        reason="550 5.1.1 <lin@qq.example>: user unknown",
        original_message_id="<018f@help.example>",
        is_delayed=False,
    )


def test_a_delay_is_no_failure() -> None:
    found = bounce_of(dsn("delayed", "4.4.1", "connect timed out"))
    assert found is not None
    assert (found.is_delayed, found.action, found.status) == (True, "delayed", "4.4.1")


PROSE = {
    "qmail": ("Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message.\n\n"
              "<lin@qq.example>:\n550 5.1.1 user unknown\n\n--- Below this line is a copy of the message.\n\n"
              "Message-ID: <018f@help.example>\n", "failure notice", "5.1.1"),
    "exim": ("A message that you sent could not be delivered to one or more of its recipients.\n\n  lin@qq.example\n"
             "    host mx.qq.example: 550 Mailbox unavailable\n\n------ This is a copy of the message ------\n"
             "Message-Id: <018f@help.example>\n", "Mail delivery failed: returning message to sender", "5.0.0"),
    "qq": ("抱歉，您的邮件被退回来了……\n退信原因：收件人邮件地址（lin@qq.example）不存在。\n550 Mailbox not found\n"
           "原邮件信息\nMessage-ID: <018f@help.example>\n", "系统退信", "5.0.0"),
    "163": ("您的邮件 无法投递到收件人 lin@qq.example\n退信代码：550 5.1.1 用户不存在\n\nMessage-ID: <018f@help.example>\n",
            "系统退信/Systems bounce", "5.1.1"),
    "german": ("Ihre Nachricht konnte nicht zugestellt werden:\nlin@qq.example\n552 5.2.2 mailbox full\n\n"
               "Message-ID: <018f@help.example>", "Unzustellbar: Ticket", "5.2.2"),
}  # fmt: skip # packed, to be read at a glance


@pytest.mark.parametrize(("body", "subject", "status"), PROSE.values(), ids=PROSE.keys())
def test_a_report_in_prose_is_understood(body: str, subject: str, status: str) -> None:
    found = bounce_of(f"From: postmaster@mx.example\nTo: support@help.example\nSubject: {subject}\n\n{body}")
    assert found is not None
    assert (found.status, found.recipients, found.original_message_id) == (
        status,
        ("lin@qq.example",),
        "<018f@help.example>",
    )


def test_a_person_who_passes_a_report_on_is_no_bounce() -> None:
    raw = dsn("failed", "5.1.1", "550 no").replace(
        "Mail Delivery System <MAILER-DAEMON@mx.example>", "Lin <l@qq.example>"
    )
    raw = raw.replace("multipart/report; report-type=delivery-status;", "multipart/mixed;").replace(
        "Return-Path: <>\n", ""
    )
    assert bounce_of(raw) is None


def test_a_customer_whose_mails_bounce_is_no_bounce() -> None:
    raw = "From: Lin <lin@qq.example>\nSubject: Undelivered mail\n\nuser unknown 550 5.1.1 - please help"
    assert bounce_of(raw) is None


def test_a_postmaster_who_writes_himself_is_no_bounce() -> None:
    assert (
        bounce_of("From: postmaster@corp.example\nSubject: New MX\n\nWe move our servers on Monday.") is None
    )


def test_a_bounce_is_classified_before_its_auto_submitted_header() -> None:
    mail = parse_mail(dsn("failed", "5.1.1", "x").encode())
    found = classify(mail, envelope_from="", own_domains=[], own_addresses=[])
    assert (found.kind, found.take_in, found.may_answer) == ("bounce", False, False)


MACHINES = {
    "InterScan": (
        "Mail could not be delivered",
        "****** Message from InterScan ******\n\nSent <<< RCPT TO:<lin@qq.example>",
    ),
    "a rejecting gateway": (
        "Automatically rejected mail",
        "Your message to <lin@qq.example> was automatically rejected:\nQuota exceeded",
    ),
}


@pytest.mark.parametrize(("subject", "body"), MACHINES.values(), ids=MACHINES.keys())
def test_a_program_under_an_ordinary_address_is_known_by_how_it_begins(subject: str, body: str) -> None:
    found = bounce_of(f"From: imss@gateway.example\nTo: support@help.example\nSubject: {subject}\n\n{body}")
    assert found is not None
    assert found.recipients == ("lin@qq.example",)


@pytest.mark.parametrize(
    "sender", ["exchange-rates@bank.example", "bouncefitness@x.example", "postmasters-club@x.example"]
)
def test_an_address_that_resembles_a_daemons_is_no_daemon(sender: str) -> None:
    raw = f"From: {sender}\nTo: support@help.example\nSubject: Your order\n\nIt could not be delivered to user unknown."
    assert bounce_of(raw) is None


def test_a_report_inside_a_gateways_disclaimer_is_found() -> None:
    inner = dsn("failed", "5.1.1", "550 no")
    raw = (
        "From: postmaster@corp.example\nTo: support@help.example\nSubject: Delivery Status Notification (Failure)\n"
        "Content-Type: multipart/mixed; report-type=delivery-status; boundary=o\n\n--o\n\nconfidential\n--o\n"
        f"Content-Type: message/rfc822\n\n{inner}\n--o--\n"
    )
    found = bounce_of(raw)
    assert found is not None
    assert (found.status, found.recipients) == ("5.1.1", ("lin@qq.example",))


def from_daemon(
    body: str, subject: str = "Mail Delivery Problem", sender: str = "MAILER-DAEMON@aol.example"
) -> Bounce:
    raw = f"From: Mail Delivery Subsystem <{sender}>\nTo: support@help.example\nSubject: {subject}\n\n{body}"
    found = bounce_of(raw)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("body", "recipients"),
    [
        (
            "Your mail to the following recipients could not be delivered because they\nare not accepting mail from support@help.example:\n\tlinxiaoyu\n",
            ("linxiaoyu@aol.example",),
        ),
        (
            "The following addresses had permanent fatal errors\nlin@new.example\n    (expanded from: <lin@shop.example>)\n",
            ("lin@new.example", "lin@shop.example"),
        ),
        (
            "The address to which your message was addressed, lin@shop.example, is none of ours.\n\nYou may find people by the following:\n\n  Judy Li   +1 925 555 0100   judy@aol.example\n",
            ("lin@shop.example",),
        ),
        (
            "Sorry, unable to deliver your message to lin@shop.example for\nthe following reason:\n\n 552 Quota violation for xu@shop.example\n",
            ("lin@shop.example", "xu@shop.example"),
        ),
        ("Mailbox exceeds allowed size: lin@shop.example\n\nOriginal message follows.\n", ("lin@shop.example",)),
    ],
)  # fmt: skip # packed, to be read at a glance
def test_whom_a_report_in_prose_speaks_of(body: str, recipients: tuple[str, ...]) -> None:
    assert from_daemon(body).recipients == recipients


def test_a_report_may_say_above_all_recipients_what_happened() -> None:
    raw = (
        dsn("failed", "4.7.0", "Sender not approved")
        .replace("Action: failed\n", "")
        .replace("Reporting-MTA: dns; mx.example\n", "Reporting-MTA: dns; mx.example\nAction: failed\n")
    )
    found = bounce_of(raw)
    assert found is not None
    assert (found.action, found.status, found.recipients) == ("failed", "4.7.0", ("lin@qq.example",))
    silent = bounce_of(dsn("failed", "4.7.0", "Not now").replace("Action: failed\n", ""))
    assert silent is not None
    assert (silent.action, silent.is_delayed) == ("delayed", True)


def test_a_report_from_nobody_needs_no_subject() -> None:
    found = bounce_of(
        "Return-Path: <>\nFrom: <>\nTo: support@help.example\n\nYou sent mail to lin@shop.example. That's not a valid user here."
    )
    assert found is not None
    assert found.recipients == ("lin@shop.example",)
