"""What a mail program puts into a well-formed mail comes out again, as the standard library would read it."""

# Tables of words are read best unbroken.
# ruff: noqa: E501 - mails and quotations stand as they are sent

from __future__ import annotations

import email
import email.policy
import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formataddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.intake.mail import parse_mail

WORDS = [
    "您好，导出报表一直报错", "發票與退款", "請問訂單何時出貨？", "ご注文の返品について", "배송이 늦어지고 있습니다",
    "Größe und Maße", "Ça n’a pas marché à l’été", "¿Dónde está mi señal?", "Não está à venda", "Città più vicina",
    "Żółta gęś", "Příliš žluťoučký kůň", "Здравствуйте, возврат", "İstanbul'da şubemiz", "Çok güzel", "Καλημέρα",
    "שלום עולם", "مرحبا بالعالم", "สวัสดีครับ", "नमस्ते", "emoji 🎉 here", "plain words", "a=b?c=d_e", "50 % — “quoted”",
    "=?no-word?=", "two  blanks", "tab\tinside", "semi; colon: comma, (paren) <angle>", "back\\slash", "Ærø",
]  # fmt: skip # packed, to be read at a glance
NAMES = [
    "张三", "張三，李四", "Müller, Jürgen", "O'Brien", "Lin (Support)", "山田 太郎", "김민수", "Łukasz Żak", "Иван Петров",
    "A. B. Smith", "", "Zoë <3", 'The "Boss"', "@lin", "Support; Team",
]  # fmt: skip # packed, to be read at a glance
CHARSETS = ["utf-8", "gb18030", "gb2312", "gbk", "big5", "shift_jis", "iso-2022-jp", "euc-jp", "euc-kr", "ks_c_5601-1987",
            "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252", "koi8-r",
            "windows-1254", "iso-8859-9", "us-ascii", "utf-16", "utf-7", "hz-gb-2312"]  # fmt: skip # packed, to be read at a glance
POLICIES = [
    email.policy.SMTP,
    email.policy.default,
    email.policy.SMTP.clone(max_line_length=60),
    email.policy.SMTPUTF8,
]

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
text = st.lists(words, min_size=1, max_size=12).map("\n".join)
people = st.builds(
    Address,
    st.sampled_from(NAMES),
    st.sampled_from(["lin", "wang.fang", "o'neil", "a+b", "x_y-z"]),
    st.sampled_from(["qq.example", "mail.example.cn", "xn--fiqs8s.example"]),
)


def header(name: str, people: list[Address], *, raw: bool) -> bytes:
    """An address header, by the library's oldest hand: the newer one joins neighbours into one word at times."""
    if raw:
        written = [str(one) for one in people]
    else:
        written = [formataddr((one.display_name, one.addr_spec)) for one in people]
    return f"{name}: {(',' + chr(13) + chr(10) + ' ').join(written)}\r\n".encode()


def pairs(people: list[Address]) -> list[tuple[str, str]]:
    """What is to be read of such a header."""
    return [(one.display_name, one.addr_spec) for one in people]


def _dense(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=60, deadline=None)
@given(
    words,
    people,
    st.lists(people, min_size=1, max_size=4),
    st.lists(people, max_size=3),
    text,
    st.sampled_from(POLICIES),
)
def test_headers_and_text_are_what_was_put_in(
    subject: str,
    sender: Address,
    to: list[Address],
    cc: list[Address],
    body: str,
    policy: email.policy.EmailPolicy,
) -> None:
    made = EmailMessage(policy=policy)
    made["Subject"] = subject.replace("\t", " ")
    made["Message-ID"], made["In-Reply-To"] = "<1@mail.example>", "<0@mail.example>"
    made["References"] = "<a@mail.example> <0@mail.example>"
    made.set_content(body)
    heads = [
        header(name, who, raw=policy.utf8)
        for name, who in (("From", [sender]), ("To", to), ("Cc", cc))
        if who
    ]
    mail = parse_mail(b"".join(heads) + made.as_bytes())
    assert pairs([sender]) == [(mail.from_name, mail.from_email)]
    assert (list(mail.to), list(mail.cc)) == (pairs(to), pairs(cc))
    # The library loses or adds a blank now and then when it folds what it writes.
    assert _dense(mail.subject) == _dense(subject)
    assert (mail.message_id, mail.in_reply_to) == ("<1@mail.example>", "<0@mail.example>")
    assert mail.references == ("<a@mail.example>", "<0@mail.example>")
    assert mail.text == body.strip("\n")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(CHARSETS), st.sampled_from(WORDS), st.sampled_from(["base64", "quoted-printable", "8bit"])
)
def test_every_charset_a_mailer_uses_is_read_under_its_own_name(
    charset: str, word: str, encoding: str
) -> None:
    try:
        data = word.encode({"hz-gb-2312": "hz", "ks_c_5601-1987": "cp949"}.get(charset, charset))
    except UnicodeEncodeError:
        return
    if charset == "utf-16":
        encoding = "base64"
    carrier = EmailMessage(policy=email.policy.SMTP)
    carrier.set_content(data, "application", "octet-stream", cte="base64" if encoding == "8bit" else encoding)
    payload = data if encoding == "8bit" else carrier.as_bytes().partition(b"\r\n\r\n")[2]
    raw = (
        b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=" + charset.encode()
        + b"\r\nContent-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + payload + b"\r\n"
    )  # fmt: skip # packed, to be read at a glance
    assert parse_mail(raw).text.rstrip("\n") == word


@settings(max_examples=40, deadline=None)
@given(
    text,
    words,
    st.lists(st.tuples(st.sampled_from([*WORDS, "a b.pdf"]), st.binary(max_size=300)), max_size=4),
    st.booleans(),
)
def test_parts_and_attachments_are_what_was_put_in(
    body: str, html: str, files: list[tuple[str, bytes]], forwarded: bool
) -> None:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["Subject"] = "a@b.example", "x"
    made.set_content(body)
    made.add_alternative(f"<p>{html}</p>", subtype="html")
    for name, data in files:
        made.add_attachment(data, maintype="application", subtype="pdf", filename=name)
    if forwarded:
        inner = EmailMessage(policy=email.policy.SMTP)
        inner["Subject"] = "inside"
        inner.set_content("hidden")
        made.add_attachment(inner)
    raw = made.as_bytes()
    mail = parse_mail(raw)
    wanted = email.message_from_bytes(raw, policy=email.policy.default)
    plain = wanted.get_body(("plain",))
    marked = wanted.get_body(("html",))
    assert plain is not None
    assert marked is not None
    assert mail.text == plain.get_content().replace("\r\n", "\n").strip("\n")
    assert mail.html.strip() == marked.get_content().replace("\r\n", "\n").strip()
    assert len(mail.attachments) == len(files) + forwarded
    for found, (_, data) in zip(mail.attachments, files, strict=False):
        assert found.sha256 == hashlib.sha256(data).hexdigest()
        assert found.content_type == "application/pdf"
    if forwarded:
        assert (mail.attachments[-1].name, mail.attachments[-1].content_type) == (
            "inside.eml",
            "message/rfc822",
        )


@pytest.mark.parametrize(
    "name", ["发票 2024.pdf", "請求書.xlsx", "Größe.docx", "a b c.pdf", "Счёт №5.pdf", "계약서.hwp"]
)
def test_a_file_name_comes_out_as_it_was_put_in(name: str) -> None:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"] = "a@b.example"
    made.set_content("x")
    made.add_attachment(b"data", maintype="application", subtype="octet-stream", filename=name)
    assert [one.name for one in parse_mail(made.as_bytes()).attachments] == [name]
