"""Tables as CSV and XLSX files, written and read row by row: neither holds a whole table in memory.

What a spreadsheet would take for a formula is written as text (OWASP, "CSV Injection").
"""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from workers.errors import InvalidInput, TooLarge

BOM = "\ufeff"
LARGEST = 200 * 1024 * 1024
LARGEST_UNPACKED = 1024 * 1024 * 1024
SMALL_UNPACKED, MOST_TIMES = 64 * 1024 * 1024, 100
"""A workbook may unpack to so many bytes in any case, and to so many times its size."""
MOST_ROWS, MOST_COLUMNS = 1_048_576, 256
"""As many rows as a spreadsheet has, and as far to the right as anybody's table reaches."""
_BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the library raises for a workbook with something wrong in it: XML, a number, a part that lacks."""
LONGEST_CELL = 32_767
"""Characters that a cell of a spreadsheet may have."""
CHUNK = 256 * 1024
STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
QUOTE = "'"

Rows = AsyncIterator[list[list[str]]]


def harmless(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would calculate."""
    return QUOTE + cell if cell.startswith(STARTS_FORMULA) else cell


def as_written(cell: str) -> str:
    """The cell without the apostrophe that `harmless` put before it."""
    return cell[1:] if cell.startswith(QUOTE) and cell[1:].startswith(STARTS_FORMULA) else cell


async def csv_chunks(titles: Sequence[str], rows: Rows) -> AsyncIterator[bytes]:
    """The table as CSV (RFC 4180) in UTF-8 with a byte-order mark, by which Excel knows the encoding."""
    yield (BOM + _lines([titles])).encode()
    async for page in rows:
        yield _lines(page).encode()


def _lines(page: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in page)
    return text.getvalue()


async def xlsx_chunks(titles: Sequence[str], rows: Rows) -> AsyncIterator[bytes]:
    """The table as XLSX. It is made in a temporary file, since its table of contents comes last."""
    with tempfile.TemporaryDirectory(prefix="closeloop-") as folder:
        path = Path(folder) / "table.xlsx"
        await _write_xlsx(path, titles, rows)
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk


async def _write_xlsx(path: Path, titles: Sequence[str], rows: Rows) -> None:
    import xlsxwriter  # 60 ms that only whoever exports needs

    options = {"constant_memory": True, "tmpdir": str(path.parent), "strings_to_formulas": False}
    book = xlsxwriter.Workbook(str(path), {**options, "strings_to_urls": False, "strings_to_numbers": False})
    try:
        sheet = book.add_worksheet()
        sheet.freeze_panes(1, 0)
        bold = book.add_format({"bold": True})
        for column, title in enumerate(titles):
            sheet.write_string(0, column, title, bold)
        line = 1
        async for page in rows:
            for row in page:
                for column, cell in enumerate(row):
                    sheet.write_string(line, column, cell[:LONGEST_CELL])
                line += 1
    finally:
        await asyncio.to_thread(book.close)


def read_table(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV (UTF-8 or GB18030) or XLSX file with their line numbers, from 1; empty ones are left out.

    Raises InvalidInput for a file that is neither, TooLarge for one beyond the caps.
    """
    if path.stat().st_size > LARGEST:
        raise TooLarge(f"the file is larger than {LARGEST} bytes", hint="split it")
    if zipfile.is_zipfile(path):
        found: Iterator[tuple[int, list[str]]] = _read_xlsx(path)
    else:
        found = _read_csv(path)
    for line, cells in found:
        if any(cell.strip() for cell in cells):
            yield line, [as_written(cell.strip()) for cell in cells]


def _read_csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as text:
            reader = csv.reader(text)
            for cells in reader:
                yield reader.line_num, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput("the file is no table in UTF-8 or GB18030", hint="save it as CSV UTF-8") from error


def _encoding(path: Path) -> str:
    """UTF-8 if all of it is, else GB18030, as spreadsheets in China save it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            while text.read(CHUNK):
                pass
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8-sig"


def _read_xlsx(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with zipfile.ZipFile(path) as packed:
            unpacked = sum(each.file_size for each in packed.infolist())
        if unpacked > min(LARGEST_UNPACKED, max(SMALL_UNPACKED, MOST_TIMES * path.stat().st_size)):
            raise TooLarge("the file unpacks to more than a table needs", hint="split it")
        yield from _first_sheet(path)
    except _BROKEN as error:
        raise InvalidInput("the file is no XLSX workbook", hint="save it as XLSX or CSV UTF-8") from error


def _first_sheet(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that somebody has filled in, however far down and to the right a sheet says it reaches."""
    from openpyxl import load_workbook  # 200 ms that only whoever imports needs

    with path.open("rb") as file:  # by its path, a workbook whose name does not end in .xlsx is refused
        book = load_workbook(file, read_only=True, data_only=True)
        try:
            rows = book.worksheets[0].iter_rows(max_row=MOST_ROWS, max_col=MOST_COLUMNS, values_only=True)
            before: object = None
            for line, cells in enumerate(rows, start=1):
                if cells is not before:  # rows that are not in the file are one and the same empty one
                    before = cells
                    yield line, [_text(cell) for cell in cells]
        finally:
            book.close()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
