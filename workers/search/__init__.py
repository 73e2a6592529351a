"""Found by words, though words are kept sealed: an index of keyed hashes, and who may find what."""

from workers.search.documents import COMMUNICATION, KINDS, KNOWLEDGE, TICKET
from workers.search.finding import Found, Page, Question, find
from workers.search.forgetting import forget
from workers.search.problems import Problem, Week, week_of
from workers.search.rebuilding import Progress, rebuild
from workers.search.similar import Likeness, similar
from workers.search.titles import titles
from workers.search.working_off import BATCH, work_off

__all__ = [
    "BATCH",
    "COMMUNICATION",
    "KINDS",
    "KNOWLEDGE",
    "TICKET",
    "Found",
    "Likeness",
    "Page",
    "Problem",
    "Progress",
    "Question",
    "Week",
    "find",
    "forget",
    "rebuild",
    "similar",
    "titles",
    "week_of",
    "work_off",
]
