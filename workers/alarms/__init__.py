"""Hear the alarms of deadlines whose time has come, many in one transaction."""

from workers.alarms.firing import BATCH, Handler, change_plan, fire, plan_of
from workers.alarms.in_turn import InTurn
from workers.alarms.rehearsing import rehearse

__all__ = ["BATCH", "Handler", "InTurn", "change_plan", "fire", "plan_of", "rehearse"]
