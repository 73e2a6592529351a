"""Mailgun, SendGrid, Postmark, Amazon SES, Mandrill: what their calls say, field by field."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import mail_hooks_signed as signed
from tests.fakes import MONDAY_MORNING as NOW
from tests.mail_hooks_json import CUSTOMER, SUPPORT, URLS, Call, resend, resend_received
from tests.mail_hooks_reading import NOTHING, Shelf
from workers.errors import BadSignature, CloseloopError, InvalidInput, SettingsError, Unavailable
from workers.intake.bounces import read_bounce
from workers.intake.fetching import FetchRefused
from workers.intake.mail import InboundMail, parse_mail
from workers.intake.outside import MOST_KEPT, Outside
from workers.intake.provider_mail import bytes_at_hand
from workers.intake.providers.mail import mandrill
from workers.intake.providers.mail.account import parse_account
from workers.intake.providers.mail.forms import read_form
from workers.intake.providers.mail.port import DROPPED, IncomingMail, Item, MailReceipt
from workers.intake.providers.mail.rebuild import File, build_mail
from workers.intake.providers.mail.registry import PROVIDERS, check_accounts, proved_by
from workers.intake.providers.mail.sendgrid import SIGNATURE, TIMESTAMP
from workers.intake.store import Event

ID = "0123456789abcdef0123456789abcdef"
MANUAL = "ManualSuppression"


def amazon() -> Outside:
    return Outside(Shelf(**{signed.CERTIFICATE_URL: signed.certificate()}))


def items_in(call: Call, outside: Outside | None = None) -> list[Item]:
    """What a call says, after it has proved itself."""
    provider = PROVIDERS[call.provider]
    accounts = [parse_account(url) for url in signed.urls()[call.provider]]
    account = proved_by(provider, call.request(NOW), accounts, outside or amazon())
    return list(provider.read(call.request(NOW), account))


def arrived(call: Call) -> IncomingMail:
    (item,) = items_in(call)
    assert isinstance(item, IncomingMail)
    return item


def mail_in(call: Call) -> InboundMail:
    """The one mail in a call, as it is read in the end."""
    item = arrived(call)
    details = json.loads(json.dumps(item.envelope()))["details"]
    return parse_mail(PROVIDERS[call.provider].mime(item.raw or call.body, details, [], NOTHING))


def receipt_in(call: Call) -> MailReceipt:
    (item,) = items_in(call)
    assert isinstance(item, MailReceipt)
    return item


# Mail


@pytest.mark.parametrize(
    "call",
    [
        signed.mailgun_mime(NOW),
        signed.sendgrid_raw(NOW),
        signed.postmark_mail(RawEmail=signed.RAW.decode()),
        signed.ses(NOW, signed.ses_mail()),
        signed.ses(NOW, signed.ses_mail(coded=False), version="2"),
        signed.mandrill_call(signed.mandrill_mail()),
    ],
    ids=lambda call: call.provider,
)
def test_a_mail_that_came_whole_is_left_as_it_is(call: Call) -> None:
    item = arrived(call)
    details = item.envelope()["details"]
    assert PROVIDERS[call.provider].mime(item.raw or call.body, details, [], NOTHING) == signed.RAW


def test_bytes_that_are_no_utf8_come_through_a_form_unchanged() -> None:
    gbk = (
        b"Subject: "
        + "订单没有到".encode("gb18030")
        + b"\r\nFrom: a@b.example\r\n\r\n"
        + "退款".encode("gbk")
    )
    for call in (signed.mailgun_mime(NOW, gbk), signed.sendgrid_raw(NOW, gbk)):
        assert mail_in(call).subject == "订单没有到"
    form = "subject=" + quote_from_bytes("退款问题请处理".encode("gb18030"))
    assert read_form(form.encode(), "application/x-www-form-urlencoded").text("subject") == "退款问题请处理"


def test_mailgun_takes_a_mail_apart_and_it_is_put_together_again() -> None:
    mail = mail_in(signed.mailgun_parsed(NOW, {"attachment-1": ("单据.txt", b"one line")}))
    assert (mail.from_name, mail.from_email, mail.subject) == ("李雷", CUSTOMER, "订单")
    assert (mail.message_id, mail.references) == ("<q2@mail.163.example>", ("<a@b.example>",))
    assert (mail.text, mail.html) == ("你好", "<p>你好</p>")
    assert [(one.name, one.content) for one in mail.attachments] == [("单据.txt", b"one line")]


def test_sendgrid_says_the_charset_of_each_of_its_fields() -> None:
    mail = mail_in(signed.sendgrid_parsed(NOW))
    assert (mail.subject, mail.text) == ("退款问题", "你好,我的订单没有到。")
    assert (mail.message_id, mail.references) == ("<q3@qq.example>", ("<a@b>", "<c@d>"))
    assert [(one.name, one.content) for one in mail.attachments] == [("清单.txt", b"one line")]


def test_postmark_keeps_some_headers_apart() -> None:
    mail = mail_in(signed.postmark_mail())
    assert (mail.from_name, mail.from_email, mail.subject) == ("李雷", CUSTOMER, "订单")
    assert (mail.message_id, mail.text) == ("<q4@mail.163.example>", "我的订单在哪里?")
    assert [(one.name, one.content) for one in mail.attachments] == [("单.pdf", b"%PDF")]
    assert mail.date is not None


def test_mandrill_without_the_raw_mail() -> None:
    files = {"a.txt": {"name": "a.txt", "type": "text/plain", "content": "one line", "base64": False}}
    mail = mail_in(signed.mandrill_call(signed.mandrill_mail(None, attachments=files)))
    assert (mail.from_email, mail.subject, mail.text) == (CUSTOMER, "订单", "我的订单")
    assert len(mail.headers["received"]) == 2
    assert [(one.name, one.content) for one in mail.attachments] == [("a.txt", b"one line")]


@pytest.mark.parametrize(
    ("call", "verdicts"),
    [
        (signed.mailgun_mime(NOW), {"spf": "pass", "spam": "no", "spam_score": "-0.4"}),
        (
            signed.sendgrid_raw(NOW),
            {"spf": "softfail", "dkim": "pass", "spam": "no", "spam_score": "0.1"},
        ),
        (signed.postmark_mail(), {"spf": "pass", "spam": "no", "spam_score": "-0.1"}),
        (
            signed.ses(NOW, signed.ses_mail()),
            {"spf": "pass", "dkim": "none", "dmarc": "fail", "spam": "no", "virus": "no"},
        ),
        (signed.mandrill_call(signed.mandrill_mail()), {"spf": "pass", "dkim": "fail", "spam_score": "1.2"}),
    ],
    ids=lambda value: getattr(value, "provider", ""),
)
def test_what_the_provider_found_out_has_one_form(call: Call, verdicts: Mapping[str, str]) -> None:
    item = arrived(call)
    assert item.verdicts == verdicts
    assert (item.recipients, item.envelope()["to"]) == ((SUPPORT,), SUPPORT)


# What became of a mail


def _mailgun(event: str, **more: Any) -> Call:
    return signed.mailgun_event(NOW, event, **more)


def _sendgrid(event: str, **more: Any) -> Call:
    return signed.sendgrid_events(NOW, {"event": event, **more})


def _ses(kind: str, **more: Any) -> Call:
    return signed.ses(NOW, signed.ses_event(kind, **more))


def _bounced(kind: str, sub: str, status: str = "", words: str = "") -> Call:
    return _ses("Bounce", bounce=signed.ses_bounce(kind, sub, status, words))


@pytest.mark.parametrize(
    ("call", "fate", "reason"),
    [
        (_mailgun("delivered"), "delivered", ""),
        (_mailgun("failed", severity="temporary"), "deferred", ""),
        (_mailgun("failed", severity="permanent", reason="bounce"), "bounced", ""),
        (_mailgun("failed", severity="permanent", reason="suppress-bounce"), "bounced", DROPPED),
        (_mailgun("rejected"), "bounced", "content_rejected"),
        (_mailgun("complained"), "complained", ""),
        (_mailgun("unsubscribed"), "unsubscribed", ""),
        (_sendgrid("delivered"), "delivered", ""),
        (_sendgrid("deferred"), "deferred", ""),
        (_sendgrid("bounce", bounce_classification="Invalid Address"), "bounced", "unknown_recipient"),
        (_sendgrid("bounce", status="5.2.2", bounce_classification="Invalid Address"), "bounced", ""),
        (_sendgrid("dropped", reason="Bounced Address"), "bounced", DROPPED),
        (_sendgrid("dropped", reason="Unsubscribed Address"), "bounced", "opted_out"),
        (_sendgrid("spamreport"), "complained", ""),
        (_sendgrid("group_unsubscribe"), "unsubscribed", ""),
        (signed.postmark_event("Delivery"), "delivered", ""),
        (signed.postmark_event("Bounce", Type="HardBounce"), "bounced", ""),
        (signed.postmark_event("Bounce", Type="Blocked"), "bounced", "policy_rejected"),
        (signed.postmark_event("Bounce", Type="ManuallyDeactivated"), "bounced", DROPPED),
        (signed.postmark_event("Bounce", Type="Transient"), "deferred", ""),
        (signed.postmark_event("SpamComplaint"), "complained", ""),
        (
            signed.postmark_event("SubscriptionChange", SuppressSending=True, SuppressionReason=MANUAL),
            "unsubscribed",
            "",
        ),
        (_ses("Delivery"), "delivered", ""),
        (_ses("DeliveryDelay", deliveryDelay={"delayType": "MailboxFull"}), "deferred", ""),
        (_bounced("Permanent", "General", "5.1.1"), "bounced", ""),
        (_bounced("Permanent", "NoEmail"), "bounced", "unknown_recipient"),
        (_bounced("Permanent", "OnAccountSuppressionList"), "bounced", DROPPED),
        (_bounced("Transient", "MailboxFull"), "bounced", "mailbox_full"),
        (_ses("Complaint", complaint={"complaintFeedbackType": "abuse"}), "complained", ""),
        (_ses("Reject", reject={"reason": "Bad content"}), "bounced", "content_rejected"),
        (signed.mandrill_call(signed.mandrill_event("delivered")), "delivered", ""),
        (signed.mandrill_call(signed.mandrill_event("deferral")), "deferred", ""),
        (
            signed.mandrill_call(signed.mandrill_event("hard_bounce", bounce_description="bad_mailbox")),
            "bounced",
            "unknown_recipient",
        ),
        (signed.mandrill_call(signed.mandrill_event("reject", reject="unsub")), "bounced", "opted_out"),
        (signed.mandrill_call(signed.mandrill_event("reject", reject="hard-bounce")), "bounced", DROPPED),
        (signed.mandrill_call(signed.mandrill_event("spam")), "complained", ""),
        (signed.mandrill_call(signed.mandrill_event("unsub")), "unsubscribed", ""),
    ],
)  # fmt: skip # packed, to be read at a glance
def test_each_event_has_its_fate_and_reason(call: Call, fate: str, reason: str) -> None:
    found = receipt_in(call)
    assert (found.fate, found.reason) == (fate, reason)


@pytest.mark.parametrize(
    "call",
    [
        _mailgun("opened"),
        _mailgun("clicked"),
        _sendgrid("processed"),
        _sendgrid("open"),
        signed.postmark_event("Open"),
        signed.postmark_event("Bounce", Type="AutoResponder"),
        signed.postmark_event("SubscriptionChange", SuppressSending=False),
        _ses("Open"),
        _ses("Send"),
        signed.mandrill_call(signed.mandrill_event("click")),
        signed.mandrill_call(),
    ],
)
def test_what_nobody_waits_for_says_nothing(call: Call) -> None:
    assert items_in(call) == []


def test_the_mail_is_named_in_every_way_that_the_provider_knows() -> None:
    headers = {"Message-ID": "<n1@help.example>", "X-Closeloop": ID}
    found = receipt_in(_ses("Delivery", headers=headers, source="support+abc@help.example"))
    assert (found.echo, found.message_ids) == (ID, ("<n1@help.example>",))
    assert found.return_path == "support+abc@help.example"
    assert found.known_as == (f"<{found.provider_id}@eu-west-1.amazonses.com>",)
    named = receipt_in(_mailgun("delivered", **{"user-variables": {"closeloop": ID}}))
    assert (named.echo, named.message_ids, named.return_path) == (ID, ("n1@help.example",), SUPPORT)
    told = receipt_in(_sendgrid("delivered", closeloop=ID, **{"smtp-id": "<n1@help.example>"}))
    assert (told.echo, told.message_ids) == (ID, ("<n1@help.example>",))


# Amazon


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://evil-sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/?Action=x.pem",
        "https://sns.eu-west-1amazonaws.com/SimpleNotificationService-0.pem",
        "https://[::1/SimpleNotificationService-0.pem",
        "",
    ],
)
def test_a_certificate_from_anywhere_else_is_not_even_fetched(url: str) -> None:
    web = Shelf()
    call = signed.ses(NOW, signed.ses_mail())
    forged = replace(call, body=json.dumps(json.loads(call.body) | {"SigningCertURL": url}).encode())
    with pytest.raises(BadSignature):
        items_in(forged, Outside(web))
    assert web.asked == []


def test_made_up_certificates_push_out_no_real_one() -> None:
    web = Shelf(**{signed.CERTIFICATE_URL: signed.certificate()})
    outside = Outside(web)
    items_in(signed.ses(NOW, signed.ses_mail()), outside)
    for number in range(3 * MOST_KEPT):
        url = signed.CERTIFICATE_URL.replace(".pem", f"{number}.pem")
        web.answers[url] = FetchRefused("404")
        with pytest.raises(FetchRefused):
            outside.kept(url, hosts={signed.CERTIFICATE_URL.split("/")[2]}, cap=1)
    web.asked.clear()
    items_in(signed.ses(NOW, signed.ses_mail()), outside)
    assert web.asked == []


def test_the_certificate_is_fetched_once_and_its_absence_is_told_from_trouble() -> None:
    web = Shelf(**{signed.CERTIFICATE_URL: signed.certificate()})
    outside = Outside(web)
    for ident in ("1", "2", "3"):
        items_in(signed.ses(NOW, signed.ses_mail(), ident=ident), outside)
    assert len(web.asked) == 1
    for answer, error in ((FetchRefused("404"), BadSignature), (Unavailable("503"), Unavailable)):
        web = Shelf(**{signed.CERTIFICATE_URL: answer})
        outside = Outside(web)
        for _ in range(3):
            with pytest.raises(error):
                items_in(signed.ses(NOW, signed.ses_mail()), outside)
        assert len(web.asked) == 1, "a failure is remembered, too"
    for junk in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(BadSignature):
            items_in(signed.ses(NOW, signed.ses_mail()), Outside(Shelf(**{signed.CERTIFICATE_URL: junk})))


def test_a_strangers_topic_is_refused_before_anything_is_fetched() -> None:
    web = Shelf()
    provider = PROVIDERS["ses"]
    account = parse_account("ses://?topic=arn:aws:sns:eu-west-1:999999999999:other")
    with pytest.raises(BadSignature):
        provider.verify(signed.ses(NOW, signed.ses_mail()).request(NOW), account, Outside(web))
    assert web.asked == []


# The rest


def test_mandrills_first_call_to_an_address_is_signed_with_a_test_key() -> None:
    told = [("mandrill_events", b"[]")]
    url = signed.mandrill_call().request().url
    shown = {"x-mandrill-signature": mandrill.sign(url, told, mandrill.TEST_KEY)}
    empty = replace(signed.mandrill_call(), headers={**signed.mandrill_call().headers, **shown})
    assert items_in(empty) == []
    told = [("mandrill_events", json.dumps([signed.mandrill_mail()]).encode())]
    shown = {"x-mandrill-signature": mandrill.sign(url, told, mandrill.TEST_KEY)}
    with pytest.raises(BadSignature):
        items_in(replace(empty, body=urlencode(told).encode(), headers={**empty.headers, **shown}))


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("sendgrid://:MFkw/AB+c==@", "MFkw/AB+c=="),
        ("mailgun://:key%3Fwith@", "key?with"),
        ("postmark://user:pa:ss@word@", "pa:ss@word"),
        ("mandrill://:key@/", "key"),
    ],
)
def test_keys_stand_in_the_url_as_they_are(url: str, secret: str) -> None:
    assert parse_account(url).secret == secret


@pytest.mark.parametrize(
    "url",
    [
        "mailgun://:secret-word@api.mailgun.example",
        "mailgun://secret-word",
        "postmark://user:short@",
        "postmark://?token=short",
        "sendgrid://:secret-word@",
        "ses://?topic=arn:aws:sqs:eu-west-1:123456789012:secret-word",
        "mailgun://:key@?window=secret-word",
        "mailgun://:key@?windw=20&x=secret-word",
        "secret-word",
    ],
)
def test_an_account_that_cannot_work_is_refused_without_telling_its_secret(url: str) -> None:
    with pytest.raises(SettingsError) as complaint:
        check_accounts(["mandrill://:0123456789abcdef@", url])
    assert "secret-word" not in str(complaint.value)


def test_a_longer_window_takes_the_retries_after_an_outage() -> None:
    call = signed.mailgun_mime(NOW - timedelta(hours=8))
    provider = PROVIDERS["mailgun"]
    long = parse_account(f"mailgun://:{signed.MAILGUN_KEYS[0]}@?window=540")
    provider.verify(call.request(NOW), long, NOTHING)
    with pytest.raises(BadSignature):
        provider.verify(call.request(NOW), replace(long, options={}), NOTHING)


@given(st.binary(max_size=400), st.sampled_from(["multipart/form-data; boundary=x", "application/json", "?"]))
def test_no_body_breaks_the_reading_of_forms(body: bytes, kind: str) -> None:
    for whole in (body, b"--x\r\n" + body + b"\r\n--x--\r\n"):
        try:
            form = read_form(whole, kind)
        except InvalidInput:
            continue
        for name, _ in form.fields:
            form.text(name).encode()


@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=80)), max_size=6),
    st.text(max_size=200),
    st.text(),
)
def test_no_value_begins_a_header_of_its_own(headers: list[tuple[str, str]], text: str, name: str) -> None:
    said = [*headers, ("Subject", f"a\r\nBcc: {name}\r\n\r\nbody")]
    whole = build_mail(said, text, "", [File(name, name, b"x", name)])
    mail = parse_mail(whole)
    assert not mail.headers.get("bcc") or any(key.lower() == "bcc" for key, _ in headers)
    assert [one.content for one in mail.attachments] == [b"x"]


def test_a_report_stays_one() -> None:
    status = b"Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nStatus: 5.1.1\r\n"
    whole = build_mail(
        [
            ("From", "MAILER-DAEMON@mx"),
            ("Content-Type", 'multipart/report; boundary="y"; report-type=delivery-status'),
        ],
        "It failed.",
        files=[File("", "message/delivery-status", status)],
    )
    bounce = read_bounce(parse_mail(whole))
    assert bounce is not None
    assert bounce.status == "5.1.1"


@given(st.binary(max_size=300))
def test_every_provider_reads_any_body_or_says_that_it_cannot(body: bytes) -> None:
    for name, provider in PROVIDERS.items():
        account = parse_account(f"{name}://")
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            call = Call(name, body, {"content-type": kind}).request(NOW)
            try:
                provider.read(call, account)
            except CloseloopError:
                continue


def test_who_only_looks_fetches_nothing() -> None:
    whole = signed.ses(NOW, signed.ses_mail())
    seen = Event("ses", "1", "mail", whole.body, arrived(whole).envelope())
    assert bytes_at_hand(seen, signed.urls()["ses"]) == signed.RAW
    assert bytes_at_hand(Event("raw", "1", "mail", b"x"), ()) == b"x"
    away = resend(resend_received(), at=NOW)
    details = {"details": {"email_id": "56761188-7520-42d8-8898-ff6fc54ce618"}}
    kept = Event("resend", "1", "mail", away.body, details)
    with pytest.raises(FetchRefused, match="still has it"):
        bytes_at_hand(kept, [URLS["resend"]])


def test_a_signature_that_sendgrid_itself_has_made_is_valid() -> None:
    """Key, signature and event as its own libraries test with."""
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw"
        "+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
    )
    signature = (
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    )
    event = {
        "email": "hello@world.com",
        "event": "dropped",
        "reason": "Bounced Address",
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
        "timestamp": 1600112492,
    }
    body = json.dumps([event], sort_keys=True, separators=(",", ":")).encode() + b"\r\n"
    shown = {SIGNATURE: signature, TIMESTAMP: "1600112502", "content-type": "application/json"}
    at = datetime.fromtimestamp(1600112502, UTC)
    provider, account = PROVIDERS["sendgrid"], parse_account(f"sendgrid://:{key}@")
    provider.verify(Call("sendgrid", body, shown).request(at), account, NOTHING)
    with pytest.raises(BadSignature):
        provider.verify(Call("sendgrid", body.strip(), shown).request(at), account, NOTHING)


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1e308, "", "x" * 3_000, "\ud800\x00", [], {}, [[]], [None], {"": {}}]
)
JSON_CALLS = [
    _mailgun("failed", severity="permanent", **{"delivery-status": {"code": 550}}),
    _sendgrid("bounce", status="5.1.1", reason="no"),
    signed.postmark_mail(),
    signed.postmark_event("Bounce", Type="HardBounce", Details="smtp;550", ID=1),
    _bounced("Permanent", "General", "5.1.1", "550"),
    signed.ses(NOW, signed.ses_mail()),
    signed.mandrill_call(signed.mandrill_mail(None, attachments={"a": {"name": "a", "content": "YQ=="}})),
    signed.mandrill_call(signed.mandrill_event("hard_bounce", diag="smtp;550")),
]


@given(st.sampled_from(JSON_CALLS), st.data())
def test_no_fact_of_another_type_breaks_the_reading(call: Call, data: st.DataObject) -> None:
    """What is authentic may still have changed its form since it was documented."""
    whole, wrap = _unwrapped(call)
    for _ in range(data.draw(st.integers(1, 3))):
        whole = _with_odd(whole, data)
    odd = replace(call, body=wrap(whole))
    provider, account = PROVIDERS[call.provider], parse_account(signed.urls()[call.provider][0])
    try:
        for item in provider.read(odd.request(NOW), account):
            json.dumps(item.envelope(), ensure_ascii=False).encode()
            assert item.key
            if isinstance(item, IncomingMail):
                parse_mail(
                    provider.mime(item.raw or odd.body, item.envelope()["details"], [account], NOTHING)
                )
    except CloseloopError:
        pass


def _unwrapped(call: Call) -> tuple[Any, Callable[[Any], bytes]]:
    """The JSON that a call holds, and how it is put back."""
    if call.provider == "mandrill":
        told = dict(parse_qsl(call.body.decode()))["mandrill_events"]
        return json.loads(told), lambda whole: urlencode({"mandrill_events": json.dumps(whole)}).encode()
    outer = json.loads(call.body)
    if call.provider == "ses":
        message = json.loads(outer["Message"])
        return message, lambda whole: json.dumps({**outer, "Message": json.dumps(whole)}).encode()
    return outer, lambda whole: json.dumps(whole).encode()


def _with_odd(whole: Any, data: st.DataObject) -> Any:
    """The same JSON with something odd somewhere in it."""
    inside = (
        list(whole) if isinstance(whole, dict) else list(range(len(whole))) if isinstance(whole, list) else []
    )
    if not inside or data.draw(st.integers(0, 9)) == 0:
        return data.draw(ODD)
    place = data.draw(st.sampled_from(inside))
    copy = whole.copy()
    copy[place] = _with_odd(whole[place], data)
    return copy
