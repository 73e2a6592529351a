"""Mails that were made to be slow or deep: the parser reads or refuses each in time."""

# ruff: noqa: E501 - mails and quotations stand as they are sent
from __future__ import annotations

import hashlib

HEAD = b"From: Lin <lin@qq.example>\r\nTo: support@help.example\r\nSubject: x\r\n"

HOSTILE = {
    "quotation marks in To": b"From: a@b.c\nTo: " + b'"' * 60_000 + b"\n\nx",
    "quotation marks in Content-Type": HEAD + b"Content-Type: text/plain; a=" + b'"' * 60_000 + b"\n\nx",
    "boundary lines": HEAD + b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n" * 350_000,
    "split boundary": HEAD + b"Content-Type: multipart/mixed; boundary*0=x; boundary*1=y\n\n" + b"--xy\n" * 280_000,
    "nested mails": HEAD + b"Content-Type: message/rfc822\n\n" * 3_000,
    "nested parts": HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(240)),
    "lines in nested parts": HEAD
    + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(200))
    + b"\nx\n" * 500_000,
    "report blocks": HEAD + b"Content-Type: message/delivery-status\n\n" + b"a:b\n\n" * 300_000,
    "attributions": HEAD + b"\n" + b"On x@y wrote\n" * 100_000,
    "header labels": HEAD + b"\n" + b"From: x\n" * 200_000,
    "spaces": HEAD + b"\n" + b" " * 2_000_000 + b"x",
    "deep html": HEAD + b"Content-Type: text/html\n\n" + b"<div>" * 400_000,
    "encoded words": b"From: a@b.c\nSubject: " + b"=?utf-8?q?a?=" * 9_000 + b"\n\nx",
    "headers": b"A: b\n" * 200_000 + b"\nx",
    "one long header": b"Subject: " + b"a" * 300_000 + b"\n\nx",
    "many lines": HEAD + b"\n" + b"\n" * 20_000_000,
    "padding alone": HEAD + b"Content-Transfer-Encoding: base64\n\n" + b"QQ==" * 3_000_000,
    "forms out of place": HEAD + b"Content-Type: text/html\n\n" + b"<table><form>" * 150 + b"<input>" * 200_000,
    "formats out of place": HEAD + b"Content-Type: text/html\n\n" + b"<b><i><u><s>" * 70 + b"<p>" * 100_000,
    "a long mail inside": HEAD + b"Content-Type: message/rfc822\n\nSubject: i\n\n" + b"hello\n" * 500_000,
    "parameters in pieces": HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n"
    + (b"--b\nContent-Disposition: attachment; " + b"; ".join(b"filename*%d=x" % n for n in range(400)) + b"\n\nx\n") * 900,
    "a folded header without end": HEAD + b"\nContent-Type: x\n" + b" x\n" * 500_000,
    "ids": b"From: a@b.c\nReferences: " + b"<a@b> " * 20_000 + b"\n\nx",
    "addresses in a report": b"From: mailer-daemon@x.example\nSubject: Undelivered\n\n" + b"a@b.c " * 300_000,
    "random": HEAD + b"\n" + hashlib.shake_256(b"x").digest(1_000_000),
}  # fmt: skip
