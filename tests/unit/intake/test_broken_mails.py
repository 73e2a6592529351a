"""Mails as old and careless programs write them: uuencoded files, torn headers, forgotten commas, attached mails."""

# ruff: noqa: E501 - mails stand as they are sent
from __future__ import annotations

import binascii
from pathlib import Path

import pytest

from workers.cli.reading import views
from workers.intake.mail import parse_mail
from workers.intake.view import mail_view

HEAD = b"From: Lin <lin@shop.example>\nTo: support@help.example\nSubject: x\n"


def uuencoded(name: str, content: bytes) -> bytes:
    lines = [binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45)]
    return b"begin 644 %b\n%b`\nend\n" % (name.encode(), b"".join(lines))


def test_files_inside_the_text_are_attachments_and_the_text_is_without_them() -> None:
    first, second = b"a,b\n1,2\n" * 40, bytes(range(256))
    raw = (
        HEAD
        + b"\nSee both files.\n\n"
        + uuencoded("prices 2.csv", first)
        + b"\nand\n"
        + uuencoded("../x.bin", second)
        + b"Regards\n"
    )
    for sent in (raw, raw.replace(b"\n", b"\r\n")):
        mail = parse_mail(sent)
        assert [(one.name, one.content_type, one.content) for one in mail.attachments] == [
            ("prices 2.csv", "text/csv", first), ("x.bin", "application/octet-stream", second)
        ]  # fmt: skip # packed, to be read at a glance
        assert mail.text.split() == ["See", "both", "files.", "and", "Regards"]


@pytest.mark.parametrize(
    "body",
    [
        "begin 644 is what the manual says\nand then it goes on\nend",
        "begin 644 cut.txt\n" + binascii.b2a_uu(b"x" * 45).decode() + "and no end of it",
        "begin 644 empty.txt\nend\n",
        "> begin 644 quoted.txt\n> `\n> end",
    ],
)
def test_what_only_begins_like_a_file_stays_text(body: str) -> None:
    mail = parse_mail(HEAD + b"\n" + body.encode())
    assert mail.attachments == ()
    assert mail.text.strip() == body.strip()


def test_an_attached_mail_is_kept_to_the_byte_and_named_by_its_subject() -> None:
    inner = (
        b"Subject:   =?utf-8?q?R=C3=A9sum=C3=A9?=\r\nX-Odd:  two  blanks \r\n\tfolded\r\n\r\nHello\r\n\r\n"
    )
    raw = b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nhi\r\n--q\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--q--\r\n"  # fmt: skip # packed, to be read at a glance
    (attached,) = parse_mail(raw).attachments
    assert (attached.name, attached.content) == ("Résumé.eml", inner)
    coded = raw.replace(
        b"message/rfc822\r\n", b"message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
    ).replace(inner, binascii.b2a_base64(inner))
    assert parse_mail(coded).attachments[0].content == inner


def test_a_piece_of_a_mail_is_named_kept_and_warned_of() -> None:
    mail = parse_mail(
        HEAD + b'Content-Type: message/partial; id="1@x"; number=2; total=3\n\nthe middle of it\n'
    )
    assert ([one.content_type for one in mail.attachments], mail.warnings) == (
        ["message/partial"],
        ("partial",),
    )
    assert mail.attachments[0].content == b"the middle of it\n"
    assert mail.attachments[0].name


def test_a_container_of_outlook_without_a_name_is_called_as_everybody_calls_it() -> None:
    mail = parse_mail(
        HEAD + b"Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\neJ8+Ig==\n"
    )
    assert [one.name for one in mail.attachments] == ["winmail.dat"]


def test_an_indented_first_line_is_a_header_all_the_same() -> None:
    mail = parse_mail(b" From: Lin <lin@shop.example>\nSubject: x\n\nhello")
    assert (mail.from_email, mail.subject, mail.text) == ("lin@shop.example", "x", "hello")


