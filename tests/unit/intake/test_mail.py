"""Whole mails: what comes out of the bytes, and that anything at all goes in."""

# Tables of mails as they are read best unbroken.
# ruff: noqa: E501

import contextlib
import hashlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile_mails import HEAD, HOSTILE
from workers.errors import UnreadableMail
from workers.intake.filters import Traits, classify
from workers.intake.forwards import read_forward
from workers.intake.guard import Limits
from workers.intake.mail import InboundMail, parse_mail
from workers.intake.providers.sms.twilio import parse_inbound
from workers.intake.view import mail_view

INBOX = Path(__file__).parents[3] / "ops" / "demo_inbox"


def read(name: str) -> tuple[InboundMail, Traits]:
    mail = parse_mail((INBOX / name).read_bytes())
    traits = classify(
        mail, envelope_from=None, own_domains=["help.example"], own_addresses=["support@help.example"]
    )
    return mail, traits


def test_a_qq_mail_reads_as_its_writer_saw_it() -> None:
    mail, traits = read("01_zh_technical_fault_qq.eml")
    assert (mail.from_name, mail.from_email) == ("林晓雨", "linxiaoyu@qq.example")
    assert mail.subject == "导出报表一直报错，月底结账用不了"
    assert mail.date == datetime(2024, 5, 20, 1, 12, 38, tzinfo=UTC)
    assert mail.text.startswith("您好，\n\n从今天早上开始")
    assert "<div>" in mail.html
    assert (traits.kind, traits.take_in, traits.automatic, traits.may_answer) == ("person", True, False, True)


def test_raw_chinese_bytes_under_a_gb2312_label_read_correctly() -> None:
    mail, _ = read("12_zh_raw_8bit_subject.eml")
    assert mail.subject == "投诉：客服态度差，问题三天没人处理"
    assert mail.from_name == "顺达物流"
    assert "態度很差" in mail.text
    assert "刘喆" in mail.text


def test_an_html_only_mail_has_a_text() -> None:
    mail, _ = read("05_en_outlook_html_only.eml")
    assert "Björn Åkesson and Märta Holm" in mail.text
    assert "MsoNormal" not in mail.text


def test_a_forwarding_rule_keeps_the_customer_as_sender() -> None:
    mail, traits = read("06_zh_gmail_forwarding_rule.eml")
    assert mail.from_email == "zhoumin@corp.example.cn"
    assert mail.header("X-Forwarded-To") == "support@help.example"
    assert traits.take_in


def test_a_mail_passed_on_by_hand_names_whose_it_was() -> None:
    mail, traits = read("07_zh_forwarded_by_colleague.eml")
    inner = read_forward(mail)
    assert inner is not None
    assert (inner.from_name, inner.from_email) == ("赵立新", "zhaolixin@factory.example.cn")
    assert inner.subject == "打印机驱动装不上"
    assert inner.text.startswith("王工您好")
    assert inner.note == "客户发到我个人邮箱了，请登记一下。"
    assert traits.take_in
    assert not traits.may_answer


def test_a_reply_names_the_mail_it_answers_and_drops_the_quotation() -> None:
    mail, traits = read("10_en_reply_to_complaint.eml")
    first, _ = read("02_en_complaint_gmail.eml")
    assert mail.in_reply_to == first.message_id
    assert mail.references == (first.message_id,)
    assert traits.kind == "reply"
    assert mail.quote_cut
    assert mail.reply.endswith("somebody else probably has mine.")
    assert "formal" not in mail.reply
    assert "promised a call" in mail.text


def test_attachments_keep_their_names_and_bytes() -> None:
    mail, _ = read("11_zh_apple_mail_attachments.eml")
    assert [(one.name, one.content_type) for one in mail.attachments] == [
        ("截屏 2024-05-21.png", "image/png"),
        ("sync.log", "text/x-log"),
    ]
    log = mail.attachments[1]
    assert log.content.startswith(b"2024-05-21 15:02:11 ERROR")
    assert (log.size, log.sha256) == (len(log.content), hashlib.sha256(log.content).hexdigest())
    assert mail.reply.endswith("何倩")


