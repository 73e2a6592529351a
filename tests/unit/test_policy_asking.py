"""Tables of a policy about who is asked: mistakes with line and hint, what is hardly meant, samples."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workers.policy import AskRule, PolicyFileError, advice, load_policy, parse_policy

TEXT = load_policy("support-response").version_text
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)


def told(added: str) -> list[tuple[str, str]]:
    """Each mistake: the line it points to, and its words."""
    text = f"{TEXT}\n{added}"
    with pytest.raises(PolicyFileError) as found:
        parse_policy(text)
    assert found.value.hint
    lines = text.split("\n")
    return [(lines[(each.line or 1) - 1], each.message) for each in found.value.mistakes]


@pytest.mark.parametrize(
    ("rule", "line", "words"),
    [
        ('questionnaire = "shrt"', 'questionnaire = "shrt"', "there is no questionnaire shrt"),
        ('team = "suport"', 'team = "suport"', "[teams] does not list suport"),
    ],
)
def test_a_rule_that_names_what_is_not_there_is_a_mistake_on_its_line(
    rule: str, line: str, words: str
) -> None:
    assert told(f"[[survey.ask]]\n{rule}\n") == [(line, words)]


def test_a_question_needs_its_words_in_both_languages() -> None:
    table = '[[survey.questionnaires.default.own]]\ncode = "clear"\nen = "Clear?"\n'
    ((_, words),) = told(f'{table}zh_CN = " "\n')
    assert words == "this question has no words in zh_CN"
    with pytest.raises(PolicyFileError, match="zh_CN is missing"):
        parse_policy(f"{TEXT}\n{table}")
    with pytest.raises(PolicyFileError, match="is taken"):
        parse_policy(f"{TEXT}\n{table.replace('clear', 'speed')}zh_CN = '清楚吗'\n")


def test_three_levels_are_what_they_say() -> None:
    three = '[survey.questionnaires.short]\ndimensions = ["overall"]\nscale = "three"\n'
    with pytest.raises(PolicyFileError, match="satisfied_from is 4 or 5"):
        parse_policy(
            f"{TEXT}\n{three}".replace("satisfied_from = 4 ", "satisfied_from = 3 ").replace(
                "fair_from = 3 ", "fair_from = 2 "
            )
        )  # 3 would be both 一般 and satisfied


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('delay = "25h"', "24h at most"),
        ('periodic = true\ndelay = "2h"', "leave out delay"),
        ('periodic_delay = "3wd"', "periodic = true"),
        ('ways = ["sms", "sms"]', "twice"),
        ("share = 1.5", "less than or equal to 1"),
        ('touchpoint = "presales"', "touchpoint"),
    ],
)
def test_a_rule_that_does_not_fit_together_says_why(rule: str, words: str) -> None:
    with pytest.raises(PolicyFileError, match=words):
        parse_policy(f"{TEXT}\n[[survey.ask]]\n{rule}\n")


def test_what_is_hardly_meant_is_advice() -> None:
    added = """
[[survey.ask]]
category = "complaint"

[[survey.ask]]
category = "complaint"
customer_group = "new"

[[survey.ask]]
periodic = true
periodic_delay = "9wd"

[[survey.questionnaires.default.own]]
code = "nice"
en = "How much did you enjoy our excellent service?"
zh_CN = "Nice?"
"""
    said = [each.message for each in advice(parse_policy(f"{TEXT}\n{added}"), NOW)]
    assert "survey.ask rule 2 is never reached: rule 1 fits first" in said
    assert "return visits are customary 3 to 5 working days after the service" in said
    assert "the Chinese words of this question hold no Chinese" in said
    assert any("may lead to an answer" in each for each in said)
    assert not [each for each in advice(parse_policy(TEXT), NOW) if "question" in each.message]


def test_a_sample_is_the_same_however_often_it_is_drawn_and_of_its_size() -> None:
    rule = AskRule(share=0.3)
    keys = [number.to_bytes(16, "big") for number in range(4_000)]
    drawn = [rule.takes(key) for key in keys]
    assert drawn == [rule.takes(key) for key in keys]
    assert 0.27 < sum(drawn) / len(drawn) < 0.33
    assert all(AskRule().takes(key) for key in keys)
    assert not any(AskRule(share=0.0).takes(key) for key in keys)
