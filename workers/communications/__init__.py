"""Communication records 沟通记录: recorded, reminded of, shared, found, exported and imported."""

from workers.communications.changing import change, close, may_change, reopen
from workers.communications.finding import Wanted, matching, record_by_number
from workers.communications.importing import import_rows, imported
from workers.communications.recording import (
    CHANNELS,
    Recorded,
    Talk,
    by_row_key,
    record_talk,
)
from workers.communications.reminding import NEXT, SHARE, remind_of_next, remind_to_share
from workers.communications.sharing import share
from workers.communications.table import TITLES, Wording, rows
from workers.communications.times import read_moment
from workers.communications.words import ENTRY_PLACE, masked, masked_code, masked_words, name_of, own_words
from workers.importing import RowResult
from workers.tables import csv_chunks, read_table, xlsx_chunks

__all__ = [
    "CHANNELS",
    "ENTRY_PLACE",
    "NEXT",
    "SHARE",
    "TITLES",
    "Recorded",
    "RowResult",
    "Talk",
    "Wanted",
    "Wording",
    "by_row_key",
    "change",
    "close",
    "csv_chunks",
    "import_rows",
    "imported",
    "masked",
    "masked_code",
    "masked_words",
    "matching",
    "may_change",
    "name_of",
    "own_words",
    "read_moment",
    "read_table",
    "record_by_number",
    "record_talk",
    "remind_of_next",
    "remind_to_share",
    "reopen",
    "rows",
    "share",
    "xlsx_chunks",
]
