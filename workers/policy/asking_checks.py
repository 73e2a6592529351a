"""What can be wrong, or hardly meant, in the tables about surveys: rules, and the wording of questions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workers.policy.asking_parts import RETURN_VISIT
from workers.policy.document import Document
from workers.policy.fields import Wording
from workers.policy.limits import Kind, Limit
from workers.policy.toml_lines import Path

Said = Iterator[tuple[Path, str, str]]
"""Place in the file, what is wrong there, what to do."""

_CJK = re.compile(r"[\u3400-\u9fff]")
_LOADED = re.compile(
    r"\b(?:excellent|great|amazing|outstanding|wonderful|best|don'?t you|wouldn'?t you|agree that|of course"
    r"|how satisfied|how happy|how much did you (?:like|enjoy))\b"
    r"|优质|卓越|满意度有多高|多么满意|难道|是否同意|对吧|一定|贴心|热情周到",
    re.IGNORECASE,
)
FEWEST_DAYS, MOST_DAYS = 3, 5


def survey_mistakes(document: Document) -> Said:
    """Rules that name a questionnaire or team that is not there, questions without words."""
    part = document.survey
    for number, rule in enumerate(part.ask):
        name = rule.questionnaire or (RETURN_VISIT if rule.periodic else None)
        if name is not None and name not in part.questionnaires:
            key = ("questionnaire",) if rule.questionnaire else ("periodic",)
            words = f"there is no questionnaire {name}"
            hint = f"write [survey.questionnaires.{name}], or one of {', '.join(sorted(part.questionnaires))}"
            yield ("survey", "ask", number, *key), words, hint
        if rule.team is not None and rule.team not in document.teams:
            hint = f"teams are: {', '.join(sorted(document.teams))}"
            yield ("survey", "ask", number, "team"), f"[teams] does not list {rule.team}", hint
    for place, wording in _questions(document):
        for locale, text in (("en", wording.en), ("zh_CN", wording.zh)):
            if not text.strip():
                yield (
                    place,
                    f"this question has no words in {locale}",
                    "people are asked in their own language",
                )


def survey_advice(document: Document) -> Said:
    """Rules never reached, return visits too soon or late, wording that leads, or is not translated."""
    rules = document.survey.ask
    for number, rule in enumerate(rules):
        for position, earlier in enumerate(rules[:number], start=1):
            if earlier.conditions.items() <= rule.conditions.items():
                words = f"survey.ask rule {number + 1} is never reached: rule {position} fits first"
                yield ("survey", "ask", number), words, "put the more exact rule first"
                break
        if rule.periodic_delay is not None and not _some_days(rule.periodic_delay):
            yield ("survey", "ask", number, "periodic_delay"), _VISIT, _VISIT_HINT
    if not _some_days(document.survey.periodic_delay):
        yield ("survey", "periodic_delay"), _VISIT, _VISIT_HINT
    yield from _wording(document)


def _wording(document: Document) -> Said:
    for place, wording in _questions(document):
        if not _CJK.search(wording.zh):
            yield place, "the Chinese words of this question hold no Chinese", "translate zh_CN"
        if _CJK.search(wording.en):
            yield place, "the English words of this question hold Chinese", "translate en"
        for text in (wording.en, wording.zh):
            if found := _LOADED.search(text):
                words = f'the question may lead to an answer: "{found[0]}"'
                yield place, words, "ask neutrally, so that good and bad answers are as easy"
                break


_VISIT = "return visits are customary 3 to 5 working days after the service"
_VISIT_HINT = 'write "3wd", "4wd" or "5wd"'


def _some_days(limit: Limit) -> bool:
    return limit.kind is Kind.WORKING_DAYS and FEWEST_DAYS <= limit.days <= MOST_DAYS


def _questions(document: Document) -> Iterator[tuple[Path, Wording]]:
    for name, part in document.survey.questionnaires.items():
        for kind, questions in (("open_questions", part.open_questions), ("own", part.own)):
            for number, question in enumerate(questions):
                yield ("survey", "questionnaires", name, kind, number), question
