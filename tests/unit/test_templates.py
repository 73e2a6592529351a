"""Every mail and SMS, in every locale: complete, twin to its HTML, calm, and without a customer's data."""

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from css_inline import CSSInliner
from justhtml import JustHTML
from selectolax.lexbor import LexborHTMLParser

from models import vocabulary
from workers.errors import TemplateError
from workers.rendering import LOCALES, RenderedMail, Renderer, preview
from workers.rendering.environment import load_labels, shipped_folder

CUSTOMER = [
    "confirmation_reminder",
    "csat_invitation",
    "csat_reminder",
    "csat_unclear",
    "lookup",
    "progress_notice",
    "receipt",
    "reply_to_customer",
    "result_feedback",
    "progress_update",
    "waiting_reminder",
]
STAFF = [
    "acceptance_reminder", "answer_bounced", "assignment", "breach", "breach_digest", "chat_not_posted",
    "commands_read", "communication_reminder", "communication_shared", "confirmation_task",
    "customer_reply", "escalation_decided", "escalation_request", "first_response_warning",
    "followup_due", "followup_monthly", "followup_overdue", "followup_reminder", "followup_unreached",
    "improvement_due",
    "knowledge_weekly", "knowledge_write_up", "low_score_alert", "other_channel",
    "period_report", "phone_task", "pilot_summary", "plan_warning", "praise", "problems_repeated",
    "progress_wanted", "reply_not_sent",
    "reply_on_hold", "resolution_warning", "resolved_elsewhere", "review_reminder", "score_flagged",
    "sign_in", "survey_task", "target_standing", "transfer", "unassigned", "waiting_over", "webhook_disabled",
]  # fmt: skip # packed, to be read at a glance
OF_NO_TICKET = (
    "breach_digest",
    "communication_reminder",
    "communication_shared",
    "followup_monthly",
    "improvement_due",
    "knowledge_weekly",
    "knowledge_write_up",
    "period_report",
    "pilot_summary",
    "problems_repeated",
    "review_reminder",
    "sign_in",
    "target_standing",
    "webhook_disabled",
)
SMS = [
    "csat_invitation",
    "csat_reminder",
    "csat_unclear",
    "lookup",
    "progress_notice",
    "progress_update",
    "receipt",
    "reply_to_customer",
    "sms_help",
    "waiting_reminder",
]
CHAT = ["chat_new_request", "chat_test"]
GSM7 = re.compile(r"[A-Za-z0-9 @£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ!\"#¤%&'()*+,\-./:;<=>?¡§¿à\n]*")

renderer = Renderer()
each_mail = pytest.mark.parametrize("message", CUSTOMER + STAFF)
each_locale = pytest.mark.parametrize("locale", LOCALES)


def sample(message: str, locale: str) -> dict[str, Any]:
    """The facts that a message has in truth: some tell of no single ticket."""
    facts = renderer.sample(message, locale)
    return {name: facts[name] for name in facts if name != "ticket" or message not in OF_NO_TICKET}


def rendered(message: str, locale: str, **facts: Any) -> RenderedMail:
    return renderer.render_mail(message, locale, {**sample(message, locale), **facts})


def without_links(message: str, locale: str) -> RenderedMail:
    facts = sample(message, locale)
    for item in facts.get("items", ()):
        item["links"] = dict.fromkeys(item["links"])
    return renderer.render_mail(message, locale, {**facts, "links": dict.fromkeys(facts["links"])})


def visible(html: str) -> str:
    tree = LexborHTMLParser(html)
    for node in tree.css("head, style, .preheader"):
        node.decompose()
    assert tree.body is not None
    return tree.body.text(separator=" ")


def hrefs(html: str) -> list[str]:
    return [node.attributes["href"] or "" for node in LexborHTMLParser(html).css("a[href]")]


def test_all_promised_messages_are_there() -> None:
    assert renderer.messages() == sorted(CUSTOMER + STAFF)
    assert renderer.sms_messages() == SMS
    assert renderer.chat_messages() == CHAT
    assert renderer.check() == []


