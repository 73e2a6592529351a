"""Targets: a measure goes from X to Y by a day, with an owner; so do agreements of departments."""

from workers.targets.finding import matching, target_by_number, title_of, titles_of
from workers.targets.reminding import TARGET, remind_of_target
from workers.targets.setting import Aim, change_target, end_target, report_progress, set_target
from workers.targets.standing import Stand, Standing, running_standings, standing

__all__ = [
    "TARGET",
    "Aim",
    "Stand",
    "Standing",
    "change_target",
    "end_target",
    "matching",
    "remind_of_target",
    "report_progress",
    "running_standings",
    "set_target",
    "standing",
    "target_by_number",
    "title_of",
    "titles_of",
]
