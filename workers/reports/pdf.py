"""A report as a PDF on A4, with its charts; Chinese where this machine has a font for it.

fpdf2 (https://py-pdf.github.io/fpdf2/) embeds the letters that are used, of TrueType and of OpenType fonts.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.charts import Chart, Fonts
from workers.reports.document import Report
from workers.reports.fonts import Face, face_for
from workers.reports.saying import Saying

if TYPE_CHECKING:
    from fpdf import FPDF

FONT = "report"
TEXT, SMALL, SECTION, TITLE = 10, 8.5, 12, 18
"""Sizes in points."""
INK, QUIET, LINE, MARKED = (32, 42, 53), (91, 104, 117), (211, 219, 226), (253, 241, 240)
CHART_WIDTH = 130.0
"""Millimetres."""
MOST_ROWS = 50


def pdf(report: Report, saying: Saying, folders: Sequence[Path] = ()) -> bytes | None:
    """The document's bytes. None when this machine has no font for its words; `folders` may have one."""
    told = saying.report(report)
    face = face_for(_all_words(told), folders)
    return None if face is None else _Sheet(face, told, folders, report.made_at).bytes()


def _all_words(told: Any) -> str:
    if isinstance(told, dict):
        return "".join(_all_words(each) for each in told.values())
    if isinstance(told, list):
        return "".join(_all_words(each) for each in told)
    return told if isinstance(told, str) else ""


class _Sheet:
    """A document that is written from top to bottom."""

    def __init__(self, face: Face, told: dict[str, Any], folders: Sequence[Path], made_at: datetime) -> None:
        from fpdf import FPDF  # 0.2 s that only whoever wants a file needs

        logging.getLogger("fontTools").setLevel(logging.WARNING)
        logging.getLogger("fpdf").setLevel(logging.ERROR)
        self._told = told
        self._fonts = Fonts(folders=tuple(str(each) for each in folders))
        self._pdf: FPDF = FPDF(format="A4")
        self._pdf.set_creation_date(made_at)
        for style, path in (("", face.plain), ("B", face.bold)):
            self._pdf.add_font(FONT, style, path, collection_font_number=face.place)
        self._pdf.set_title(f"{told['title']} {told['period']}")
        self._pdf.set_lang("zh-CN" if face.chinese else "en")
        self._pdf.set_auto_page_break(True, 18)
        self._pdf.set_margins(16, 16)
        self._pdf.add_page()

    def bytes(self) -> bytes:
        """Write all of it."""
        told = self._told
        self._line(f"{told['title']} · {told['period']}", TITLE, bold=True)
        self._line(f"{told['scope']} · {told['made_at']}", SMALL, QUIET)
        for text in told["special"]:
            self._line(text, TEXT, bold=True)
        for chapter in told["chapters"]:
            self._chapter(chapter)
        out = io.BytesIO()
        self._pdf.output(out)
        return out.getvalue()

    def _chapter(self, chapter: dict[str, Any]) -> None:
        if chapter["team"]:
            self._pdf.ln(4)
            self._line(chapter["team"], SECTION + 2, bold=True)
        for part in ("changed", "worst", "todo"):
            self._pdf.ln(2)
            self._line(self._told["words"][part], SECTION, bold=True)
            for each in chapter[part]:
                self._line(f"• {each['text']}", TEXT, link=each["url"])
        for table in chapter["tables"]:
            self._table(table)

    def _table(self, table: dict[str, Any]) -> None:
        self._pdf.ln(4)
        if self._pdf.will_page_break(40):
            self._pdf.add_page()
        self._line(table["title"], SECTION, bold=True)
        if table["note"]:
            self._line(table["note"], SMALL, QUIET)
        self._chart(table["chart"])
        if not table["rows"]:
            return
        self._pdf.set_font(FONT, size=SMALL)
        self._pdf.set_draw_color(*LINE)
        aligned = tuple("RIGHT" if head["number"] else "LEFT" for head in table["heads"])
        with self._pdf.table(
            text_align=aligned, borders_layout="HORIZONTAL_LINES", line_height=5.2, padding=(0.7, 2),
            col_widths=_widths(table),
        ) as grid:  # fmt: skip # packed, to be read at a glance
            grid.row([head["text"] for head in table["heads"]])
            for row in table["rows"][:MOST_ROWS]:
                self._row(grid, row)
        if table["more"]:
            self._line(table["more"], SMALL, QUIET)

    def _row(self, grid: Any, row: dict[str, Any]) -> None:
        from fpdf.fonts import FontFace

        style = FontFace(fill_color=MARKED) if row["marked"] else None
        written = grid.row(style=style)
        for cell in row["cells"]:
            written.cell(cell["text"], link=cell["url"] or None)

    def _chart(self, chart: Chart | None) -> None:
        picture = chart.to_png(fonts=self._fonts) if chart is not None else None
        if chart is None or picture is None:
            return
        if self._pdf.will_page_break(60):
            self._pdf.add_page()
        self._pdf.image(io.BytesIO(picture), w=CHART_WIDTH, alt_text=chart.summary or chart.title)
        self._pdf.ln(2)

    def _line(
        self,
        text: str,
        size: float,
        colour: tuple[int, int, int] = INK,
        *,
        bold: bool = False,
        link: str = "",
    ) -> None:
        self._pdf.set_font(FONT, "B" if bold else "", size)
        self._pdf.set_text_color(*colour)
        self._pdf.multi_cell(0, size * 0.53, text, align="LEFT", link=link, new_x="LMARGIN", new_y="NEXT")
        self._pdf.set_text_color(*INK)


def _widths(table: dict[str, Any]) -> tuple[int, ...]:
    """As wide as the longest of what stands in a column, within reason; Chinese counts double."""
    rows = [[head["text"] for head in table["heads"]]]
    rows += [[cell["text"] for cell in row["cells"]] for row in table["rows"][:MOST_ROWS]]
    return tuple(min(40, max(6, *(_wide(row[place]) for row in rows))) for place in range(len(rows[0])))


def _wide(text: str) -> int:
    return sum(2 if ord(char) > 0x2E7F else 1 for char in text)