@pytest.mark.parametrize(
    ("name", "kind", "take_in"),
    [("08_en_out_of_office.eml", "out_of_office", True), ("09_en_newsletter.eml", "list", False)],
)
def test_machines_are_known_and_never_answered(name: str, kind: str, take_in: bool) -> None:
    _, traits = read(name)
    assert (traits.kind, traits.take_in, traits.automatic, traits.may_answer) == (kind, take_in, True, False)


@pytest.mark.parametrize("name", sorted(path.name for path in INBOX.glob("*.eml")))
def test_every_mail_of_the_demo_inbox_is_read_without_a_doubt(name: str) -> None:
    mail, _ = read(name)
    assert mail.warnings == ()
    assert mail.from_email
    assert mail.subject
    assert mail.date is not None
    assert mail.message_id.startswith("<")
    assert mail.text.strip()
    assert "\N{REPLACEMENT CHARACTER}" not in mail.text + mail.subject + mail.from_name


@pytest.mark.parametrize("name", sorted(path.name for path in INBOX.glob("*.json")))
def test_every_sms_of_the_demo_inbox_is_read(name: str) -> None:
    fields = json.loads((INBOX / name).read_text("utf-8"))
    sms = parse_inbound(list(fields.items()))
    assert sms.text == fields["Body"]
    assert sms.external_id.startswith("SM")


