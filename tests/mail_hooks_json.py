"""Webhook calls as Brevo, SparkPost, Resend and Mailjet make them: the shapes they document, our own data."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workers.intake.providers.calls import HookRequest
from workers.intake.providers.mail.resend import sign

PUBLIC = "https://help.example"
USER, PASSWORD, TOKEN = "hooks", "a-long-password-of-the-tests", "a-long-token-of-the-tests-0123"
RESEND_KEY = b"thirty-two bytes of signing key!"
RESEND_SECRET = f"whsec_{base64.b64encode(RESEND_KEY).decode()}"
API_KEY = "api-key-0123456789"
CUSTOMER, SUPPORT = "lilei@163.example", "support@help.example"

URLS: Mapping[str, str] = {
    "brevo": f"brevo://{USER}:{PASSWORD}@?token={TOKEN}&key={API_KEY}",
    "sparkpost": f"sparkpost://{USER}:{PASSWORD}@?token={TOKEN}",
    "resend": f"resend://:{RESEND_SECRET}@?key={API_KEY}",
    "mailjet": f"mailjet://{USER}:{PASSWORD}@",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that can be sent: the path with its query, headers with lower-case names, body."""

    provider: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where it goes."""
        return f"/hooks/email/{self.provider}"

    def request(self, at: datetime | None = None) -> HookRequest:
        """As the web edge hands it to the provider."""
        return HookRequest("POST", PUBLIC + self.path, self.headers, self.body, at or datetime.now(UTC))


def login(user: str = USER, password: str = PASSWORD) -> str:
    """An Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def brevo(content: Any) -> Call:
    """Brevo logs in with what stands in the address."""
    return _json("brevo", content, {"authorization": login()})


def mailjet(content: Any) -> Call:
    """Mailjet logs in with what stands in the address."""
    return _json("mailjet", content, {"authorization": login()})


def sparkpost(content: Any, *, batch: str = "84345317653491230") -> Call:
    """SparkPost shows the token and names the batch."""
    shown = {"x-messagesystems-webhook-token": TOKEN, "x-messagesystems-batch-id": batch}
    return _json("sparkpost", content, shown)


def resend(
    content: Any, *, ident: str = "msg_2W2D3qXLS5fOaPja1GDg7rF2CwB", at: datetime | None = None
) -> Call:
    """Resend signs as Svix does."""
    call = _json("resend", content, {})
    return resend_signed(call.body, ident, at or datetime.now(UTC))


def resend_signed(body: bytes, ident: str, at: datetime, *, keys: Sequence[bytes] = (RESEND_KEY,)) -> Call:
    """Any body, signed with each of the keys."""
    stamp = str(int(at.timestamp()))
    signatures = " ".join(sign(key, ident, stamp, body).decode() for key in keys)
    shown = {"svix-id": ident, "svix-timestamp": stamp, "svix-signature": signatures}
    return Call("resend", body, {"content-type": "application/json", **shown})


def _json(provider: str, content: Any, shown: Mapping[str, str]) -> Call:
    body = json.dumps(content, ensure_ascii=False).encode()
    return Call(provider, body, {"content-type": "application/json", **shown})


def brevo_item(**more: Any) -> dict[str, Any]:
    """A mail that Brevo has taken apart; headers that occur several times are lists."""
    return {
        "Uuid": ["5a78f0f4-9f3d-4a0e-8f7c-0c2d8f7e1a11"],
        "MessageId": "<q1@mail.163.example>",
        "InReplyTo": None,
        "From": {"Name": "李雷", "Address": CUSTOMER},
        "To": [{"Name": None, "Address": SUPPORT}],
        "Recipients": [SUPPORT],
        "Cc": [],
        "ReplyTo": None,
        "SentAtDate": "Mon, 2 Mar 2026 09:00:00 +0800",
        "Subject": "订单问题",
        "Attachments": [],
        "Headers": {
            "Received": ["by mx2.example; Mon, 2 Mar 2026 09:00:02 +0800", "from [10.0.0.1] by mx1.example"],
            "Return-Path": f"<{CUSTOMER}>",
            "MIME-Version": "1.0",
            "From": f"李雷 <{CUSTOMER}>",
            "To": SUPPORT,
            "Date": "Mon, 2 Mar 2026 09:00:00 +0800",
            "Message-ID": "<q1@mail.163.example>",
            "References": "<a@help.example> <b@help.example>",
            "Subject": "订单问题",
            "Content-Type": "multipart/alternative",
        },
        "SpamScore": 2.9,
        "ExtractedMarkdownMessage": "我的订单在哪里?\n",
        "ExtractedMarkdownSignature": None,
        "RawHtmlBody": "<p>我的订单在哪里?</p>",
        "RawTextBody": "我的订单在哪里?\r\n",
        **more,
    }


