"""CSAT: invite once per resolution, chase, take the answer, open a follow-up for a low score."""

from workers.surveys.answering import (
    LONGEST_COMMENT,
    answer,
    begin,
    changeable_until,
    was_told,
    withdraw_consent,
)
from workers.surveys.asked import asked_by, fitting, verdict
from workers.surveys.asking import ask, chase, held_back, invite
from workers.surveys.drafts import Answer, answer_of, left_behind
from workers.surveys.falling_back import way_failed
from workers.surveys.finding import answered_survey_of, asked_by_sms, open_survey_of, survey_by_id
from workers.surveys.recording import latest
from workers.surveys.scores import parse_score

__all__ = [
    "LONGEST_COMMENT",
    "Answer",
    "answer",
    "answer_of",
    "answered_survey_of",
    "ask",
    "asked_by",
    "asked_by_sms",
    "begin",
    "changeable_until",
    "chase",
    "fitting",
    "held_back",
    "invite",
    "latest",
    "left_behind",
    "open_survey_of",
    "parse_score",
    "survey_by_id",
    "verdict",
    "was_told",
    "way_failed",
    "withdraw_consent",
]
