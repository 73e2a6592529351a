"""The mails of the benchmark `intake`: as many strangers, in the shapes that a support inbox gets."""

from __future__ import annotations

import base64
import email.policy
import time
from collections.abc import Iterator
from email.message import EmailMessage
from uuid import uuid4

TO = "support@bench.example.com"
PARAGRAPH = (
    "Since this morning the payment page keeps loading and then shows ERR_PAY_504. Another browser does the "
    "same, and our customers are waiting. We tried it with two accounts, from the office and from a phone.\n"
)
CHINESE = (
    "您好，今天上午开始，结账页面点“付款”后一直转圈，提示 ERR_PAY_504。换了浏览器也一样，客户在等，"
    "请尽快帮忙看看。订单已经付过两次款，后台只显示一次。\n"
)
BLOCK = (
    '<table width="600" cellpadding="0" style="border:0"><tr><td style="font:14px/1.5 Arial;color:#333">'
    '<p style="margin:0 0 12px">{words} <a href="https://shop.example.net/c/{number}?utm_source=mail&amp;'
    'utm_medium=news">Read more</a></p><img src="https://shop.example.net/i/{number}.png" width="1" alt="">'
    "</td></tr></table>\n"
)
QUOTED = (
    "\nOn Mon, 16 Nov 2026 at 10:12, Support <support@bench.example.com> wrote:\n> Please tell us more.\n"
)


def requests(count: int) -> Iterator[bytes]:
    """`count` requests of as many senders, RFC 5322 bytes with CRLF: four shapes in turn, 1 to 5 KB."""
    run = uuid4().hex[:8]
    makers = (_plain, _both, _chinese, _webmail)
    for number in range(count):
        yield makers[number % len(makers)](f"c{run}.{number}@customer{number % 97}.example", number)


def of_size(kind: str, size: int) -> bytes:
    """One mail of about `size` bytes: `plain`, `newsletter` (HTML) or `chinese` (GB18030 in base64)."""
    message = _head(f"{kind}@customer.example", "A mail of some size", size)
    if kind == "plain":
        message.set_content(_filled(PARAGRAPH, size), cte="8bit")
    elif kind == "newsletter":
        blocks = _filled(BLOCK.format(words=PARAGRAPH.strip(), number=7), size)
        message.set_content(f"<html><body>\n{blocks}</body></html>", subtype="html", cte="8bit")
    else:
        return _gb18030(message, _filled(CHINESE, size * 3 // 4 * 3 // 2))
    return _bytes(message)


def with_attachment(size: int) -> bytes:
    """A short text with an attachment that makes the mail about `size` bytes long."""
    message = _head("attached@customer.example", "The log that you asked for", size)
    message.set_content(PARAGRAPH, cte="8bit")
    content = bytes(range(256)) * (size * 3 // 4 // 256)
    message.add_attachment(content, maintype="application", subtype="zip", filename="log.zip")
    return _bytes(message)


def _plain(sender: str, number: int) -> bytes:
    message = _head(sender, f"Payment page does not load ({number})", number)
    message.set_content(
        f"Hello,\n{PARAGRAPH}Order {number}.\n\n--\nWang Fang\n+86 138 0000 5678\n", cte="8bit"
    )
    return _bytes(message)


def _both(sender: str, number: int) -> bytes:
    message = _head(sender, f"Refund for order {number}", number)
    words = f"Hello,\n{PARAGRAPH}{QUOTED}"
    message.set_content(words, cte="quoted-printable")
    html = "".join(f"<p>{line}</p>" for line in words.splitlines())
    message.add_alternative(
        f"<html><body>{html}{BLOCK.format(words=PARAGRAPH, number=number)}</body></html>", "html"
    )
    return _bytes(message)


def _chinese(sender: str, number: int) -> bytes:
    return _gb18030(_head(sender, f"结账页面无法付款（订单 {number}）", number), CHINESE * 3)


def _webmail(sender: str, number: int) -> bytes:
    message = _head(sender, f"Question about invoice {number}", number)
    html = BLOCK.format(words=PARAGRAPH, number=number) * 3
    message.set_content(f"<html><body>{html}</body></html>", subtype="html", cte="base64")
    return _bytes(message)


def _head(sender: str, subject: str, number: int) -> EmailMessage:
    message = EmailMessage(policy=email.policy.SMTP)
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    message["Return-Path"] = f"<{sender}>"
    message["Received"] = (
        f"from mx.customer.example (mx.customer.example [192.0.2.7]) by mx.example.com; {date}"
    )
    message["From"] = f'"Wang Fang" <{sender}>'
    message["To"] = TO
    message["Subject"] = subject
    message["Message-ID"] = f"<{uuid4().hex}.{number}@customer.example>"
    message["Date"] = date
    return message


def _gb18030(message: EmailMessage, words: str) -> bytes:
    """As QQ and Foxmail label it: gb2312, in base64."""
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = 'text/plain; charset="gb2312"'
    message["Content-Transfer-Encoding"] = "base64"
    head = bytes(message).rstrip(b"\r\n")
    return head + b"\r\n\r\n" + base64.encodebytes(words.encode("gb18030")).replace(b"\n", b"\r\n")


def _filled(words: str, size: int) -> str:
    return words * max(1, size // len(words.encode()))


def _bytes(message: EmailMessage) -> bytes:
    return bytes(message)
