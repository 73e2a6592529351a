"""Brevo, SparkPost, Resend, Mailjet: the mail that comes out of a call is the mail that was sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.mail_hooks_json import (
    API_KEY,
    CUSTOMER,
    SUPPORT,
    URLS,
    Call,
    brevo,
    brevo_item,
    mailjet,
    mailjet_mail,
    resend,
    resend_received,
    sparkpost,
    sparkpost_event,
    sparkpost_relay,
)
from tests.mail_hooks_reading import (
    NOTHING,
    NOW,
    RAW,
    Shelf,
    items_in,
    mail_in,
)
from workers.errors import InvalidInput, Unavailable
from workers.intake.fetching import FetchRefused
from workers.intake.outside import Outside
from workers.intake.providers.mail.account import parse_account
from workers.intake.providers.mail.port import IncomingMail, MailReceipt
from workers.intake.providers.mail.resend import Resend
from workers.intake.providers.mail.sparkpost import SparkPost


def test_brevos_fields_become_the_mail_they_were() -> None:
    mail = mail_in(brevo({"items": [brevo_item()]}))
    assert (mail.from_name, mail.from_email, mail.subject) == ("李雷", CUSTOMER, "订单问题")
    assert mail.text.strip() == "我的订单在哪里?"
    assert mail.html == "<p>我的订单在哪里?</p>"
    assert (mail.message_id, mail.references) == (
        "<q1@mail.163.example>", ("<a@help.example>", "<b@help.example>"),
    )  # fmt: skip # packed, to be read at a glance
    assert len(mail.headers["received"]) == 2
    (item,) = items_in(brevo({"items": [brevo_item()]}))
    assert isinstance(item, IncomingMail)
    assert item.key == "in:5a78f0f4-9f3d-4a0e-8f7c-0c2d8f7e1a11"
    assert (item.sender, item.recipients, item.verdicts) == (CUSTOMER, (SUPPORT,), {"spam_score": "2.9"})


def test_brevo_without_headers_gives_what_its_fields_say() -> None:
    item = brevo_item(
        Headers=None, InReplyTo="<b@help.example>", ReplyTo={"Name": 'a"b', "Address": "r@x.example"}
    )
    mail = mail_in(brevo({"items": [item]}))
    assert (mail.from_name, mail.from_email, mail.subject) == ("李雷", CUSTOMER, "订单问题")
    assert (mail.message_id, mail.in_reply_to) == ("<q1@mail.163.example>", "<b@help.example>")
    assert mail.to[0][1] == SUPPORT
    assert mail.reply_to[0][1] == "r@x.example"


BREVO_FILES = "https://api.brevo.com/v3/inbound/attachments/"


def _with_files(*names: str) -> Call:
    files = [
        {
            "Name": name,
            "ContentType": "application/pdf",
            "ContentLength": 5,
            "ContentID": None,
            "DownloadToken": f"token/of/{name}",
        }
        for name in names
    ]
    return brevo({"items": [brevo_item(Attachments=files)]})


def test_brevos_attachments_are_fetched_with_the_key_from_its_own_host() -> None:
    shelf = Shelf()
    shelf.answers[BREVO_FILES + "token%2Fof%2F%E5%8F%91%E7%A5%A8.pdf"] = b"%PDF-"
    mail = mail_in(_with_files("发票.pdf"), Outside(shelf))
    assert [(file.name, file.content_type, file.content) for file in mail.attachments] == [
        ("发票.pdf", "application/pdf", b"%PDF-")
    ]
    assert shelf.asked[0][1] == {"api-key": API_KEY}


def test_an_attachment_that_cannot_be_fetched_is_named_and_the_mail_still_comes() -> None:
    shelf = Shelf()
    shelf.answers[BREVO_FILES + "token%2Fof%2Fb.pdf"] = Unavailable("api.brevo.com does not answer in time")
    shelf.answers[BREVO_FILES + "token%2Fof%2Fc.pdf"] = b"ok"
    mail = mail_in(_with_files("a.pdf", "b.pdf", "c.pdf"), Outside(shelf))
    assert mail.text.strip() == "我的订单在哪里?"
    assert [file.name for file in mail.attachments] == [
        "a.pdf (not fetched).txt", "b.pdf (not fetched).txt", "c.pdf",
    ]  # fmt: skip # packed, to be read at a glance
    assert b"application/pdf, 5 bytes" in mail.attachments[0].content
    assert b"does not answer in time" in mail.attachments[1].content


def test_without_a_key_brevos_attachments_are_named_and_nothing_is_fetched() -> None:
    shelf, bare = Shelf(), parse_account("brevo://user:a-long-password-of-the-tests@")
    mail = mail_in(_with_files("a.pdf"), Outside(shelf), account=bare)
    assert [file.name for file in mail.attachments] == ["a.pdf (not fetched).txt"]
    assert shelf.asked == []


def test_a_batch_of_sparkposts_is_several_mails_and_events() -> None:
    second = RAW.replace(b"<q1@mail>", b"<q2@mail>")
    batch = [
        sparkpost_relay(RAW),
        sparkpost_relay(second, coded=False, sender="<>"),
        sparkpost_event("delivery"),
        {"msys": {}},
        sparkpost_relay(b""),
    ]
    items = items_in(sparkpost(batch))
    first, bounced, event, empty = items
    assert isinstance(first, IncomingMail)
    assert isinstance(bounced, IncomingMail)
    assert isinstance(empty, IncomingMail)
    assert isinstance(event, MailReceipt)
    assert (first.raw, first.sender, first.recipients) == (RAW, CUSTOMER, (SUPPORT,))
    assert (bounced.raw, bounced.sender) == (second, "")
    assert len({item.key for item in items}) == 4
    again = items_in(sparkpost([sparkpost_relay(RAW)], batch="another"))
    assert again[0].key == first.key
    with pytest.raises(InvalidInput):
        SparkPost().mime(empty.raw, empty.envelope()["details"], [], NOTHING)
    assert SparkPost().mime(first.raw, first.envelope()["details"], [], NOTHING) == RAW


def test_sparkposts_base64_may_hold_any_bytes() -> None:
    raw = "From: a@b.example\r\nSubject: 订单\r\n\r\n你好".encode("gb18030") + b"\x00\xff"
    (item,) = items_in(sparkpost([sparkpost_relay(raw)]))
    assert isinstance(item, IncomingMail)
    assert item.raw == raw


RESEND_API = "https://api.resend.com/emails/receiving/56761188-7520-42d8-8898-ff6fc54ce618"
RESEND_RAW = "https://inbound-cdn.resend.com/56761188/raw?Signature=abc"


def _resend_shelf(link: Any = RESEND_RAW) -> Shelf:
    shelf = Shelf()
    shelf.answers[RESEND_API] = json.dumps({"object": "email", "raw": {"download_url": link}}).encode()
    shelf.answers[RESEND_RAW] = RAW
    return shelf


def test_resends_mail_is_fetched_by_its_id_and_the_key_stays_with_the_api() -> None:
    shelf = _resend_shelf()
    mail = mail_in(resend(resend_received(), at=NOW), Outside(shelf))
    assert (mail.subject, mail.message_id) == ("Order", "<q1@mail>")
    assert shelf.asked[0][1]["Authorization"] == f"Bearer {API_KEY}"
    assert shelf.asked[1] == (RESEND_RAW, {})
    (item,) = items_in(resend(resend_received(), at=NOW))
    (again,) = items_in(resend(resend_received(), ident="msg_of_another_webhook", at=NOW))
    assert item.key == again.key == "received:56761188-7520-42d8-8898-ff6fc54ce618"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/raw",
        "https://inbound-cdn.resend.com.evil.example/x",
        "https://169.254.169.254/latest",
        "https://[::1/x",
        "file:///etc/passwd",
    ],
)
def test_a_raw_mail_elsewhere_is_not_fetched(link: str) -> None:
    shelf = _resend_shelf(link)
    with pytest.raises(InvalidInput, match="which is not known"):
        mail_in(resend(resend_received(), at=NOW), Outside(shelf))
    assert [url for url, _ in shelf.asked] == [RESEND_API]


def test_another_host_of_raw_mails_can_be_allowed() -> None:
    link = "https://d1.cloudfront.example/raw"
    shelf = _resend_shelf(link)
    shelf.answers[link] = RAW
    account = parse_account(URLS["resend"] + "&host=d1.cloudfront.example")
    Resend().check(account)
    assert mail_in(resend(resend_received(), at=NOW), Outside(shelf), account=account).subject == "Order"


@pytest.mark.parametrize(
    ("api", "raw"),
    [
        (FetchRefused("404"), RAW),
        (Unavailable("503"), RAW),
        (b"not json", RAW),
        (b'{"raw":null}', RAW),
        (None, FetchRefused("403: the link has ended")),
        (None, Unavailable("in time")),
    ],
)
def test_a_mail_that_cannot_be_fetched_now_is_for_later(
    api: bytes | Exception | None, raw: bytes | Exception
) -> None:
    shelf = _resend_shelf()
    shelf.answers |= {RESEND_RAW: raw} | ({RESEND_API: api} if api is not None else {})
    with pytest.raises(Unavailable):
        mail_in(resend(resend_received(), at=NOW), Outside(shelf))


def test_without_an_api_key_resends_mail_waits() -> None:
    bare = parse_account(URLS["resend"].partition("?")[0])
    with pytest.raises(Unavailable, match="API key"):
        mail_in(resend(resend_received(), at=NOW), Outside(_resend_shelf()), account=bare)


@pytest.mark.parametrize("ident", ["../../v1/keys", "a b", "", "x" * 65, "56761188?x=1"])
def test_an_id_that_is_none_never_gets_into_an_address(ident: str) -> None:
    with pytest.raises(InvalidInput):
        items_in(resend(resend_received(ident), at=NOW))


def test_mailjets_parts_become_the_mail_they_were() -> None:
    call = mailjet(mailjet_mail())
    mail = mail_in(call)
    assert (mail.from_name, mail.from_email, mail.subject) == ("Li Lei", CUSTOMER, "Order")
    assert (mail.text.strip(), mail.html) == (
        "Where is my order? 在哪里?",
        "<p>Where is my order? 在哪里?</p>",
    )
    assert (mail.message_id, mail.in_reply_to) == ("<q1@mail.163.example>", "<b@help.example>")
    (item,) = items_in(call)
    assert isinstance(item, IncomingMail)
    assert (item.sender, item.recipients, item.verdicts) == (CUSTOMER, (SUPPORT,), {"spam_score": "0.6"})


def _part(ref: str, **headers: str) -> dict[str, Any]:
    return {
        "Headers": {name.replace("_", "-"): [value] for name, value in headers.items()},
        "ContentRef": ref,
    }


def test_mailjets_attachments_keep_name_type_and_bytes() -> None:
    whole = mailjet_mail()
    whole["Parts"] += [
        _part(
            "Attachment1",
            Content_Type="text/plain; charset=utf-8",
            Content_Disposition="attachment; filename*=utf-8''%E5%8F%91%E7%A5%A8.txt",
            Content_Transfer_Encoding="quoted-printable",
        ),
        _part(
            "InlineAttachment1",
            Content_Type='image/png; name="logo.png"',
            Content_Disposition="inline",
            Content_ID="<logo1>",
        ),
        _part("Attachment2", Content_Type="application/pdf", Content_Disposition="attachment"),
        _part("Attachment3", Content_Type="a/b", Content_Disposition='attachment; filename="合同.bin"'),
        {"Headers": {"Content-Type": ["multipart/related; boundary=x"]}},
    ]
    for ref, content in (
        ("Attachment1", b"a=b\r\n"),
        ("InlineAttachment1", b"\x89PNG\x00"),
        ("Attachment2", b"%PDF"),
        ("Attachment3", b"\x00"),
    ):
        whole[ref] = base64.b64encode(content).decode()
    mail = mail_in(mailjet(whole))
    assert [(file.name, file.content_type, file.content) for file in mail.attachments] == [
        ("发票.txt", "text/plain", b"a=b\r\n"),
        ("logo.png", "image/png", b"\x89PNG\x00"),
        ("file", "application/pdf", b"%PDF"),
        ("合同.bin", "a/b", b"\x00"),
    ]


def test_a_bounce_by_mailjets_parse_api_is_still_a_report() -> None:
    whole = mailjet_mail(Sender="", **{"Text-part": "It bounced.", "Html-part": None})
    whole["Headers"]["Content-Type"] = ["multipart/report; report-type=delivery-status; boundary=x"]
    whole["Parts"] = [
        _part("Text-part", Content_Type="text/plain"),
        _part("Attachment1", Content_Type="message/delivery-status"),
    ]
    status = (
        b"Reporting-MTA: dns; mx.example\r\n\r\n"
        b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    )
    whole["Attachment1"] = base64.b64encode(status).decode()
    call = mailjet(whole)
    mail = mail_in(call)
    assert mail.header("content-type").startswith("multipart/report; report-type=delivery-status")
    assert any(file.content_type == "message/delivery-status" for file in mail.attachments)
    (item,) = items_in(call)
    assert isinstance(item, IncomingMail)
    assert item.sender == ""


def test_a_line_break_in_a_field_begins_no_header() -> None:
    evil = "Order\r\nX-Evil: 1\r\n\r\nbody"
    whole = mailjet_mail(Subject=evil)
    whole["Headers"]["Subject"] = evil
    item = brevo_item(Subject=evil, Headers={"Subject": evil, "X\r\nEvil": "1"})
    for mail in (mail_in(mailjet(whole)), mail_in(brevo({"items": [item]}))):
        assert "x-evil" not in mail.headers
        assert "evil" not in mail.headers
        assert "body" in mail.subject
