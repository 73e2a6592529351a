"""The words, charts and files of a report's mail, from the figures that were kept in its notification."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from workers.charts import Chart, Fonts
from workers.delivery.enclosures import Enclosed
from workers.delivery.parts import AttachedFile
from workers.rendering import InlineImage, Renderer, fall_back
from workers.reports.document import Report, from_json
from workers.reports.pdf import pdf
from workers.reports.saying import Saying, Word
from workers.reports.workbook import workbook

PDF_TYPE = "application/pdf"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LARGEST_PICTURES = 300_000
"""Bytes of all pictures of one mail; further charts are left out, their tables stay."""
CHART_WIDTH = 400
NO_FONT = "no_font"
FONTS = "fonts"
"""The folder below the data folder in which an operator may put fonts."""


@dataclass(frozen=True, slots=True)
class Press:
    """Makes of a report what people read. `folders` may have fonts, `public` begins addresses."""

    renderer: Renderer
    public: str = ""
    folders: Sequence[Path] = ()

    def saying(self, report: Report, locale: str) -> Saying:
        """The report's words in a locale."""
        return Saying(words_of(self.renderer), fall_back(locale), ZoneInfo(report.zone), self.public)

    def file(self, report: Report, locale: str, form: str) -> AttachedFile | None:
        """The report as `pdf` or `xlsx`; None where this machine has no font for its PDF."""
        saying = self.saying(report, locale)
        name = f"{report.kind}-{report.first_day.isoformat()}.{form}"
        if form == "xlsx":
            return AttachedFile(name, XLSX_TYPE, workbook(report, saying))
        document = pdf(report, saying, self.folders)
        return None if document is None else AttachedFile(name, PDF_TYPE, document)

    def enclose(self, facts: Mapping[str, Any], locale: str) -> Enclosed:
        """What goes with the mail: a workbook takes the place of a PDF that this machine cannot write."""
        report = from_json(facts["document"])
        told = self.saying(report, locale).report(report)
        images = self._pictures(told)
        form, note = facts.get("attach", "none"), ""
        if form == "none":
            return Enclosed({"report": told, "file_note": note}, images)
        file = self.file(report, locale, form)
        if file is None:
            note, file = NO_FONT, self.file(report, locale, "xlsx")
        return Enclosed({"report": told, "file_note": note}, images, (file,) if file else ())

    def _pictures(self, told: dict[str, Any]) -> tuple[InlineImage, ...]:
        """Draw the charts; in the words each becomes what a template needs to show it, or nothing."""
        images: list[InlineImage] = []
        room = LARGEST_PICTURES
        for chapter in told["chapters"]:
            for table in chapter["tables"]:
                image = self._picture(table["chart"])
                if image is None or len(image.content) > room:
                    table["chart"] = None
                    continue
                room -= len(image.content)
                images.append(image)
                table["chart"] = {"cid": f"cid:{image.content_id}", "alt": alt(table), "width": CHART_WIDTH}
        return tuple(dict.fromkeys(images))

    def _picture(self, chart: Chart | None) -> InlineImage | None:
        drawn = chart.to_png(CHART_WIDTH, Fonts(folders=tuple(map(str, self.folders)))) if chart else None
        if drawn is None:
            return None
        return InlineImage(hashlib.sha256(drawn).hexdigest()[:32] + "@inline", "png", drawn)


def words_of(renderer: Renderer) -> Word:
    """The words of the labels, the operator's own among them."""

    def word(code: str, group: str, locale: str) -> str:
        if group == "reason":
            return renderer.reason_words(code, locale) or code
        return renderer.word(code, group, locale)

    return word


def alt(table: Mapping[str, Any]) -> str:
    """A chart in words: its title and what it says; the figures stand in the table below it."""
    chart: Chart = table["chart"]
    return (
        f"{chart.title}: {chart.summary}" if chart.summary and chart.summary != chart.title else chart.title
    )
