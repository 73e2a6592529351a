"""Warn before a limit, escalate after it, level by level until somebody acknowledges."""

from workers.escalations.breaching import breach
from workers.escalations.ladder import acknowledge, climb, settle_late, start_ladder, stop_ladder
from workers.escalations.telling import Telling, link, tell
from workers.escalations.warning import remind_to_accept, warn

__all__ = [
    "Telling",
    "acknowledge",
    "breach",
    "climb",
    "link",
    "remind_to_accept",
    "settle_late",
    "start_ladder",
    "stop_ladder",
    "tell",
    "warn",
]