@each_locale
def test_every_message_goes_by_a_name_of_its_own_in_the_ledger(locale: str) -> None:
    sent = {*CUSTOMER, *STAFF, *SMS, *CHAT} - {
        "chat_test"
    }  # a probe of the settings, which no row is made for
    names = load_labels(locale)["message_kind"]
    assert set(names) == sent
    assert sorted(set(names.values())) == sorted(names.values())
    assert renderer.codes("message_kind", locale) == sorted(names, key=lambda code: names[code].casefold())


@each_mail
def test_both_locales_have_the_same_files(message: str) -> None:
    folder = shipped_folder() / "email" / message
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    parts = {f"{locale}/{part}" for locale in LOCALES for part in ("subject.txt", "body.txt", "body.html")}
    assert files == parts | {"sample.json"}


@each_locale
@each_mail
def test_a_mail_is_complete_and_in_one_language(message: str, locale: str) -> None:
    mail = rendered(message, locale)
    assert mail.subject == mail.subject.strip()
    assert len(mail.subject.splitlines()) == 1
    assert ("[CS202405200001]" in mail.subject) == (message not in OF_NO_TICKET)
    for part in (mail.subject, mail.text, mail.html):
        assert not re.search(
            r"\{[{%#]|[%#}]\}(?!\s*/)|\bNone\b|Undefined", re.sub(r"(?s)<style>.*?</style>", "", part)
        )
    assert "\n\n\n" not in mail.text
    assert mail.text.endswith("\n")
    # a document always has a root
    assert LexborHTMLParser(mail.html).root.attributes["lang"] == {"en": "en", "zh_CN": "zh-CN"}[locale]  # type: ignore[union-attr]
    if locale == "en":
        assert not re.search(r"[\u4e00-\u9fff]", mail.subject + mail.text + visible(mail.html))


@each_locale
@each_mail
def test_the_text_says_all_that_the_html_says(message: str, locale: str) -> None:
    mail = rendered(message, locale)
    for href in hrefs(mail.html):
        assert href.removeprefix("mailto:") in mail.text
    headline = LexborHTMLParser(mail.html).css_first("h1")
    heading = headline.text() if headline else ""
    said = "".join(f"{mail.subject}{heading}{mail.text}".split())
    words = re.findall(r"[\w@./:-]*\w", visible(mail.html))
    assert [word for word in words if word not in said] == []
    assert set(re.findall(r"\d+", heading)) <= set(re.findall(r"\d+", mail.subject + mail.text))


@each_locale
@each_mail
def test_the_styles_are_those_that_css_inline_gives_the_finished_mail(message: str, locale: str) -> None:
    ours = rendered(message, locale).html
    css = (shipped_folder() / "email/_base/mail.css").read_text("utf-8")
    bare = re.sub(r' style="[^"]*"', "", ours)
    inliner = CSSInliner(
        load_remote_stylesheets=False, inline_style_tags=False, extra_css=css, keep_style_tags=True
    )
    theirs = LexborHTMLParser(inliner.inline(bare)).css("[class]")
    mine = LexborHTMLParser(ours).css("[class]")
    assert len(mine) == len(theirs) > 3
    for one, other in zip(mine, theirs, strict=True):
        assert one.attributes.get("style") == other.attributes.get("style"), one.attributes["class"]


@each_locale
@each_mail
def test_a_mail_is_correct_html_loads_nothing_and_runs_nothing(message: str, locale: str) -> None:
    html = rendered(message, locale).html
    assert JustHTML(html, collect_errors=True).errors == []
    assert not re.search(r"<script|<link|<img|\bsrc=|url\(|@import|<iframe|<form|\bon\w+=", html)
    assert len(html.encode()) < 60_000  # Gmail cuts at 102 KB


@each_locale
@each_mail
def test_a_team_without_a_public_address_gets_no_empty_links(message: str, locale: str) -> None:
    mail = without_links(message, locale)
    assert "None" not in mail.text + visible(mail.html)
    assert all(href.startswith("mailto:") for href in hrefs(mail.html))
    assert "http" not in mail.text


@each_locale
@pytest.mark.parametrize("message", STAFF)
def test_staff_read_in_two_lines_what_happened_and_what_to_do(message: str, locale: str) -> None:
    happened, to_do = rendered(message, locale).text.splitlines()[:2]
    assert "CS202405200001" in happened + to_do or message in OF_NO_TICKET
    assert len(to_do) > 8


