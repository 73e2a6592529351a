"""SLA policies: limits, alarms, escalation, questionnaires, teams, as one TOML file a support lead edits."""

from workers.policy.advice import advice
from workers.policy.aftercare import Chase, Followup, Questionnaire, Survey
from workers.policy.asking_parts import AskRule, Service, touchpoint_of
from workers.policy.desk import Assignment
from workers.policy.difference_words import section, sentence, word
from workers.policy.differences import Difference, differences
from workers.policy.limit_parts import Case
from workers.policy.limits import Limit
from workers.policy.load import READY_MADE, load_policy, parse_policy
from workers.policy.made_up import made_up_month
from workers.policy.mistakes import Mistake, PolicyFileError
from workers.policy.plan import Alarm, SlaClock
from workers.policy.policy import Policy
from workers.policy.replay import Outcome, Story, Tally, replay

__all__ = [
    "READY_MADE",
    "Alarm",
    "AskRule",
    "Assignment",
    "Case",
    "Chase",
    "Difference",
    "Followup",
    "Limit",
    "Mistake",
    "Outcome",
    "Policy",
    "PolicyFileError",
    "Questionnaire",
    "Service",
    "SlaClock",
    "Story",
    "Survey",
    "Tally",
    "advice",
    "differences",
    "load_policy",
    "made_up_month",
    "parse_policy",
    "replay",
    "section",
    "sentence",
    "touchpoint_of",
    "word",
]
