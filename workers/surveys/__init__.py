"""CSAT: invite once per resolution, chase, take the answer, open a follow-up for a low score."""

from workers.surveys.answering import Answer, answer, withdraw_consent
from workers.surveys.asking import chase, held_back, invite
from workers.surveys.finding import open_survey_of, survey_by_id
from workers.surveys.scores import parse_score

__all__ = [
    "Answer",
    "answer",
    "chase",
    "held_back",
    "invite",
    "open_survey_of",
    "parse_score",
    "survey_by_id",
    "withdraw_consent",
]