def test_mailboxes_without_a_comma_are_two_and_quoted_names_one() -> None:
    mail = parse_mail(
        b'From: "Li <li@a.example> (sales)" <li@shop.example>\nTo: Bo Li <bo@a.example> Xu <xu@b.example>, c@d.example\n\nx'
    )
    assert mail.from_email == "li@shop.example"
    assert mail.to == (("Bo Li", "bo@a.example"), ("Xu", "xu@b.example"), ("", "c@d.example"))


def test_a_boundary_right_below_the_headers_begins_the_body() -> None:
    record = mail_view(
        b'From: a@b.example\nContent-Type: multipart/mixed; boundary="q"\nSubject: \n \n--q\nContent-Type: text/plain\n\nhello\n--q--\n'
    )
    assert (record["subject"], record["text"].strip()) == ("", "hello")


def test_what_is_beyond_the_caps_still_says_who_wrote_what_about(tmp_path: Path) -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(120))
    (tmp_path / "deep.eml").write_bytes(HEAD + b"Date: Mon, 20 May 2024 10:00:00 +0800\n" + deep)
    (record,) = views([str(tmp_path / "deep.eml")], [])
    assert (record["kind"], record["reason"]) == ("unreadable", "its parts are nested too deeply")
    assert (record["from_email"], record["subject"], record["date"]) == (
        "lin@shop.example",
        "x",
        "2024-05-20T02:00:00+00:00",
    )
    assert (record["text"], record["take_in"]) == ("", False)


def test_words_above_the_first_part_are_no_header_where_the_blank_line_is_missing() -> None:
    mail = parse_mail(
        b'From: a@b.example\nSubject: x\nContent-Type: multipart/mixed;\n boundary="q"\nThis is a message in MIME format.\n'
        b"--q\nContent-Type: text/plain\n\nhello\n--q--\n"
    )
    assert (mail.subject, mail.text.strip(), mail.attachments) == ("x", "hello", ())


def test_control_characters_are_no_evidence_of_utf8() -> None:
    raw = b"From: a@b.example\nContent-Type: text/html\n\n<meta charset=windows-1250><p>12 \xc2\x80"
    assert parse_mail(raw).text == "12 Â€"


def test_a_multipart_with_the_boundary_of_the_one_around_it_loses_no_attachment() -> None:
    inner = (
        b'Content-Type: multipart/alternative;\n boundary="q"\n\n--q\nContent-Type: text/plain\n\nhello\n'
        b"--q\nContent-Type: text/html\n\n<p>hello\n--q--\n\n"
    )
    pdf = b"--q\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=%b.pdf\n\n%b\n"
    raw = (
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=q\n\n--q\n" + inner + pdf % (b"a", b"1")
    )
    raw += b"--q\n" + inner + pdf % (b"b", b"2") + b"--q--\n"
    for sent in (raw, raw.replace(b"\n", b"\r\n")):
        mail = parse_mail(sent)
        assert mail.text.split() == ["hello", "hello"]
        assert [(one.name, one.content) for one in mail.attachments] == [("a.pdf", b"1"), ("b.pdf", b"2")]


def test_a_parameter_that_is_folded_without_a_blank_belongs_to_its_header() -> None:
    mail = parse_mail(
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: application/zip; x=1;\n"
        b'name="a b.zip"\nContent-Transfer-Encoding: base64\n\nQUJD\n--q--\n'
    )
    assert [(one.name, one.content) for one in mail.attachments] == [("a b.zip", b"ABC")]


def test_a_type_without_the_semicolon_behind_it_is_told_all_the_same() -> None:
    mail = parse_mail(
        HEAD
        + b"Content-Type: application/pdf name=a.pdf\nContent-Disposition: attachment; filename=a.pdf\n\nx"
    )
    assert [(one.name, one.content_type) for one in mail.attachments] == [("a.pdf", "application/pdf")]
