"""Figures about a period, computed from the history: nothing is counted twice or kept apart."""

from workers.reports.overdue import OverdueCount, overdue_counts

__all__ = ["OverdueCount", "overdue_counts"]
