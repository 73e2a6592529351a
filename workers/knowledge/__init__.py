"""Knowledge entries: written up from solved tickets, looked at again, offered, passed on (rows E8, B12)."""

from workers.knowledge.files import COLUMNS, RowResult, import_rows, read_rows, rows
from workers.knowledge.finding import Kind, entry_by_number, matching
from workers.knowledge.passing_on import Prepared, Uses, pass_on, prepare, uses_of
from workers.knowledge.reminding import WRITE_UP, remind_to_write_up
from workers.knowledge.weekly import WEEKLY, Review, arm_weekly, review_until, weekly_review
from workers.knowledge.words import LOCALES, PARTS, Words, in_language, texts_of, versions_of
from workers.knowledge.writing import (
    LEADS,
    About,
    add_entry,
    change,
    draft_of,
    draft_of_problem,
    may_write,
    publish,
    retire,
)

__all__ = [
    "COLUMNS",
    "LEADS",
    "LOCALES",
    "PARTS",
    "WEEKLY",
    "WRITE_UP",
    "About",
    "Kind",
    "Prepared",
    "Review",
    "RowResult",
    "Uses",
    "Words",
    "add_entry",
    "arm_weekly",
    "change",
    "draft_of",
    "draft_of_problem",
    "entry_by_number",
    "import_rows",
    "in_language",
    "matching",
    "may_write",
    "pass_on",
    "prepare",
    "publish",
    "read_rows",
    "remind_to_write_up",
    "retire",
    "review_until",
    "rows",
    "texts_of",
    "uses_of",
    "versions_of",
    "weekly_review",
]
