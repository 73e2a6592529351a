"""Webhook calls as Mailgun, SendGrid, Postmark, Amazon SES and Mandrill make them: the shapes they document,
our own data. `key` picks one of two secrets of the account.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.mail_hooks_json import CUSTOMER, PASSWORD, PUBLIC, SUPPORT, USER, Call, login
from workers.intake.providers.mail import mandrill, sns
from workers.intake.providers.mail.sendgrid import SIGNATURE, TIMESTAMP

MAILGUN_KEYS = ("key-0123456789abcdef-new", "key-0123456789abcdef-old")
MANDRILL_KEYS = ("mandrill-webhook-key-new", "mandrill-webhook-key-old")
OTHER_PASSWORD = "another-long-password-of-the-tests"
TOPICS = (
    "arn:aws:sns:eu-west-1:123456789012:closeloop-mail",
    "arn:aws:sns:us-east-1:123456789012:closeloop-events",
)
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
BOUNDARY = "xYzZY0123456789"
RAW = (
    f"From: Li Lei <{CUSTOMER}>\r\nTo: {SUPPORT}\r\nSubject: Order\r\nMessage-ID: <q1@mail.163.example>\r\n"
    "\r\nWhere is my order?\r\n"
).encode()


def urls() -> dict[str, tuple[str, str]]:
    """Two accounts (or two secrets of one) at each of these providers."""
    return {
        "mailgun": (f"mailgun://:{MAILGUN_KEYS[0]}@", f"mailgun://:{MAILGUN_KEYS[1]}@"),
        "sendgrid": (f"sendgrid://:{public_key(0)}@", f"sendgrid://:{public_key(1)}@"),
        "postmark": (f"postmark://{USER}:{PASSWORD}@", f"postmark://{USER}:{OTHER_PASSWORD}@"),
        "ses": (f"ses://?topic={TOPICS[0]}", f"ses://?topic={TOPICS[1]}"),
        "mandrill": (f"mandrill://:{MANDRILL_KEYS[0]}@", f"mandrill://:{MANDRILL_KEYS[1]}@"),
    }


# Mailgun


def mailgun_stamp(at: datetime, token: str, key: int = 0) -> dict[str, str]:
    """The three fields that prove a call."""
    stamp = str(int(at.timestamp()))
    mac = hmac.new(MAILGUN_KEYS[key].encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": stamp, "token": token, "signature": mac}


def mailgun_mime(
    at: datetime, raw: bytes = RAW, *, token: str = "t" * 50, key: int = 0, to: str = SUPPORT
) -> Call:
    """A route to an address that ends in mime."""
    fields = {"recipient": to, "sender": CUSTOMER, "from": f"Li Lei <{CUSTOMER}>", "subject": "Order"}
    fields |= {"X-Mailgun-Spf": "Pass", "X-Mailgun-Sflag": "No", "X-Mailgun-Sscore": "-0.4"}
    pairs = [*fields.items(), *mailgun_stamp(at, token, key).items(), ("body-mime", raw)]
    return Call("mailgun", urlencode(pairs).encode(), {"content-type": "application/x-www-form-urlencoded"})


def mailgun_parsed(at: datetime, files: Mapping[str, tuple[str, bytes]], *, token: str = "p" * 50) -> Call:
    """A route to any other address: the mail taken apart, with files."""
    headers = [["Message-Id", "<q2@mail.163.example>"], ["From", f"李雷 <{CUSTOMER}>"], ["To", SUPPORT]]
    headers += [
        ["Subject", "订单"],
        ["Content-Type", 'multipart/mixed; boundary="x"'],
        ["References", "<a@b.example>"],
    ]
    fields = {"recipient": SUPPORT, "sender": CUSTOMER, "from": CUSTOMER, "subject": "订单"}
    fields |= {"message-headers": json.dumps(headers), "body-plain": "你好", "body-html": "<p>你好</p>"}
    fields |= mailgun_stamp(at, token)
    return Call(
        "mailgun", multipart(fields, files), {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    )


def mailgun_event(
    at: datetime,
    event: str,
    message_id: str = "n1@help.example",
    *,
    key: int = 0,
    token: str = "e" * 50,
    **more: Any,
) -> Call:
    """An event of a mail that was sent."""
    data = {
        "id": f"ev-{event}-{token[:4]}",
        "event": event,
        "timestamp": at.timestamp(),
        "recipient": CUSTOMER,
        "message": {"headers": {"message-id": message_id, "to": CUSTOMER, "from": SUPPORT, "subject": "Hi"}},
        "user-variables": {},
        "envelope": {"sender": SUPPORT, "targets": CUSTOMER, "transport": "smtp"},
        **more,
    }
    body = json.dumps({"signature": mailgun_stamp(at, token, key), "event-data": data}).encode()
    return Call("mailgun", body, {"content-type": "application/json"})


# SendGrid


@cache
def _curve_key(which: int) -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def public_key(which: int) -> str:
    """As SendGrid's page shows it."""
    der = _curve_key(which).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def sendgrid_signed(body: bytes, kind: str, at: datetime, key: int = 0) -> Call:
    """Any body, signed."""
    stamp = str(int(at.timestamp()))
    signature = _curve_key(key).sign(stamp.encode() + body, ECDSA(SHA256()))
    shown = {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: stamp}
    return Call("sendgrid", body, {"content-type": kind, **shown})


