"""Improvement measures 改进措施: carried out, verified after a cycle 验证周期, taken up again if not met."""

from workers.improvements.comparing import Comparison, Side, Verdict, compare
from workers.improvements.due import Reevaluation, reevaluations_due
from workers.improvements.finding import (
    Kind,
    Words,
    improvement_by_number,
    improvements_of,
    matching,
    words_of,
)
from workers.improvements.going_on import carried_out, evaluate, next_round, report_progress, withdraw
from workers.improvements.monthly import monthly_check
from workers.improvements.opening import KINDS, Plan, open_improvement
from workers.improvements.reminding import IMPROVEMENT, remind_of_improvement

__all__ = [
    "IMPROVEMENT",
    "KINDS",
    "Comparison",
    "Kind",
    "Plan",
    "Reevaluation",
    "Side",
    "Verdict",
    "Words",
    "carried_out",
    "compare",
    "evaluate",
    "improvement_by_number",
    "improvements_of",
    "matching",
    "monthly_check",
    "next_round",
    "open_improvement",
    "reevaluations_due",
    "remind_of_improvement",
    "report_progress",
    "withdraw",
    "words_of",
]