@each_locale
@pytest.mark.parametrize("message", STAFF)
def test_staff_mail_shows_no_personal_data_of_the_customer(message: str, locale: str) -> None:
    facts = renderer.sample(message, locale)
    facts["ticket"] |= {
        "subject": "急 13812345678",
        "description": "我是王芳，wangfang@example.org，13812345678",
    }
    mail = renderer.render_mail(message, locale, facts)
    assert not re.search(r"13812345678|wangfang|王芳", mail.subject + mail.text + mail.html)


@each_locale
@pytest.mark.parametrize("message", ["receipt", "progress_notice", "result_feedback"])
def test_only_a_complaint_gets_an_apology(message: str, locale: str) -> None:
    ticket = renderer.sample(message, locale)["ticket"]
    sorry = {"en": r"sorry|apologise", "zh_CN": "歉"}[locale]
    complaint = rendered(message, locale, ticket={**ticket, "category": "complaint"})
    assert re.search(sorry, complaint.text)
    assert re.search(sorry, complaint.html)
    assert not re.search(sorry, rendered(message, locale).text)


def test_the_receipt_promises_one_time_and_tells_the_hours() -> None:
    mail = rendered("receipt", "zh_CN", promised_at="2024-05-20T06:30:00Z")
    assert "您好" in mail.text
    assert "5月20日 14:30" in mail.text
    assert "周一至周五 09:00–18:00" in mail.text
    assert "by: 20 May 14:30 (UTC+8)" in rendered("receipt", "en").text


def test_the_assignment_tells_how_to_answer_the_customer() -> None:
    assert (
        "answer this mail to answer the customer; lines after #note stay internal"
        in rendered("assignment", "en").text
    )


@each_locale
@pytest.mark.parametrize("message", ["csat_invitation", "csat_reminder"])
def test_the_survey_mail_can_be_answered_with_one_tap_or_one_digit(message: str, locale: str) -> None:
    mail = rendered(message, locale)
    survey = "https://support.example.com/s/Zq8Jt3xVb1"
    assert [h for h in hrefs(mail.html) if "score=" in h] == [f"{survey}?score={n}" for n in range(1, 6)]
    words = load_labels(locale)["score_short"]
    for score, word in words.items():
        assert re.search(rf"(?m)^{score} {word}[:：]", mail.text)
    assert "https://support.example.com/u/Zq8Jt3xVb1" in hrefs(mail.html)
    assert re.search("回复本邮件|answer this mail", mail.text)


@each_locale
@pytest.mark.parametrize("message", SMS)
def test_an_sms_fits_into_two_segments(message: str, locale: str) -> None:
    text = renderer.render_sms(message, locale, renderer.sample(message, locale))
    if locale == "en":
        assert GSM7.fullmatch(text)
    assert len(text) <= (2 * 153 if locale == "en" else 2 * 67)
    assert "CS202405200001" in text or message == "sms_help"


@each_locale
def test_every_code_of_the_vocabulary_has_words(locale: str) -> None:
    labels = load_labels(locale)
    groups: dict[str, type[StrEnum]] = {
        "priority": vocabulary.Priority,
        "priority_ticket": vocabulary.Priority,
        "category": vocabulary.Category,
        "state": vocabulary.TicketState,
        "role": vocabulary.Role,
        "lane": vocabulary.Lane,
        "medium": vocabulary.Medium,
        "channel": vocabulary.Medium,
        "clock": vocabulary.DeadlineKind,
        "deadline_state": vocabulary.DeadlineState,
        "notification_state": vocabulary.NotificationState,
        "event_state": vocabulary.EventState,
        "followup_state": vocabulary.FollowupState,
        "dimension": vocabulary.Dimension,
        "question": vocabulary.Dimension,
    }
    for group, codes in groups.items():
        assert {str(code) for code in codes} <= labels[group].keys(), group
    for group in ("score", "score_short", "score_tile"):
        assert list(labels[group]) == ["1", "2", "3", "4", "5"]


def test_both_locales_have_words_for_the_same_codes() -> None:
    english, chinese = (load_labels(locale) for locale in LOCALES)
    assert {g: set(words) for g, words in english.items()} == {g: set(words) for g, words in chinese.items()}


