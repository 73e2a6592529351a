"""The questions of a survey as fields of a form, and a filled-in form as an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.policy import Questionnaire
from workers.surveys import LONGEST_COMMENT, Answer

SCORES = {str(score): score for score in range(1, 6)}


def questions_of(asked: Questionnaire) -> dict[str, str]:
    """The open questions by their codes: q1, q2 …"""
    return {f"q{place}": text for place, text in enumerate(asked.open_questions, start=1)}


def fields(asked: Questionnaire, given: Mapping[str, str]) -> dict[str, Any]:
    """What templates show of the questions; `given` is what the form held."""
    return {
        "dimensions": [
            {
                "code": code,
                "text": asked.own.get(code),
                "required": code == "overall",
                "value": SCORES.get(given.get(code, "")),
            }
            for code in asked.scored
        ],
        "scores": list(asked.scores),
        "open_questions": [
            {"code": code, "text": text, "value": given.get(f"answer_{code}", "")}
            for code, text in questions_of(asked).items()
        ],
        "comment": given.get("comment", ""),
        "anonymous": bool(given.get("anonymous")),
    }


def mistakes(asked: Questionnaire, given: Mapping[str, str]) -> dict[str, str]:
    """Field → code of what is wrong with it; the overall score is all that must be given."""
    errors: dict[str, str] = {}
    for code in asked.scored:
        score = given.get(code, "")
        if not score and code == "overall":
            errors[code] = "required"
        elif score and SCORES.get(score) not in asked.scores:
            errors[code] = "invalid"
    for name in ("comment", *(f"answer_{code}" for code in questions_of(asked))):
        if len(given.get(name, "")) > LONGEST_COMMENT:
            errors[name] = "too_long"
    return errors


def answer_in(asked: Questionnaire, given: Mapping[str, str], source: str, *, anonymous: bool) -> Answer:
    """What the form says; `anonymous`: whether it may still be ticked. What is no score is left out."""
    words = {code: given.get(f"answer_{code}", "").strip() for code in questions_of(asked)}
    return Answer(
        scores={code: SCORES[given[code]] for code in asked.scored if given.get(code) in SCORES},
        comment=given.get("comment", "").strip(),
        open_answers={code: text for code, text in words.items() if text},
        anonymous=anonymous and bool(given.get("anonymous")),
        source=source,
    )
