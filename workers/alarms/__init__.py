"""Hear the alarms of deadlines whose time has come, many in one transaction."""

from workers.alarms.firing import BATCH, Handler, change_plan, fire, plan_of

__all__ = ["BATCH", "Handler", "change_plan", "fire", "plan_of"]
