"""Every measure, defined once and computed from the records, over any period, for any group."""

from workers.measures.care import UNKNOWN_CAUSE
from workers.measures.catalogue import CATALOGUE, Better, Measure, Moment, Unit, Words
from workers.measures.computing import by_group, figures
from workers.measures.figure import Figure, Figures, GroupFigures, Overdue, Part, Silence
from workers.measures.keeping_warm import prepare_figures
from workers.measures.kept import Told, told
from workers.measures.kept_asking import Asking
from workers.measures.kept_rounds import FIGURES
from workers.measures.limits import worst_overdue
from workers.measures.making import FEWEST_RANKED, SMALLEST_GROUP
from workers.measures.narrowing import (
    ALL,
    EVERYTHING,
    Group,
    Narrowing,
    Special,
    Viewer,
    narrowing_of,
    viewer_of,
)
from workers.measures.opening import DISTRIBUTION, FIRST, first_page, seen_by
from workers.measures.period import USUAL, Named, Period, Step, asked_period, days_between, named_period

__all__ = [
    "ALL",
    "CATALOGUE",
    "DISTRIBUTION",
    "EVERYTHING",
    "FEWEST_RANKED",
    "FIGURES",
    "FIRST",
    "SMALLEST_GROUP",
    "UNKNOWN_CAUSE",
    "USUAL",
    "Asking",
    "Better",
    "Figure",
    "Figures",
    "Group",
    "GroupFigures",
    "Measure",
    "Moment",
    "Named",
    "Narrowing",
    "Overdue",
    "Part",
    "Period",
    "Silence",
    "Special",
    "Step",
    "Told",
    "Unit",
    "Viewer",
    "Words",
    "asked_period",
    "by_group",
    "days_between",
    "figures",
    "first_page",
    "named_period",
    "narrowing_of",
    "prepare_figures",
    "seen_by",
    "told",
    "viewer_of",
    "worst_overdue",
]