def sendgrid_raw(at: datetime, raw: bytes = RAW, *, key: int = 0, to: str = SUPPORT) -> Call:
    """Inbound Parse with the raw mail."""
    envelope = json.dumps({"to": [to], "from": CUSTOMER})
    fields: dict[str, str | bytes] = {"email": raw, "to": to, "from": CUSTOMER, "envelope": envelope}
    fields |= {"SPF": "softfail", "dkim": "{@163.example : pass}", "spam_score": "0.1", "charsets": "{}"}
    return sendgrid_signed(multipart(fields), f"multipart/form-data; boundary={BOUNDARY}", at, key)


def sendgrid_parsed(at: datetime, *, charset: str = "gb2312") -> Call:
    """Inbound Parse with the mail taken apart; text and subject in the mail's own charset."""
    headers = (
        f"Received: by mx; x\nMessage-ID: <q3@qq.example>\nFrom: {CUSTOMER}\nReferences: <a@b>\n <c@d>\n"
    )
    fields: dict[str, str | bytes] = {
        "headers": headers,
        "to": SUPPORT,
        "from": CUSTOMER,
        "subject": "退款问题".encode(charset),
        "text": "你好,我的订单没有到。".encode(charset),
        "html": "",
        "envelope": json.dumps({"to": [SUPPORT], "from": CUSTOMER}),
        "charsets": json.dumps({"subject": charset, "text": charset, "to": "UTF-8"}),
        "attachment-info": json.dumps({"attachment1": {"filename": "清单.txt", "type": "text/plain"}}),
    }
    files = {"attachment1": ("清单.txt", b"one line")}
    return sendgrid_signed(multipart(fields, files), f"multipart/form-data; boundary={BOUNDARY}", at)


def sendgrid_events(at: datetime, *events: Mapping[str, Any], key: int = 0) -> Call:
    """A batch of events."""
    base = {"email": CUSTOMER, "timestamp": int(at.timestamp()), "sg_message_id": "14c5d75ce93.filter1"}
    body = json.dumps([{**base, **event} for event in events]).encode()
    return sendgrid_signed(body, "application/json", at, key)


# Postmark


