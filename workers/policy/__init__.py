"""SLA policies: limits, alarms, escalation, questionnaires, teams, as one TOML file a support lead edits."""

from workers.policy.advice import advice
from workers.policy.aftercare import Chase, Followup, Questionnaire, Survey
from workers.policy.desk import Assignment
from workers.policy.difference_words import section, sentence
from workers.policy.differences import Difference, differences
from workers.policy.limit_parts import Case
from workers.policy.limits import Limit
from workers.policy.load import READY_MADE, load_policy, parse_policy
from workers.policy.mistakes import Mistake, PolicyFileError
from workers.policy.plan import Alarm, SlaClock
from workers.policy.policy import Policy

__all__ = [
    "READY_MADE",
    "Alarm",
    "Assignment",
    "Case",
    "Chase",
    "Difference",
    "Followup",
    "Limit",
    "Mistake",
    "Policy",
    "PolicyFileError",
    "Questionnaire",
    "SlaClock",
    "Survey",
    "advice",
    "differences",
    "load_policy",
    "parse_policy",
    "section",
    "sentence",
]