def brevo_event(event: str, message_id: str = "<n1@help.example>", **more: Any) -> dict[str, Any]:
    """An event of a transactional mail."""
    return {
        "event": event,
        "email": CUSTOMER,
        "id": 26224,
        "date": "2026-03-02 02:00:00",
        "ts": 1772413200,
        "message-id": message_id,
        "ts_event": 1772413200,
        "subject": "Request received",
        "X-Mailin-custom": "",
        "sending_ip": "192.0.2.7",
        "ts_epoch": 1772413200000,
        "tags": [],
        **more,
    }


def sparkpost_relay(raw: bytes, *, sender: str = CUSTOMER, to: str = SUPPORT, coded: bool = True) -> Any:
    """One mail of a relay batch."""
    text = base64.b64encode(raw).decode() if coded else raw.decode()
    content = {
        "email_rfc822": text,
        "email_rfc822_is_base64": coded,
        "headers": [{"To": to}],
        "html": "",
        "subject": "Order",
        "text": "",
        "to": [to],
    }
    relay = {
        "content": content,
        "customer_id": "1337",
        "friendly_from": sender,
        "msg_from": sender,
        "protocol": "SMTP",
        "rcpt_to": to,
        "webhook_id": "4839201967643219",
    }
    return {"msys": {"relay_message": relay}}


def sparkpost_event(kind: str, *, family: str = "message_event", **more: Any) -> Any:
    """One event of a batch."""
    event = {
        "type": kind,
        "campaign_id": "",
        "customer_id": "1337",
        "event_id": "92356927693813856",
        "friendly_from": SUPPORT,
        "message_id": "000443ee14578172be22",
        "msg_from": SUPPORT,
        "rcpt_meta": {},
        "rcpt_tags": [],
        "rcpt_to": CUSTOMER,
        "raw_rcpt_to": CUSTOMER,
        "routing_domain": "163.example",
        "timestamp": "1772413200",
        "transmission_id": "65832150921904138",
        **more,
    }
    return {"msys": {family: event}}


def resend_received(ident: str = "56761188-7520-42d8-8898-ff6fc54ce618", to: str = SUPPORT) -> dict[str, Any]:
    """The announcement of a mail."""
    data = {
        "email_id": ident,
        "created_at": "2026-03-02T01:00:02.000Z",
        "from": f"Li Lei <{CUSTOMER}>",
        "to": [to],
        "received_for": [to],
        "bcc": [],
        "cc": [],
        "message_id": "<q1@mail.163.example>",
        "subject": "Order",
        "attachments": [],
    }
    return {"type": "email.received", "created_at": "2026-03-02T01:00:03.000Z", "data": data}


def resend_event(kind: str, message_id: str = "<n1@help.example>", **more: Any) -> dict[str, Any]:
    """An event of a sent mail."""
    data = {
        "created_at": "2026-03-02T01:00:00.000Z",
        "email_id": "4ef9a417-02e9-4d39-ad75-9611e0fcc33c",
        "message_id": message_id,
        "from": f"Support <{SUPPORT}>",
        "to": [CUSTOMER],
        "subject": "Request received",
        **more,
    }
    return {"type": kind, "created_at": "2026-03-02T01:00:03.000Z", "data": data}


def mailjet_mail(**more: Any) -> dict[str, Any]:
    """A mail that Mailjet has taken apart; most headers are lists."""
    return {
        "Sender": CUSTOMER,
        "Recipient": SUPPORT,
        "Date": "20260302T010000",
        "From": f"Li Lei <{CUSTOMER}>",
        "Subject": "Order",
        "Headers": {
            "Return-Path": [f"<{CUSTOMER}>"],
            "Received": ["by mx2.example; Mon, 2 Mar 2026", "from [10.0.0.1] by mx1.example"],
            "MIME-Version": ["1.0"],
            "From": f"Li Lei <{CUSTOMER}>",
            "To": SUPPORT,
            "Date": "Mon, 2 Mar 2026 09:00:00 +0800",
            "Message-ID": "<q1@mail.163.example>",
            "In-Reply-To": "<b@help.example>",
            "Subject": "Order",
            "Content-Type": ['multipart/mixed; boundary="b0"'],
        },
        "Parts": [
            {"Headers": {"Content-Type": ['text/plain; charset="UTF-8"']}, "ContentRef": "Text-part"},
            {
                "Headers": {
                    "Content-Type": ['text/html; charset="UTF-8"'],
                    "Content-Transfer-Encoding": ["quoted-printable"],
                },
                "ContentRef": "Html-part",
            },
        ],
        "Text-part": "Where is my order? 在哪里?",
        "Html-part": "<p>Where is my order? 在哪里?</p>",
        "SpamAssassinScore": "0.6",
        "CustomID": "",
        "Payload": "",
        **more,
    }


def mailjet_event(event: str, custom_id: str = "", **more: Any) -> dict[str, Any]:
    """An event of a sent mail."""
    return {
        "event": event,
        "time": 1772413200,
        "MessageID": 13792286917004336,
        "Message_GUID": "1ab23cd4-e567-8901-2345-6789f0gh1i2j",
        "email": CUSTOMER,
        "mj_campaign_id": 0,
        "mj_contact_id": 0,
        "customcampaign": "",
        "CustomID": custom_id,
        "Payload": "",
        **more,
    }