def postmark_mail(*, key: int = 0, to: str = SUPPORT, **more: Any) -> Call:
    """A mail that Postmark has taken apart."""
    whole = {
        "FromName": "李雷",
        "From": f"李雷 <{CUSTOMER}>",
        "FromFull": {"Email": CUSTOMER, "Name": "李雷", "MailboxHash": ""},
        "To": to,
        "ToFull": [{"Email": to, "Name": "", "MailboxHash": ""}],
        "OriginalRecipient": to,
        "Subject": "订单",
        "MessageID": "22c74902-a0c1-4511-804f-341342852c90",
        "Date": "Mon, 2 Mar 2026 09:00:00 +0800",
        "TextBody": "我的订单在哪里?\n",
        "HtmlBody": "<p>我的订单在哪里?</p>",
        "Headers": [
            {"Name": "Return-Path", "Value": f"<{CUSTOMER}>"},
            {"Name": "Received-SPF", "Value": "Pass (sender SPF authorized)"},
            {"Name": "X-Spam-Status", "Value": "No"},
            {"Name": "X-Spam-Score", "Value": "-0.1"},
            {"Name": "Message-ID", "Value": "<q4@mail.163.example>"},
        ],
        "Attachments": [
            {"Name": "单.pdf", "Content": "JVBERg==", "ContentType": "application/pdf"},
        ],
        **more,
    }
    return _postmark(whole, key)


def postmark_event(kind: str, *, key: int = 0, **more: Any) -> Call:
    """A delivery, bounce, complaint or change of subscription."""
    whole = {"RecordType": kind, "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Metadata": {}, **more}
    return _postmark(whole, key)


def _postmark(whole: Mapping[str, Any], key: int) -> Call:
    shown = login(USER, (PASSWORD, OTHER_PASSWORD)[key])
    body = json.dumps(whole, ensure_ascii=False).encode()
    return Call("postmark", body, {"content-type": "application/json; charset=utf-8", "authorization": shown})


# Amazon SES


