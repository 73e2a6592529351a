"""The renderer: mistakes say where, customers' words stay words, operators change one file at a time."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.errors import TemplateError
from workers.rendering import Renderer
from workers.rendering.environment import Sandbox

renderer = Renderer()


def facts(message: str, **changes: Any) -> dict[str, Any]:
    return {**renderer.sample(message), **changes}


def overridden(folder: Path, files: dict[str, str]) -> Renderer:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return Renderer(folder)


@pytest.fixture
def evil(tmp_path: Path) -> Any:
    def render(source: str) -> str:
        changed = overridden(tmp_path, {"email/receipt/zh_CN/body.txt": source})
        return changed.render_mail("receipt", "zh_CN", facts("receipt")).text

    return render


def test_a_missing_fact_is_named_with_its_template() -> None:
    incomplete = facts("receipt")
    del incomplete["promised_at"]
    with pytest.raises(TemplateError, match=r"email/receipt/en/body\.txt.*promised_at"):
        renderer.render_mail("receipt", "en", incomplete)


def test_a_policy_without_a_limit_promises_no_time() -> None:
    assert "尽快" in renderer.render_mail("receipt", "zh_CN", facts("receipt", promised_at=None)).text


@pytest.mark.parametrize("name", ["number", "subject", "received_at"])
def test_a_missing_part_of_the_ticket_is_named(name: str) -> None:
    incomplete = facts("receipt")
    del incomplete["ticket"][name]
    with pytest.raises(TemplateError, match=f"email/receipt/zh_CN/.*{name}"):
        renderer.render_mail("receipt", "zh_CN", incomplete)


def test_an_unknown_message_says_which() -> None:
    with pytest.raises(TemplateError, match="email/no_such_thing/en"):
        renderer.render_mail("no_such_thing", "en", {})


def test_an_error_never_quotes_a_customers_words() -> None:
    with pytest.raises(TemplateError) as caught:
        renderer.render_mail("receipt", "en", facts("receipt", promised_at="call me 13812345678"))
    assert "13812345678" not in str(caught.value)


# a time without a zone is what is refused
@pytest.mark.parametrize("promised_at", ["2024-05-20T06:30:00", datetime(2024, 5, 20, 6, 30), 17])  # noqa: DTZ001
def test_a_time_without_a_zone_is_refused_not_guessed(promised_at: Any) -> None:
    with pytest.raises(TemplateError, match=r"zone|ISO"):
        renderer.render_mail("receipt", "en", facts("receipt", promised_at=promised_at))


@pytest.mark.parametrize(
    ("zone", "chinese", "english"),
    [
        ("Asia/Shanghai", "5月20日 23:30", "20 May 23:30 (UTC+8)"),
        ("Asia/Kolkata", "5月20日 21:00", "20 May 21:00 (UTC+5:30)"),
        ("America/New_York", "5月20日 11:30", "20 May 11:30 (UTC-4)"),
        ("UTC", "5月20日 15:30", "20 May 15:30 (UTC)"),
    ],
)
def test_times_are_shown_in_the_teams_zone(zone: str, chinese: str, english: str) -> None:
    at = datetime(2024, 5, 20, 15, 30, tzinfo=UTC)
    assert (
        chinese in renderer.render_mail("receipt", "zh_CN", facts("receipt", zone=zone, promised_at=at)).text
    )
    assert english in renderer.render_mail("receipt", "en", facts("receipt", zone=zone, promised_at=at)).text


def test_an_unknown_zone_is_a_mistake_of_the_facts() -> None:
    with pytest.raises(TemplateError, match="zone"):
        renderer.render_mail("receipt", "en", facts("receipt", zone="Mars/Olympus"))


@pytest.mark.parametrize(
    ("locale", "like"), [("zh", "zh_CN"), ("zh-TW", "zh_CN"), ("de", "en"), ("en_GB", "en")]
)
def test_an_unknown_locale_falls_back(locale: str, like: str) -> None:
    assert renderer.render_mail("receipt", locale, facts("receipt")) == renderer.render_mail(
        "receipt", like, facts("receipt")
    )


def test_words_are_shown_as_words_with_their_lines() -> None:
    text = '<script>alert(1)</script> & "quotes"\n  {{ 7 * 7 }}\n\nend'
    mail = renderer.render_mail("reply_to_customer", "en", facts("reply_to_customer", text=text))
    assert "<script>" not in mail.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34;quotes&#34;<br>" in mail.html
    assert "&nbsp;&nbsp;{{ 7 * 7 }}<br>\n<br>\nend" in mail.html
    assert text in mail.text


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_a_subject_is_one_line_whatever_the_customer_wrote(subject: str) -> None:
    given = facts("receipt")
    given["ticket"]["subject"] = subject
    mail = renderer.render_mail("receipt", "zh_CN", given)
    assert len(mail.subject.splitlines()) == 1
    assert mail.subject.startswith("[CS202405200001] ")
    assert len(mail.subject) <= 200


def test_a_strangers_words_cannot_make_our_receipt_an_advertisement() -> None:
    given = facts("receipt")
    given["ticket"] |= {"subject": "Win http://evil.example now", "description": "buy at http://evil.example"}
    mail = renderer.render_mail("receipt", "en", given)
    assert "evil.example" not in mail.subject + mail.text + mail.html


def test_a_code_without_words_is_shown_as_it_is() -> None:
    mail = renderer.render_mail("answer_bounced", "en", facts("answer_bounced", reason="moon_phase"))
    assert "bounced: moon phase" in mail.text


def test_durations_are_in_the_readers_language() -> None:
    assert (
        "已超时 3分22秒"
        in renderer.render_mail("breach", "zh_CN", facts("breach", overdue_seconds=202)).subject
    )
    assert (
        "by 3 min 22 s" in renderer.render_mail("breach", "en", facts("breach", overdue_seconds=202)).subject
    )


def test_an_operator_shadows_one_file_and_keeps_the_rest(tmp_path: Path) -> None:
    changed = overridden(tmp_path, {"email/receipt/en/subject.txt": "We got {{ ticket.number }}\n"})
    mail = changed.render_mail("receipt", "en", facts("receipt"))
    assert mail.subject == "We got CS202405200001"
    assert mail.text == renderer.render_mail("receipt", "en", facts("receipt")).text
    assert changed.check() == []


def test_an_operator_changes_words_and_colours(tmp_path: Path) -> None:
    css = ".title { color: #aa0011; }"
    labels = '{"category": {"rental": "租赁"}, "priority": {"high": "很高"}}'
    changed = overridden(tmp_path, {"email/_base/mail.css": css, "labels.zh_CN.json": labels})
    given = facts("assignment")
    given["ticket"]["category"] = "rental"
    mail = changed.render_mail("assignment", "zh_CN", given)
    assert "类别：租赁" in mail.text
    assert "优先级：很高" in mail.text
    assert 'class="title" style="color: #aa0011;' in mail.html


def test_an_operators_own_stylesheet_is_inlined_too(tmp_path: Path) -> None:
    body = (
        '{% extends "email/_base/layout.html" %}{% block title %}T{% endblock %}'
        '{% block body %}<style>p.x > b { color: #123456 }</style><p class="x"><b>Hi</b></p>{% endblock %}'
    )
    changed = overridden(tmp_path, {"email/receipt/en/body.html": body})
    assert '<b style="color: #123456;">Hi</b>' in changed.render_mail("receipt", "en", facts("receipt")).html


def test_a_broken_override_is_told_with_its_line(tmp_path: Path) -> None:
    changed = overridden(tmp_path, {"email/receipt/en/body.txt": "one\n{% if %}\n"})
    with pytest.raises(TemplateError, match=r"email/receipt/en/body\.txt, line 2"):
        changed.render_mail("receipt", "en", facts("receipt"))
    assert any("line 2" in problem for problem in changed.check())


@pytest.mark.parametrize("labels", ["{", "[]", '{"priority": "high"}', '{"priority": {"high": 3}}'])
def test_a_broken_labels_file_is_told(tmp_path: Path, labels: str) -> None:
    with pytest.raises(TemplateError, match=r"labels\.en\.json"):
        overridden(tmp_path, {"labels.en.json": labels})


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ team.__class__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ ticket.update({'number': 'X'}) }}",
        "{{ 'a' * 100000000 }}",
        "{{ 9 ** 9999999 }}",
        "{{ '%99999999d' % 1 }}",
        "{{ 'a'.center(99999999) }}",
        "{{ '{:>99999999}'.format(1) }}",
        "{{ 'a'|center(99999999) }}",
        "{% for a in range(9999999) %}x{% endfor %}",
        "{% for a in range(9999) %}{% for b in range(9999) %}xxxx{% endfor %}{% endfor %}",
        "{% include '../../../../../etc/passwd' %}",
    ],
)
def test_an_override_cannot_reach_out_or_flood(evil: Any, source: str) -> None:
    with pytest.raises(TemplateError):
        evil(source)


def test_an_override_may_count_and_choose(evil: Any) -> None:
    assert (
        evil("{% for n in range(3) %}{{ n * 2 }} {% endfor %}{{ ticket.number|lower }}")
        == "0 2 4 cs202405200001\n"
    )


def test_an_sms_is_one_line_and_short(tmp_path: Path) -> None:
    changed = overridden(
        tmp_path, {"sms/receipt/en.txt": "a\nb", "sms/receipt/zh_CN.txt": "{{ 'long ' ~ text }}"}
    )
    assert changed.render_sms("receipt", "en", facts("receipt")) == "a b"
    with pytest.raises(TemplateError, match="longer than"):
        changed.render_sms("receipt", "zh_CN", facts("receipt", text="x" * 2000))


def test_rendering_leaves_the_facts_alone() -> None:
    given = facts("low_score_alert")
    renderer.render_mail("low_score_alert", "en", given)
    assert given == facts("low_score_alert")


def test_shared_words_of_both_twins_keep_long_texts_bounded() -> None:
    given = facts("assignment")
    given["ticket"]["description"] = "很长 " * 20_000
    mail = renderer.render_mail("assignment", "zh_CN", given)
    assert len(mail.text) < 6_000
    assert re.search("…", mail.text)


def test_a_renderer_that_was_warmed_compiles_no_mail_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    warmed = Renderer()
    warmed.warm()

    def compiled(*_: Any, **__: Any) -> Any:
        raise AssertionError("somebody was kept waiting")

    monkeypatch.setattr(Sandbox, "compile", compiled)
    for message in ("receipt", "breach", "first_response_warning"):
        for locale in ("en", "zh_CN"):
            assert warmed.render_mail(message, locale, warmed.sample(message, locale)).subject
