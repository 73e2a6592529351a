"""Pages for customers and staff: no script, one language, usable by thumb, keyboard and screen reader."""

import base64
import hashlib
import re
from typing import Any

import pytest
from justhtml import JustHTML
from selectolax.lexbor import LexborHTMLParser, LexborNode

from workers.rendering import LOCALES, Renderer
from workers.rendering.environment import load_labels, shipped_folder

CONSOLE = [
    "console_code",
    "console_dashboard",
    "console_enter",
    "console_home",
    "console_knowledge",
    "console_knowledge_edit",
    "console_knowledge_entry",
    "console_link_over",
    "console_live",
    "console_pass_on",
    "console_report",
    "console_reports",
    "console_search",
    "console_sessions",
    "console_sheet",
    "console_sign_in",
    "console_talk",
    "console_talk_new",
    "console_talks",
    "console_talks_import",
    "console_ticket",
    "console_tickets",
]
PAGES = [
    "action", "action_done", "confirm", "confirm_done", *CONSOLE, "digest", "digest_done", "error",
    "followup", "link_unknown", "lookup", "outcome", "outcome_done", "status",
    "survey", "survey_call", "survey_call_done", "survey_code", "survey_expired", "survey_thanks",
    "survey_used", "survey_withdrawn", "survey_written", "unsubscribe", "unsubscribed",
]  # fmt: skip # packed, to be read at a glance
renderer = Renderer()
each_page = pytest.mark.parametrize("page", PAGES)
CONSOLE_SCRIPT = '<script src="/console/live.js?v=5f2c9a" defer></script>'
each_locale = pytest.mark.parametrize("locale", LOCALES)


def rendered(page: str, locale: str = "zh_CN", **facts: Any) -> str:
    return renderer.render_page(page, locale, {**renderer.page_sample(page, locale), **facts})


def parsed(page: str, locale: str = "zh_CN", **facts: Any) -> LexborHTMLParser:
    return LexborHTMLParser(rendered(page, locale, **facts))


def words(tree: LexborHTMLParser) -> str:
    for node in tree.css("style, .lang, [lang]:not(html)"):
        node.decompose()
    assert tree.root is not None
    return tree.root.text(separator=" ")


def one(tree: LexborHTMLParser, selector: str) -> LexborNode:
    node = tree.css_first(selector)
    assert node is not None, selector
    return node


def names(nodes: list[LexborNode]) -> list[str]:
    return [node.attributes["name"] or "" for node in nodes]


def test_all_promised_pages_are_there() -> None:
    assert renderer.pages() == PAGES


@each_locale
@each_page
def test_a_page_is_correct_html_runs_no_script_and_loads_nothing(page: str, locale: str) -> None:
    html = rendered(page, locale)
    assert JustHTML(html, collect_errors=True).errors == []
    html = html.replace(CONSOLE_SCRIPT, "")
    assert not re.search(
        r"<script|<link|<img|<iframe|\bsrc=|url\(|@import|javascript:|\bon\w+=|\sstyle=", html
    )
    assert not re.search(r"\{\{|\{%|None|Undefined", html)
    assert html.count("<h1>") == 1


@each_page
def test_a_chinese_page_has_no_english_words(page: str) -> None:
    text = words(parsed(page))
    left = re.sub(r"(?:CS|CR|IM|KB)\d+|\S+@\S+|20240520-7F3A", "", text)
    assert re.findall(r"[A-Za-z]{2,}", left) == []


@each_page
def test_an_english_page_has_no_chinese_words(page: str) -> None:
    assert re.findall(r"[\u3000-\u9fff]", words(parsed(page, "en"))) == []


@each_locale
@each_page
def test_a_page_tells_its_language_and_offers_the_other(page: str, locale: str) -> None:
    tree = parsed(page, locale)
    other = one(tree, "a.lang")
    assert one(tree, "html").attributes["lang"] == {"en": "en", "zh_CN": "zh-CN"}[locale]
    assert other.attributes["hreflang"] == {"en": "zh-CN", "zh_CN": "en"}[locale]
    assert other.text() == {"en": "中文", "zh_CN": "English"}[locale]
    assert parsed(page, locale, other_locale_url=None).css_first("a.lang") is None


@each_page
def test_every_field_has_a_label_and_every_id_is_unique(page: str) -> None:
    tree = parsed(page)
    ids = [node.attributes["id"] for node in tree.css("[id]")]
    assert len(ids) == len(set(ids))
    labelled = {node.attributes.get("for") for node in tree.css("label")}
    for field in tree.css("textarea, select, input:not([type=hidden])"):
        inside = field.parent is not None and field.parent.tag == "label"
        assert inside or field.attributes.get("id") in labelled


@each_page
def test_what_changes_something_is_a_post(page: str) -> None:
    forms = parsed(page).css("form:not([role=search])")
    assert all(form.attributes["method"] == "post" for form in forms)
    if page.startswith("console_"):  # its frame has one, to sign out; without it, one signs in or starts anew
        assert bool(forms) == (page != "console_link_over")
        return
    asking = {
        "action",
        "confirm",
        "digest",
        "followup",
        "lookup",
        "outcome",
        "survey",
        "survey_call",
        "survey_code",
        "unsubscribe",
    }
    still_listening = {"survey_expired", "survey_used", "survey_withdrawn"}
    assert bool(forms) == (page in asking | still_listening)


