"""Warn before a limit, escalate after it, level by level until somebody acknowledges."""

from workers.escalations.breaching import REPLACED, breach, judge_passed
from workers.escalations.ladder import (
    acknowledge,
    acknowledge_digest,
    breached_deadline,
    climb,
    climbing,
    settle_late,
    start_ladder,
    stop_ladder,
)
from workers.escalations.on_call import on_call
from workers.escalations.owning import owners
from workers.escalations.telling import Telling, link, tell
from workers.escalations.warning import remind_to_accept, warn

__all__ = [
    "REPLACED",
    "Telling",
    "acknowledge",
    "acknowledge_digest",
    "breach",
    "breached_deadline",
    "climb",
    "climbing",
    "judge_passed",
    "link",
    "on_call",
    "owners",
    "remind_to_accept",
    "settle_late",
    "start_ladder",
    "stop_ladder",
    "tell",
    "warn",
]
