"""Text whose label is wrong, missing or unknown still reads as it was written."""

# Tables of mails as they are read best unbroken.
# ruff: noqa: E501

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.intake.charset import codec_for, decode, scrub
from workers.intake.headers import decode_words
from workers.intake.transfer import base64_bytes

LABELLED = {
    "gb2312 means GB18030": ("gb2312", "刘喆说：镕基", "gb18030"),
    "gbk": ("GBK", "价格€", "gb18030"),
    "cp936": ("cp936", "发票抬头", "gbk"),
    "a Big5 label over UTF-8": ("big5", "這是測試信件", "utf-8"),
    "a gb2312 label over UTF-8": ("gb2312", "系统宕机了", "utf-8"),
    "a latin label over UTF-8": ("iso-8859-1", "Größe “quoted”", "utf-8"),
    "a latin label over Windows-1252": ("iso-8859-1", "it’s – €5", "cp1252"),
    "a latin label over GBK": ("iso-8859-1", "系统登录不上，请尽快处理", "gbk"),
    "ascii label over GBK": ("us-ascii", "我们的订单还没有收到", "gbk"),
    "big5": ("big5", "訂單還沒收到", "cp950"),
    "shift_jis with NEC characters": ("shift_jis", "①㈱髙橋", "cp932"),
    "ks_c_5601-1987 means Windows-949": ("ks_c_5601-1987", "똠방각하", "cp949"),
    "koi8-r": ("koi8-r", "Добрый день", "koi8_r"),
    "utf-16": ("utf-16", "hello 你好", "utf-16"),
    "hz": ("hz-gb-2312", "你好 hello", "hz"),
    "utf-7": ("utf-7", "Grüße", "utf-7"),
    "an unknown label": ("x-nobody-knows", "Störung", "utf-8"),
    "a codec that is no charset": ("base64", "Störung", "utf-8"),
    "UTF-8 cut in the label": ("utf-8", "中文", "gbk"),
}


@pytest.mark.parametrize(("label", "text", "really"), LABELLED.values(), ids=LABELLED.keys())
def test_a_lying_label_does_no_harm(label: str, text: str, really: str) -> None:
    assert decode(text.encode(really), label).text == text


UNLABELLED = [
    ("gb18030", "发票"), ("gb18030", "你好，我的订单还没有收到"), ("gb18030", "退款问题"), ("gb18030", "系统"),
    ("gb18030", "联通"), ("gb18030", "打印机卡纸"), ("cp950", "您好，我的訂單還沒有收到"), ("cp950", "退貨"),
    ("cp950", "陳小姐"), ("cp932", "お問い合わせ"), ("cp932", "請求書について"), ("euc_jp", "ログインできません"),
    ("cp949", "배송 문의"), ("cp949", "환불"), ("cp1252", "Grüße"), ("cp1252", "¿Cuándo llegará?"),
    ("cp1252", "It’s broken"), ("cp1251", "Не могу войти"), ("koi8_r", "Добрый день"), ("utf-8", "你好"),
    ("utf-8", "für"), ("utf-8", "é"), ("iso2022_jp", "請求書"),
]  # fmt: skip # packed, to be read at a glance


@pytest.mark.parametrize(("really", "text"), UNLABELLED)
def test_a_few_unlabelled_characters_are_guessed(really: str, text: str) -> None:
    assert decode(text.encode(really)).text == text


def test_iso_2022_jp_with_what_the_standard_forbids() -> None:
    row_13 = b"\x1b$B-!\x1b(B\x1b(I1\x1b(B end"
    assert decode(row_13, "iso-2022-jp").text == "①ｱ end"


HEADERS = {
    "=?utf-8?B?5byg5LiJ?=": "张三",
    "=?utf-8?Q?caf=C3=A9_au_lait?= and more": "café au lait and more",
    "=?utf-8?B?5byg5A==?= =?utf-8?B?uIk=?=": "张三",
    "=?gb2312?B?xE26uw?=": decode(base64_bytes(b"xE26uw"), "gb2312").text,
    "=?UTF-8?Q?How_are_you??=": "How are you?",
    '"=?utf-8?Q?J=C3=BCrgen?=" x': '"Jürgen" x',
    "=?utf-8*EN?Q?a?=": "a",
    "=?utf-8?Q?a?==?utf-8?Q?b?=": "ab",
    "a =?utf-8?Q?b?= c": "a b c",
    "=?broken": "=?broken",
    "plain\r\n folded": "plain folded",
    "投诉".encode("gbk").decode("ascii", "surrogateescape"): "投诉",
    "发票抬头".encode().decode("ascii", "surrogateescape"): "发票抬头",
}


@pytest.mark.parametrize(("raw", "text"), HEADERS.items())
def test_headers_read_as_meant(raw: str, text: str) -> None:
    assert decode_words(raw) == text


def test_base64_is_forgiven_its_padding_and_its_dirt() -> None:
    assert base64_bytes(b"YQ==YQ==") == b"aa"
    assert base64_bytes(b"aGVs\r\nbG8") == b"hello"
    assert base64_bytes(b"aGV!sbG8=x") == b"hello"


def test_what_cannot_be_stored_is_taken_out() -> None:
    assert scrub("a\x00b\ud800c\r\nd\x07") == "ab\N{REPLACEMENT CHARACTER}c\nd"


@pytest.mark.parametrize(
    "label", ["idna", "punycode", "hex", "zlib", "undefined", "", None, "x" * 100, "a\x00b", "ü"]
)
def test_a_label_that_is_no_charset_is_none(label: str | None) -> None:
    assert codec_for(label) is None


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "gb2312", "big5", "iso-2022-jp", "utf-8", "utf-7", "hz", "utf-16", "x"]),
)
def test_any_bytes_become_text_that_can_be_stored(data: bytes, label: str) -> None:
    scrub(decode(data, label).text).encode()