@cache
def _rsa() -> tuple[RSAPrivateKey, bytes]:
    key = generate_rsa(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begins = datetime(2025, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(begins).not_valid_after(begins + timedelta(days=9_000))
    return key, made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def certificate() -> bytes:
    """What stands at CERTIFICATE_URL."""
    return _rsa()[1]


def sns_signed(envelope: Mapping[str, str], version: str = "1") -> Call:
    """A message of SNS, signed."""
    signature = _rsa()[0].sign(sns.canonical(envelope), PKCS1v15(), SHA256() if version == "2" else SHA1())
    whole = {
        **envelope,
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": CERTIFICATE_URL,
    }
    return Call("ses", json.dumps(whole).encode(), {"content-type": "text/plain; charset=UTF-8"})


def ses(
    at: datetime, message: Mapping[str, Any], *, key: int = 0, version: str = "1", ident: str = "n1"
) -> Call:
    """A notification of SES."""
    envelope = {
        "Type": "Notification",
        "MessageId": f"22b80b92-fdea-4c2c-8f9d-{ident:0>12}",
        "TopicArn": TOPICS[key],
        "Subject": "Amazon SES notification",
        "Message": json.dumps(message),
        "Timestamp": _iso(at),
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    }
    return sns_signed(envelope, version)


def ses_confirmation(
    at: datetime, *, key: int = 0, host: str = "sns.eu-west-1.amazonaws.com", ident: str = "c1"
) -> Call:
    """The first message to a new address."""
    envelope = {
        "Type": "SubscriptionConfirmation",
        "MessageId": f"165545c9-2a5c-472c-8df2-{ident:0>12}",
        "Token": "2336412f37",
        "TopicArn": TOPICS[key],
        "Message": "You have chosen to subscribe.",
        "SubscribeURL": f"https://{host}/?Action=ConfirmSubscription&TopicArn={TOPICS[key]}&Token=2336412f37",
        "Timestamp": _iso(at),
    }
    return sns_signed(envelope)


def ses_mail(
    raw: bytes = RAW,
    *,
    to: str = SUPPORT,
    coded: bool = True,
    ident: str = "o3vrnil0e2ic28tr",
    dmarc: str = "FAIL",
) -> dict[str, Any]:
    """A mail by the action SNS; its DMARC verdict is that of Amazon's own sample unless said otherwise."""
    content = base64.b64encode(raw).decode() if coded else raw.decode()
    passed = {"status": "PASS"}
    return {
        "notificationType": "Received",
        "mail": {"messageId": ident, "source": CUSTOMER, "destination": [to]},
        "receipt": {
            "recipients": [to],
            "spfVerdict": passed,
            "dkimVerdict": {"status": "GRAY"},
            "dmarcVerdict": {"status": dmarc},
            "spamVerdict": {"status": "PASS"},
            "virusVerdict": passed,
            "action": {"type": "SNS", "topicArn": TOPICS[0], "encoding": "BASE64" if coded else "UTF8"},
        },
        "content": content,
    }


def ses_event(
    kind: str, *, headers: Mapping[str, str] | None = None, source: str = SUPPORT, **more: Any
) -> dict[str, Any]:
    """A bounce, complaint or delivery."""
    mail: dict[str, Any] = {"messageId": "00000137860315fd-34208509-5b74-41f3-95c5-22c1edc3c924-000000"}
    mail |= {"source": source, "destination": [CUSTOMER]}
    if headers is not None:
        mail["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
    return {"notificationType": kind, "mail": mail, **more}


def ses_bounce(kind: str, sub: str, status: str, words: str) -> dict[str, Any]:
    """The object that tells of a bounce."""
    one = {"emailAddress": CUSTOMER, "action": "failed", "status": status, "diagnosticCode": f"smtp; {words}"}
    return {"bounceType": kind, "bounceSubType": sub, "bouncedRecipients": [one], "feedbackId": "f-1"}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


# Mandrill


def mandrill_call(*events: Mapping[str, Any], key: int = 0, path: str = "/hooks/email/mandrill") -> Call:
    """A batch of mails and events."""
    told = json.dumps(list(events), ensure_ascii=False).encode()
    signature = mandrill.sign(f"{PUBLIC}{path}", [("mandrill_events", told)], MANDRILL_KEYS[key])
    shown = {"content-type": "application/x-www-form-urlencoded", "x-mandrill-signature": signature}
    return Call("mandrill", urlencode({"mandrill_events": told}).encode(), shown)


def mandrill_mail(raw: str | None = RAW.decode(), *, to: str = SUPPORT, **more: Any) -> dict[str, Any]:
    """A mail that came in."""
    message: dict[str, Any] = {
        "headers": {
            "Message-Id": "<q5@mail.163.example>",
            "Received": ["by a; x", "by b; y"],
            "From": CUSTOMER,
        },
        "text": "我的订单",
        "html": "<p>我的订单</p>",
        "from_email": CUSTOMER,
        "from_name": "李雷",
        "to": [[to, ""]],
        "email": to,
        "subject": "订单",
        "sender": None,
        "spf": {"result": "pass", "detail": "sender SPF authorized"},
        "dkim": {"signed": True, "valid": False},
        "spam_report": {"score": 1.2, "matched_rules": []},
        **more,
    }
    if raw is not None:
        message["raw_msg"] = raw
    return {"event": "inbound", "ts": 1772413200, "msg": message}


def mandrill_event(kind: str, **more: Any) -> dict[str, Any]:
    """What became of a mail."""
    message = {
        "_id": "exampleaaaaaaaaaaaaaaaaaaaaaaaaa",
        "email": CUSTOMER,
        "sender": SUPPORT,
        "metadata": {},
        **more,
    }
    return {"event": kind, "_id": "exampleaaaaaaaaaaaaaaaaaaaaaaaaa", "ts": 1772413200, "msg": message}


def multipart(
    fields: Mapping[str, str | bytes], files: Mapping[str, tuple[str, bytes]] | None = None
) -> bytes:
    """A form as browsers and providers write it (RFC 7578)."""
    parts: Sequence[bytes] = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + (value.encode() if isinstance(value, str) else value)
        for name, value in fields.items()
    ] + [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: text/plain\r\n\r\n".encode()
        + content
        for name, (filename, content) in (files or {}).items()
    ]
    return b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