BROKEN = {
    "an mbox line and a byte-order mark": b"\xef\xbb\xbfFrom lin@qq.example Mon May 20\r\n"
    + HEAD
    + b"\r\nhello",
    "blank lines above the header": b"\r\n\r\n" + HEAD + b"\r\nhello",
    "a header folded without a space": HEAD[:-2]
    + b"\r\nX-Long: one\r\ntwo three\r\nMime-Version: 1.0\r\n\r\nhello",
    "line feeds only": HEAD.replace(b"\r\n", b"\n") + b"\nhello",
    "carriage returns only": HEAD.replace(b"\r\n", b"\r") + b"\rhello",
    "a multipart that never ends": HEAD
    + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello",
    "a multipart without its boundary": HEAD + b"Content-Type: multipart/mixed\r\n\r\nhello",
    "base64 without padding": HEAD + b"Content-Transfer-Encoding: BASE64\r\n\r\naGVsbG8",
    "an encoding nobody knows": HEAD + b"Content-Transfer-Encoding: magic\r\n\r\nhello",
    "a type that is none": HEAD + b"Content-Type: text\r\n\r\nhello",
    "NUL bytes": HEAD + b"\r\nhel\x00lo",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_mail_is_read_all_the_same(raw: bytes) -> None:
    mail = parse_mail(raw)
    assert (mail.from_email, mail.subject, mail.text.strip()) == ("lin@qq.example", "x", "hello")


def test_a_header_block_torn_by_a_blank_line_is_read_as_one() -> None:
    mail = parse_mail(
        b"Received: from a\r\nFrom: lin@qq.example\r\n\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/html\r\n\r\n<p>hello</p>"
    )
    assert (mail.subject, mail.html, mail.text) == ("x", "<p>hello</p>", "hello")
    ours = parse_mail(HEAD + b"\r\nTo: all\r\nDate: tomorrow\r\n\r\nwe meet")
    assert ours.text.startswith("To: all"), "these are the writer's words"


def test_plain_words_under_a_base64_label_stay_words() -> None:
    label = HEAD + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert (
        parse_mail(label + b"This is plain, not base64 at all.").text == "This is plain, not base64 at all."
    )
    footer = b"aGVsbG8gd29ybGQ=\r\n_____________\r\nlist mailing list\r\n"
    assert parse_mail(label + footer).text == "hello world\n_____________\nlist mailing list"
    assert parse_mail(label + b"aGVsbG8g\x00d29ybGQ=").text == "hello world"
    assert parse_mail(label + b"aGVsbG8gd29y*bGQ=").text == "hello world"


def test_an_attached_mail_and_winmail_dat_are_attachments() -> None:
    raw = (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\nFrom: z@f.example\r\nSubject: old\r\n\r\ninner text\r\n--b\r\n"
        b'Content-Type: application/ms-tnef; name="winmail.dat"\r\n\r\nx\r\n--b\r\n'
        b'Content-Type: application/pdf; name="../../etc/passwd\x01.pdf"\r\n\r\nx\r\n--b--\r\n'
    )
    mail = parse_mail(raw)
    assert mail.text.strip() == "see below"
    assert [one.name for one in mail.attachments] == ["old.eml", "winmail.dat", "passwd.pdf"]
    assert b"inner text" in mail.attachments[0].content


def test_file_names_are_read_in_every_spelling() -> None:
    spellings = [
        b"filename*=utf-8''%E5%8F%91%E7%A5%A8.pdf",
        b"filename*0*=utf-8''%E5%8F%91; filename*1*=%E7%A5%A8.pdf",
        b'filename="=?gbk?B?t6LGsS5wZGY=?="',
        b'filename="' + "发票.pdf".encode("gbk") + b'"',
        b'filename="' + "发票.pdf".encode() + b'"',
    ]
    for spelling in spellings:
        mail = parse_mail(
            HEAD
            + b"Content-Type: application/pdf\r\nContent-Disposition: attachment; "
            + spelling
            + b"\r\n\r\nx"
        )
        assert [one.name for one in mail.attachments] == ["发票.pdf"], spelling


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_mail_is_read_or_refused_in_time(raw: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(UnreadableMail):  # refused is as good as read, as long as it is quick
        mail_view(raw)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("raw", [b"", b" \r\n\r\n", HEAD + b"\r\n" + b"x" * 2_000])
def test_what_exceeds_the_caps_is_refused_with_a_reason(raw: bytes) -> None:
    with pytest.raises(UnreadableMail):
        parse_mail(raw, Limits(size=1_000))


def strings(mail: InboundMail) -> list[str]:
    """Every string of a mail."""
    pairs = (*mail.to, *mail.cc, *mail.reply_to)
    return [
        mail.from_email, mail.from_name, mail.subject, mail.message_id, mail.in_reply_to, mail.text, mail.html,
        mail.reply, *mail.references, *mail.warnings, *(part for pair in pairs for part in pair),
        *(one.name for one in mail.attachments), *(one.content_type for one in mail.attachments),
        *mail.headers.keys(), *(value for values in mail.headers.values() for value in values),
    ]  # fmt: skip # packed, to be read at a glance


PIECES = st.sampled_from([
    b"From: ", b"To: ", b"Subject: ", b"References: ", b"Date: ", b"Content-Type: multipart/mixed; boundary=b", b"\n",
    b"\r\n", b"\n\n", b"--b\n", b"--b--", b"=?utf-8?B?5byg", b"?=", b"=?gb2312?Q?=C4", b"\xb7\xa2\xc6\xb1", b"\x00",
    b"\xed\xa0\x80", b"a@b.c", b"<", b">", b'"', b"(", b":;", b"Content-Type: text/html; charset=", b"hz", b"big5",
    b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment; filename*=x'y'%FF", b"~{", b"\x1b$B",
    b"Content-Type: message/rfc822", b"Content-Type: message/delivery-status", b"<p>", b"&#xd800;", b" ", b"=D8=00",
])  # fmt: skip # packed, to be read at a glance


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=40).map(b"".join)))
def test_any_bytes_give_a_mail_that_can_be_stored_or_a_refusal(raw: bytes) -> None:
    try:
        mail = parse_mail(raw)
    except UnreadableMail:
        return
    for text in strings(mail):
        text.encode()
        assert "\x00" not in text
    classify(mail, envelope_from="", own_domains=["b.c"], own_addresses=["a@b.c"])
    read_forward(mail)