@pytest.mark.parametrize("name", ["labels.zh_CN.json", "measures.zh_CN.json"])
def test_chinese_words_have_chinese_punctuation(name: str) -> None:
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', (shipped_folder() / name).read_text("utf-8"))
    beside = re.compile(r"[\u4e00-\u9fff）”][,;:!?(]|[,;:!?)][\u4e00-\u9fff（“]")
    assert [text for text in words if beside.search(text)] == []


def test_a_preview_is_the_mail_made_of_its_sample() -> None:
    assert preview("receipt", "en") == rendered("receipt", "en")


def test_samples_are_plain_json_without_real_people() -> None:
    for path in Path(shipped_folder()).rglob("*.json"):
        text = path.read_text("utf-8")
        json.loads(text)
        assert all(re.search(r"example\.(com|net|org)", address) for address in re.findall(r"\S+@\S+", text))


@each_locale
@pytest.mark.parametrize("message", CHAT)
def test_a_post_is_plain_lines_in_one_language(message: str, locale: str) -> None:
    text = renderer.render_chat(message, locale, renderer.chat_sample(message, locale))
    assert text == text.strip()
    assert "\n\n" not in text
    assert not re.search(r"[{}]|\bNone\b|Undefined", text)
    assert ("工单" if locale == "zh_CN" else "request") in text, "the keyword that docs/chat.md names"
    if locale == "en":
        assert not re.search(r"[\u4e00-\u9fff]", text)


@each_locale
def test_a_post_names_people_and_limit_and_nothing_of_the_customer_but_the_mask(locale: str) -> None:
    facts = renderer.chat_sample("chat_new_request", locale)
    text = renderer.render_chat("chat_new_request", locale, facts)
    ticket = facts["ticket"]
    for shown in (ticket["number"], ticket["customer"], facts["people"][0], "14:31"):
        assert shown in text
    assert ticket["subject"] not in text
    assert ticket["description"].splitlines()[1] not in text
    nobody = {**facts, "assigned": False, "people": [], "first_response_at": None, "links": {}}
    assert len(renderer.render_chat("chat_new_request", locale, nobody).splitlines()) == 3


def test_an_operator_shadows_a_post(tmp_path: Path) -> None:
    own = tmp_path / "chat" / "chat_new_request" / "en.txt"
    own.parent.mkdir(parents=True)
    own.write_text("Ours: {{ ticket.number }}")
    theirs = Renderer(tmp_path)
    facts = theirs.chat_sample("chat_new_request", "en")
    assert theirs.render_chat("chat_new_request", "en", facts) == "Ours: CS202405200001"
    assert "新工单" in theirs.render_chat("chat_new_request", "zh_CN", theirs.chat_sample("chat_new_request"))


@pytest.mark.parametrize(
    "taken",
    [
        '{% from "email/mine/words.txt" import said with context %}{{ said(ticket.number) }}',
        '{% import "email/mine/words.txt" as words %}{{ words.said(ticket.number) }}',
        '{% include "email/mine/words.txt" %}',
        '{% include ["email/mine/none.html", "email/mine/words.txt"] %}',
    ],
)
def test_html_takes_nothing_from_a_text_template_whose_words_are_not_escaped(
    tmp_path: Path, taken: str
) -> None:
    mine = tmp_path / "email" / "receipt" / "en"
    mine.mkdir(parents=True)
    (mine / "body.html").write_text(taken)
    with pytest.raises(TemplateError, match=r"body\.html, line 1: .* nothing from a \.txt one"):
        preview("receipt", "en", tmp_path)


@pytest.mark.parametrize(
    ("locale", "said"), [("en", "a &lt;b&gt; · Complaint"), ("zh_CN", "a &lt;b&gt; · 投诉")]
)
def test_what_a_target_is_about_stays_words(locale: str, said: str) -> None:
    renderer = Renderer()
    facts = renderer.sample("target_standing", locale)
    facts["target"]["scope"] = {"team": "a <b>", "category": "complaint"}
    mail = renderer.render_mail("target_standing", locale, facts)
    assert said in mail.html
    assert "a <b> · " in mail.text
    facts["target"]["scope"] = "<i>all</i>"
    assert "&lt;i&gt;all&lt;/i&gt;" in renderer.render_mail("target_standing", locale, facts).html
