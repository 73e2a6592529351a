"""Mail by which a provider asks whether it may forward a mailbox to us."""

import pytest

from workers.intake.confirmations import read_confirmation
from workers.intake.filters import classify
from workers.intake.mail import parse_mail

ASKING = {
    "Gmail": (
        "forwarding-noreply@google.com",
        "(#483920175) Gmail Forwarding Confirmation - Receive Mail from wang@gmail.example",
        "wang@gmail.example wants to forward mail to you.\nConfirmation code: 483920175\n"
        "https://mail-settings.google.com/mail/vf-%5BANGjdJ%5D-abc\nIf you click, nothing else happens.",
        "483920175",
        "https://mail-settings.google.com/mail/vf-%5BANGjdJ%5D-abc",
    ),
    "Gmail, Chinese": (
        "forwarding-noreply@google.com",
        "(#483920175) Gmail 转发确认 - 接收来自 wang@gmail.example 的邮件",
        "确认码：483920175\nhttps://mail.google.com/mail/vf-abc",
        "483920175",
        "https://mail.google.com/mail/vf-abc",
    ),
    "QQ": (
        "10000@qq.com",
        "QQ邮箱自动转发验证",
        "请点击以下链接确认转发：https://mail.qq.com/cgi-bin/fwd?k=1 ，验证码：582911",
        "582911",
        "https://mail.qq.com/cgi-bin/fwd?k=1",
    ),
    "163": (
        "mailadmin@service.netease.com",
        "网易邮箱：自动转发邮箱验证",
        "您的验证码是 920113",
        "920113",
        "",
    ),
    "Zoho": (
        "noreply@zoho.com",
        "Zoho Mail :: Verify your forwarding address",
        "Code: 77120934 https://evil.example/x https://mail.zoho.com/confirm?c=77120934.",
        "77120934",
        "https://mail.zoho.com/confirm?c=77120934",
    ),
    "Outlook": (
        "account-security-noreply@accountprotection.microsoft.com",
        "Confirm your email forwarding request",
        "Your code is 381920",
        "381920",
        "",
    ),
}


@pytest.mark.parametrize(("sender", "subject", "text", "code", "link"), ASKING.values(), ids=ASKING.keys())
def test_a_provider_that_asks_to_forward_is_recognised_with_its_code(
    sender: str, subject: str, text: str, code: str, link: str
) -> None:
    mail = parse_mail(f"From: Mail <{sender}>\nTo: s@help.example\nSubject: {subject}\n\n{text}\n".encode())
    found = read_confirmation(mail)
    assert found is not None
    assert (found.code, found.link) == (code, link)
    traits = classify(
        mail, envelope_from=None, own_domains=["help.example"], own_addresses=["s@help.example"]
    )
    assert (traits.kind, traits.take_in, traits.may_answer) == ("forward_confirmation", False, False)


@pytest.mark.parametrize(
    ("sender", "subject"),
    [
        ("wangfang@qq.com", "自动转发验证失败，怎么办"),
        ("lin.service@gmail.example", "Confirm forwarding of my order"),
        ("support@shop.example", "Gmail Forwarding Confirmation"),
        ("noreply@zoho.com", "Your invoice"),
        ("service@qq.com.evil.example", "QQ邮箱自动转发验证"),
    ],
)
def test_a_customer_who_writes_about_forwarding_is_no_provider(sender: str, subject: str) -> None:
    mail = parse_mail(f"From: {sender}\nTo: s@help.example\nSubject: {subject}\n\n验证码：582911\n".encode())
    assert read_confirmation(mail) is None
