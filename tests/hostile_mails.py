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
    "a million headers": b"A: b\n" * 500_000 + b"Subject: x\n" * 90_000 + b"\nx",
    "megabytes of quotation": HEAD + b"\n" + b"> " * 3_000_000,
    "lines of quotation": HEAD + b"\n" + b"> > > > > On Monday Lin wrote:\n" * 200_000,
    "nested tables": HEAD + b"Content-Type: text/html\n\n" + b"<table><tr><td>" * 100_000,
    "tables that never end": HEAD + b"Content-Type: text/html\n\n" + b"<table><tr><td><b>x</table>" * 100_000,
    "attributes": HEAD + b"Content-Type: text/html\n\n<p " + b" ".join(b"a%d=b" % n for n in range(200_000)) + b">x",
    "small tags with attributes": HEAD + b"Content-Type: text/html\n\n" + (b"<p " + b" ".join(b"a%d=b" % n for n in range(1_000)) + b">") * 300,
    "styles": HEAD + b"Content-Type: text/html\n\n" + b'<div style="border:none;border-top:solid ' * 60_000,
    "quoted-printable bomb": HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=\n" * 290_000 + b"=3D" * 6_000_000,
    "shifts of a charset": HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\n\n" + b"\x1b$B\x1b(B" * 1_500_000,
    "shifts of utf-7": HEAD + b"Content-Type: text/plain; charset=utf-7\n\n" + b"+2AA-" * 2_000_000,
    "shifts of hz": HEAD + b"Content-Type: text/plain; charset=hz-gb-2312\n\n" + b"~{~}" * 2_000_000,
    "word openings": b"From: a@b.c\nSubject: " + b"=?" * 60_000 + b"\n\nx",
    "word openings in a body": HEAD + b"\n" + b"=?utf-8?q?" * 1_000_000,
    "words in a file name": HEAD + b'Content-Type: application/pdf; name="' + b"=?utf-8?q?a?= " * 580 + b'"\n\nx',
    "addresses": b"From: a@b.c\nTo: " + b",\n ".join(b"a%d@b.c" % n for n in range(100_000)) + b"\n\nx",
    "addresses in one line": b"From: a@b.c\nTo: " + b",".join(b"a@b.c" for n in range(21_000)) + b"\n\nx",
    "brackets in To": b"From: a@b.c\nTo: " + b"<a@b.c> x " * 12_000 + b"\n\nx",
    "comments in To": b"From: a@b.c\nTo: " + b"(" * 60_000 + b")" * 60_000 + b" a@b.c\n\nx",
    "groups in To": b"From: a@b.c\nTo: " + b"a:" * 60_000 + b"\n\nx",
    "backslashes in To": b'From: a@b.c\nTo: "' + b"\\" * 120_000 + b'" <a@b.c>\n\nx',
    "continuations without end": HEAD + b"Content-Type: application/pdf;" + b";".join(b" name*%d*=x%%41" % n for n in range(550)) + b"\n\nx",
    "continuations in many parts": HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n"
    + (b"--b\nContent-Type: application/pdf;" + b";".join(b" name*%d*=%%41" % n for n in range(500)) + b"\n\nx\n") * 900,
    "beginnings of files": HEAD + b"\n" + b"begin 644 x\n" * 290_000 + b"end\n",
    "files in a text": HEAD + b"\n" + b"begin 644 x\n#86)C\n`\nend\n" * 140_000,
    "a long file in a text": HEAD + b"\nbegin 644 x\n" + (b"M" + b"!" * 60 + b"\n") * 290_000 + b"end\n",
    "one line of a report": b"From: mailer-daemon@x.example\nSubject: Undelivered\n\n" + b"a@" * 3_000_000,
    "recipients in a report": b"From: mailer-daemon@x.example\nSubject: Undelivered\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    b"--b\n\nx\n--b\nContent-Type: message/delivery-status\n\n" + b"Final-Recipient: rfc822;a@b.c\n\n" * 140_000 + b"--b--\n",
    "one boundary for all": HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" for n in range(240)) + b"\n--b--" * 700 + b"\n--x" * 500_000,
    "torn parameters": HEAD + b"\n" + b"content-type: x;\nname=\n" * 140_000,
    "random": HEAD + b"\n" + hashlib.shake_256(b"x").digest(1_000_000),
}  # fmt: skip # packed, to be read at a glance
