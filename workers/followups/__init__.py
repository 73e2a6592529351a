"""The second follow-up 二次跟进: opened by a low score, started within 48 hours, ended by re-evaluation."""

from workers.followups.alarms import due_alarm, start_alarm
from workers.followups.contacts import name_owner, record_contact
from workers.followups.effect import Effect, Sample, effect_of
from workers.followups.finding import cases_lately, followup_by_id, is_overdue, overdue_at, rated_person
from workers.followups.measures import CAUSES, TERMS, evaluate, set_measure
from workers.followups.monthly import running_by_supervisor
from workers.followups.opening import open_followup, rating_changed, tell_flagged
from workers.followups.praise import tell_praise

__all__ = [
    "CAUSES",
    "TERMS",
    "Effect",
    "Sample",
    "cases_lately",
    "due_alarm",
    "effect_of",
    "evaluate",
    "followup_by_id",
    "is_overdue",
    "name_owner",
    "open_followup",
    "overdue_at",
    "rated_person",
    "rating_changed",
    "record_contact",
    "running_by_supervisor",
    "set_measure",
    "start_alarm",
    "tell_flagged",
    "tell_praise",
]
