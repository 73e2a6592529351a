"""The record of a mail: its keys, what it says of the kinds of mail, what a fuzzer found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.fuzz.mail import read, strings
from workers.intake.view import KINDS, mail_view, masked_view, unreadable_view

INBOX = Path(__file__).parents[3] / "ops" / "demo_inbox"
FUZZED = Path(__file__).parents[2] / "data" / "fuzzed"
OWN = ["support@help.example"]


def view(text: str, own: list[str] | None = None) -> dict[str, Any]:
    return mail_view(text.encode(), OWN if own is None else own)


def test_every_record_has_the_same_keys_and_a_known_kind() -> None:
    keys = set(unreadable_view("x"))
    for path in INBOX.glob("*.eml"):
        record = mail_view(path.read_bytes(), OWN)
        assert set(record) == keys
        assert record["kind"] in KINDS
        assert json.loads(json.dumps(record)) == record


def test_what_is_safe_to_show_stands_beside_what_was_sent() -> None:
    record = view(
        "From: a@b.example\nContent-Type: text/html\n\n<p onclick=x>Hi <script>alert(1)</script>"
        '<img src="https://spy.example/1.gif"><a href="javascript:x">y</a></p>'
    )
    assert "<script>" in record["html"]
    assert "script" not in record["html_safe"]
    assert "spy.example" not in record["html_safe"]
    assert "Hi" in record["html_safe"]
    assert record["text"].startswith("Hi")


def test_a_masked_record_names_nobody() -> None:
    record = masked_view(
        view(
            "From: Wang Fang <wangfang@shop.example>\nTo: Lin <lin@shop.example>\nSubject: 13800005678\n\n"
            "My number is 13800005678, mail wangfang@shop.example"
        )
    )
    said = json.dumps(record)
    assert "wangfang@" not in said
    assert "13800005678" not in said
    assert "Wang Fang" not in said
    assert set(record) == set(unreadable_view("x"))


COMPLAINT = """From: <feedback@isp.example>
To: abuse@help.example
Subject: FW: Your ticket
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an abuse report.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <bounce+1@help.example>
Original-Rcpt-To: <lin@isp.example>
Source-IP: 192.0.2.1

--b
Content-Type: message/rfc822

From: <support@help.example>
Message-ID: <0196e1f0@help.example>
To: <lin@isp.example>
Subject: Your ticket

Hello
--b--
"""
JMRP = """From: staff@hotmail.com
To: abuse@help.example
Subject: complaint about message from 192.0.2.1
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: message/rfc822

X-HmXmrOriginalRecipient: lin@outlook.example
From: <support@help.example>
Message-ID: <0196e1f0@help.example>
Subject: Your ticket

Hello
--b--
"""


@pytest.mark.parametrize("raw", [COMPLAINT, JMRP], ids=["RFC 5965", "Hotmail"])
def test_a_complaint_names_who_complains_about_which_mail(raw: str) -> None:
    record = view(raw)
    assert record["kind"] == "complaint"
    assert record["complaint"]["feedback_type"] == "abuse"
    assert record["complaint"]["original_rcpt_to"].startswith("lin@")
    assert record["complaint"]["original_message_id"] == "<0196e1f0@help.example>"
    assert not record["take_in"]


def test_a_person_who_complains_and_attaches_a_mail_is_a_person() -> None:
    raw = JMRP.replace("staff@hotmail.com", "lin@hotmail.com").replace("complaint about", "Complaint about")
    assert view(raw)["kind"] == "person"


def test_a_forwarded_mail_has_a_claimed_sender() -> None:
    record = view(
        "From: wang@help.example\nSubject: Fwd: Broken\n\nPlease look.\n\n"
        "---------- Forwarded message ---------\nFrom: Lin <lin@shop.example>\n"
        "Date: Mon, 20 May 2024 09:00:00 +0800\nSubject: Broken\nTo: wang@help.example\n\nIt is broken.\n"
    )
    assert record["from_email"] == "wang@help.example"
    assert record["forwarded"]["claimed_email"] == "lin@shop.example"
    assert record["forwarded"]["date"] == "2024-05-20T01:00:00+00:00"


@pytest.mark.parametrize("path", sorted(FUZZED.iterdir()), ids=lambda path: path.name)
def test_what_a_fuzzer_once_broke_is_read_or_refused(path: Path) -> None:
    read(path.read_bytes())


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_give_a_record_that_can_be_stored(raw: bytes) -> None:
    read(b"From: a@b.example\nContent-Type: text/html\n\n" + raw)


def test_the_check_on_what_can_be_stored_sees_every_string() -> None:
    assert sorted(strings({"a": ["b", {"c": "d"}], "e": None})) == ["a", "b", "c", "d", "e"]
