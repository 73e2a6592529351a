"""Figures about a period, computed from the history: nothing is counted twice or kept apart.

A report of a week, month or quarter is a document of figures and codes (`make_report`), kept as it was and
sent once (`send_report`); `Saying` puts it into words, `workbook` and `pdf` into files.
"""

from workers.reports.asking import Wish, wish
from workers.reports.document import Report, as_json, from_json
from workers.reports.enclosing import FONTS, Press
from workers.reports.making import make_report
from workers.reports.overdue import OverdueCount, overdue_counts
from workers.reports.periods import kind_of, last_period, period_with
from workers.reports.readers import Scope, scopes
from workers.reports.saying import Saying
from workers.reports.sending import (
    MAIL,
    REPORT,
    REPORT_DAY,
    Sent,
    ensure_reports,
    kept_report,
    prepare_report,
    report_day,
    send_report,
)

__all__ = [
    "FONTS",
    "MAIL",
    "REPORT",
    "REPORT_DAY",
    "OverdueCount",
    "Press",
    "Report",
    "Saying",
    "Scope",
    "Sent",
    "Wish",
    "as_json",
    "ensure_reports",
    "from_json",
    "kept_report",
    "kind_of",
    "last_period",
    "make_report",
    "overdue_counts",
    "period_with",
    "prepare_report",
    "report_day",
    "scopes",
    "send_report",
    "wish",
]
