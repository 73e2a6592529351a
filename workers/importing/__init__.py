"""Rows in: a table's columns by their titles, times as people write them, and an answer for every row."""

from workers.importing.answers import RowResult, told_of
from workers.importing.batches import BATCH, in_batches
from workers.importing.columns import Columns, Places
from workers.importing.moments import read_duration, read_moment

__all__ = [
    "BATCH",
    "Columns",
    "Places",
    "RowResult",
    "in_batches",
    "read_duration",
    "read_moment",
    "told_of",
]
