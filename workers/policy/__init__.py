"""SLA policies: limits, alarms, escalation, questionnaires, teams, as one TOML file a support lead edits."""

from workers.policy.aftercare import Chase, Followup, Questionnaire, Survey
from workers.policy.desk import Assignment
from workers.policy.limits import Limit
from workers.policy.load import READY_MADE, load_policy, parse_policy
from workers.policy.mistakes import Mistake, PolicyFileError
from workers.policy.plan import Alarm, SlaClock
from workers.policy.policy import Policy

__all__ = [
    "READY_MADE",
    "Alarm",
    "Assignment",
    "Chase",
    "Followup",
    "Limit",
    "Mistake",
    "Policy",
    "PolicyFileError",
    "Questionnaire",
    "SlaClock",
    "Survey",
    "load_policy",
    "parse_policy",
]
