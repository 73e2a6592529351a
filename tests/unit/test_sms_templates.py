"""Approved templates: what fills them, what may not pass, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.channels.sms.http import Refused
from workers.channels.sms.payload import SmsPayload, read_payload, sms_payload
from workers.channels.sms.registry import FILE, load_templates, parse_templates
from workers.channels.sms.segments import Segments, count_characters, count_segments, split_text
from workers.errors import SettingsError

ALIYUN = "aliyun://k:s@/闭环服务"
ENTRY: dict[str, Any] = {
    "message": "receipt",
    "locale": "zh_CN",
    "code": "SMS_1",
    "kind": "notice",
    "state": "approved",
    "text": "您好，工单${number}已受理，我们会在${until}前答复您。",
    "variables": {"number": "ticket.number", "until": "promised_at"},
}
FACTS: dict[str, Any] = {
    "zone": "Asia/Shanghai",
    "ticket": {"number": "CS0001", "description": "x" * 600, "urgent": True},
    "promised_at": "2024-05-20T06:30:00+00:00",
    "links": {"survey": "https://desk.example/s/abc"},
}


def payload(locale: str = "zh_CN", message: str = "receipt", **facts: Any) -> SmsPayload:
    return read_payload(sms_payload([ALIYUN], "words", message, locale, {**FACTS, **facts}))


def reason(found: SmsPayload, **changes: Any) -> str:
    with pytest.raises(Refused) as refusal:
        parse_templates({"template": [{**ENTRY, **changes}]}).fill(found, "闭环服务")
    return refusal.value.reason


def test_a_template_is_filled_in_its_order_with_times_as_people_read_them() -> None:
    filled = parse_templates({"template": [ENTRY]}).fill(payload(), "闭环服务")
    assert list(filled.values.items()) == [("number", "CS0001"), ("until", "5月20日 14:30")]
    assert (filled.template.code, filled.sign) == ("SMS_1", "闭环服务")
    words = "您好，工单CS0001已受理，我们会在5月20日 14:30前答复您。"
    assert filled.cost == Segments("UCS-2", len(words) + len("【闭环服务】"), 1)


def test_numbered_variables_and_an_own_signature() -> None:
    entry = {**ENTRY, "text": "工单{1}，{2}前答复。", "sign": "【另一家】"}
    filled = parse_templates({"template": [entry]}).fill(payload(), "闭环服务")
    assert filled.sign == "另一家"
    assert filled.cost is not None
    assert filled.cost.units == len("工单CS0001，5月20日 14:30前答复。【另一家】")


@pytest.mark.parametrize(
    ("changes", "facts", "why"),
    [
        ({"message": "csat_invitation"}, {}, "template_missing"),
        ({"locale": "en"}, {}, "template_missing"),
        ({"state": "pending"}, {}, "template_not_approved"),
        ({"state": "rejected"}, {}, "template_not_approved"),
        ({"variables": {"number": "links.survey", "until": "promised_at"}}, {}, "link_in_variable"),
        ({}, {"ticket": {"number": "见 desk.example.com 详情"}}, "link_in_variable"),
        ({}, {"ticket": {"number": "HTTP://x"}}, "link_in_variable"),
        ({}, {"ticket": {"number": "10.0.0.1"}}, "link_in_variable"),
        ({}, {"ticket": {"number": " \n"}}, "variable_missing"),
        ({}, {"promised_at": None}, "variable_missing"),
        ({"variables": {"number": "ticket.description", "until": "promised_at"}}, {}, "variable_missing"),
        ({}, {"ticket": {"number": "字" * 36}}, "variable_too_long"),
        ({"kind": "marketing"}, {}, "opt_out_missing"),
        ({"text": "工单${number}，${until}前答复，拒收请回复R"}, {}, "opt_out_forbidden"),
        ({"kind": "survey", "text": "${number}${until}拒收请回复R"}, {}, "opt_out_forbidden"),
        ({"text": "【闭环】工单${number}，${until}"}, {}, "signature_in_text"),
        ({"text": "工单${number}"}, {}, "variable_missing"),
    ],
)
def test_what_cannot_pass_is_refused_with_its_reason(
    changes: dict[str, Any], facts: dict[str, Any], why: str
) -> None:
    assert reason(payload(**facts), **changes) == why


def test_words_alone_have_no_template() -> None:
    assert reason(read_payload("您好".encode())) == "template_missing"


def test_what_may_pass_passes() -> None:
    for changes in (
        {"kind": "marketing", "text": "${number}${until}，拒收请回复R"},
        {"longest": 60, "variables": {"number": "ticket.long", "until": "promised_at"}},
        {"text": ""},
    ):
        book = parse_templates({"template": [{**ENTRY, **changes}]})
        assert book.problems() == []
        book.fill(payload(ticket={"number": "CS0001", "long": "字" * 60}), "闭环服务")


def test_another_kind_of_chinese_takes_the_chinese_template_and_other_languages_do_not() -> None:
    book = parse_templates({"template": [ENTRY]})
    assert book.fill(payload(locale="zh_TW"), "闭环服务").template.code == "SMS_1"
    with pytest.raises(Refused):
        book.fill(payload(locale="en"), "闭环服务")


def test_the_file_is_read_from_the_data_folder_and_problems_are_listed(tmp_path: Path) -> None:
    assert load_templates(tmp_path).entries == {}
    (tmp_path / FILE).write_text(
        '[[template]]\nmessage = "receipt"\ncode = "1"\nkind = "notice"\nstate = "pending"\n'
        '[[template]]\nmessage = "offer"\ncode = "2"\nkind = "marketing"\nstate = "approved"\ntext = "买"\n',
        "utf-8",
    )
    assert load_templates(tmp_path).problems() == [
        "receipt (zh_CN): template 1 is pending",
        "offer (zh_CN): a marketing template must end with 拒收请回复R",
    ]


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("[[template]", "cannot be read"),
        ('[[template]]\nmessage = "receipt"', "entry 1: code is missing"),
        ('[[template]]\nmessage = "a"\ncode = "1"\nkind = "x"\nstate = "approved"', "entry 1: 'x'"),
        ('[[template]]\nmessage = "a"\ncode = 1\nkind = "notice"\nstate = "approved"', "entry 1"),
        ("template = 5", "entry 1"),
        ('[[template]]\ncodes = "1"', "unknown field codes"),
    ],
)
def test_a_wrong_file_is_refused_by_entry(tmp_path: Path, document: str, named: str) -> None:
    (tmp_path / FILE).write_text(document, "utf-8")
    with pytest.raises(SettingsError, match=named):
        load_templates(tmp_path)


def test_a_message_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="twice"):
        parse_templates({"template": [ENTRY, ENTRY]})


def test_facts_travel_only_to_providers_that_need_them() -> None:
    assert sms_payload(["twilio://a:b@/+15550100"], "words", "receipt", "zh_CN", FACTS) == b"words"
    assert sms_payload([], "words", "receipt", "zh_CN", FACTS) == b"words"
    whole = payload()
    assert (whole.text, whole.message, whole.locale) == ("words", "receipt", "zh_CN")
    assert "ticket.description" not in whole.facts, "what is longer than any message fills no variable"
    assert "ticket.urgent" not in whole.facts


@given(st.text())
def test_words_are_never_taken_for_facts_and_never_lost(text: str) -> None:
    plain = read_payload(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode())
    assert plain.facts == {}
    facts = {"zone": "nowhere", "a": {"b": text}, "when": "2024-99-99T00:00"}
    whole = sms_payload([ALIYUN], "x", "m", "en", facts) if text.isprintable() else b""
    assert not whole or read_payload(whole).text == "x"


@pytest.mark.parametrize(
    ("text", "signature", "units", "count"),
    [
        ("", "", 0, 0),
        ("a" * 70, "", 70, 1),
        ("a" * 71, "", 71, 2),
        ("字" * 64, "闭环服务", 70, 1),
        ("字" * 65, "闭环服务", 71, 2),
        ("字" * 160, "", 160, 3),
        ("\N{GRINNING FACE}" * 70, "", 70, 1),
        ("€" * 134, "", 134, 2),
        ("€" * 135, "", 135, 3),
    ],
)
def test_mainland_providers_count_each_character_as_one(
    text: str, signature: str, units: int, count: int
) -> None:
    assert count_characters(text, signature) == Segments("UCS-2", units, count)


@given(
    st.lists(st.sampled_from(["a" * 30, "€", "^", "a", "好" * 20, "\N{GRINNING FACE}"]), max_size=60).map(
        "".join
    )
)
@example("\N{GRINNING FACE}" * 100)
@example("a" * 152 + "€" * 100)
def test_parts_are_as_many_as_counted_and_none_is_too_long_or_split(text: str) -> None:
    parts, whole = split_text(text), count_segments(text)
    assert "".join(parts) == text
    assert len(parts) == whole.count
    room = {"GSM-7": (160, 153), "UCS-2": (70, 67)}[whole.encoding][len(parts) > 1]
    for part in parts:
        size = len(part.encode("utf-16-le")) // 2
        if whole.encoding == "GSM-7":
            size = len(part) + sum(part.count(each) for each in "€^")
        assert 0 < size <= room
