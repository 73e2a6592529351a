"""CSAT: invite once per resolution, chase, take the answer, open a follow-up for a low score."""

from workers.surveys.answering import LONGEST_COMMENT, answer, begin, changeable_until, withdraw_consent
from workers.surveys.asked import asked_by, fitting, verdict
from workers.surveys.asking import ask, chase, held_back, invite
from workers.surveys.finding import open_survey_of, survey_by_id
from workers.surveys.recording import Answer, latest
from workers.surveys.scores import parse_score

__all__ = [
    "LONGEST_COMMENT",
    "Answer",
    "answer",
    "ask",
    "asked_by",
    "begin",
    "changeable_until",
    "chase",
    "fitting",
    "held_back",
    "invite",
    "latest",
    "open_survey_of",
    "parse_score",
    "survey_by_id",
    "verdict",
    "withdraw_consent",
]