def test_the_survey_asks_overall_first_and_only_that_is_required() -> None:
    tree = parsed("survey")
    fieldsets = tree.css("fieldset")
    radios = [fieldset.css("input[type=radio]") for fieldset in fieldsets]
    dimensions = ["overall", "attitude", "competence", "speed", "convenience"]
    assert [names(five) for five in radios] == [[dimension] * 5 for dimension in dimensions]
    assert [five[i].attributes["value"] for five in radios for i in range(5)] == list("12345") * 5
    required = {node.attributes["name"] for node in tree.css("[required]")}
    assert required == {"overall"}
    assert all(fieldset.css_first("legend") for fieldset in fieldsets)
    anchors = [node.text() for node in fieldsets[0].css(".word")]
    assert anchors == ["非常不满意", "不满意", "一般", "满意，有小瑕疵", "非常满意"]


def test_a_tapped_score_is_chosen_but_not_yet_sent() -> None:
    tree = parsed("survey")
    assert [node.attributes["id"] for node in tree.css("input[checked]")] == ["overall-4"]
    assert tree.css_first("button[type=submit]") is not None


def test_the_survey_keeps_what_was_written_when_something_is_missing() -> None:
    facts = renderer.page_sample("survey")
    facts["dimensions"][0]["value"] = None
    facts["open_questions"][0]["value"] = "回复\n太慢 </textarea><b>"
    errors = {"overall": "required", "answer_improve": "too_long", "comment": "too_long"}
    tree = parsed("survey", **{**facts, "errors": errors, "comment": "  谢谢", "anonymous": True})
    targets = [(node.attributes["href"] or "").removeprefix("#") for node in tree.css(".summary a")]
    assert targets == ["overall-1", "answer_improve", "comment"]
    assert all(tree.css_first(f"#{target}") is not None for target in targets)
    assert tree.css_first("[role=alert]") is not None
    assert one(tree, "#answer_improve").text() == "回复\n太慢 </textarea><b>"
    assert one(tree, "#comment").text() == "  谢谢"
    assert one(tree, "#comment").attributes["aria-describedby"] == "comment-error"
    assert "checked" in one(tree, "[name=anonymous]").attributes


def test_full_anonymity_is_offered_with_what_it_means() -> None:
    tree = parsed("survey")
    assert "完全匿名" in words(tree)
    assert "我们也无法就此回访您" in words(tree)
    assert parsed("survey", anonymous_allowed=False).css_first("[name=anonymous]") is None


def test_accepting_asks_for_an_expected_time_and_declining_for_a_reason() -> None:
    accept = parsed("action")
    assert [node.attributes["value"] for node in accept.css("[name=expected_at]")] == [
        "2024-05-21T02:31:07+00:00",
        "2024-05-22T02:31:07+00:00",
        "2024-05-24T10:00:00+00:00",
    ]
    assert "5月24日 18:00" in words(accept)
    errors = {"note": "required_text"}
    decline = parsed("action", action="decline", expected_choices=[], note_wanted=True, errors=errors)
    assert decline.css_first("textarea[name=note]") is not None
    assert one(decline, ".summary a").attributes["href"] == "#note"
    assert "不同意升级申请" in words(decline)


@each_locale
@pytest.mark.parametrize("action", ["accept", "acknowledge", "approve", "decline", "take", "take_back"])
def test_each_staff_action_says_what_it_does(action: str, locale: str) -> None:
    labels = load_labels(locale)
    asks, done = (
        words(parsed("action", locale, action=action)),
        words(parsed("action_done", locale, action=action)),
    )
    assert all(labels[group][action] in asks for group in ("action_title", "action_explain", "action_button"))
    assert all(labels[group][action] in done for group in ("action_done", "action_next"))


def test_the_customer_confirms_or_says_what_is_wrong() -> None:
    answers = [node.attributes["value"] for node in parsed("confirm").css("input[name=answer]")]
    assert answers == ["confirmed", "not_resolved"]
    assert parsed("confirm").css_first("textarea[name=text]") is not None
    assert "重新交给处理人" in rendered("confirm_done", answer="not_resolved")


@pytest.mark.parametrize("page", ["survey_used", "survey_expired", "link_unknown", "error"])
def test_whoever_comes_too_late_can_still_write(page: str) -> None:
    assert parsed(page).css_first('main a[href="mailto:support@example.com"]') is not None


def test_the_policy_header_allows_the_pages_own_stylesheet_and_nothing_else() -> None:
    style = one(parsed("survey"), "style").text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in renderer.page_csp
    assert "default-src 'none'" in renderer.page_csp


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("text", "card", 4.5), ("quiet", "card", 4.5), ("quiet", "ground", 4.5), ("quiet", "field", 4.5),
        ("accent", "card", 4.5), ("accent", "ground", 4.5), ("accent-ink", "accent", 4.5),
        ("bad", "card", 4.5), ("bad", "bad-tint", 4.5), ("edge", "card", 3.0),
    ],
)  # fmt: skip # packed, to be read at a glance
def test_colours_contrast_enough_in_light_and_dark(scheme: int, front: str, back: str, least: float) -> None:
    """WCAG 2.2, success criteria 1.4.3 (text 4.5:1) and 1.4.11 (parts of controls 3:1)."""
    css = (shipped_folder() / "web/static/closeloop.css").read_text("utf-8")
    shades = [re.findall(rf"--{name}: (#[0-9a-f]{{6}})", css)[scheme] for name in (front, back)]
    dark, light = sorted(_luminance(shade) for shade in shades)
    assert (light + 0.05) / (dark + 0.05) >= least
