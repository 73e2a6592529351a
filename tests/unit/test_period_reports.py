"""A report's schedule by the wall clock, its words, its workbook and its document to print."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pypdfium2
import pytest
from openpyxl import load_workbook

from tests.debian_programs import CHROMIUM, root_of
from tests.report_sample import LOW, sample_report
from tests.servers import ServerMissing
from workers.calendars import Calendar
from workers.errors import PolicyError
from workers.policy import load_policy, parse_policy
from workers.policy.report_parts import ReportsPart
from workers.rendering import LOCALES, Renderer
from workers.reports import Press, as_json, from_json
from workers.reports import fonts as fonts_module
from workers.reports.periods import dues

BERLIN = ZoneInfo("Europe/Berlin")
renderer = Renderer()
PUBLIC = "https://support.example.com"


def due(part: ReportsPart, calendar: Calendar, since: str, days: int) -> list[tuple[str, str, str]]:
    """Kind, moment (UTC) and first day of what is due."""
    begin = datetime.fromisoformat(since).replace(tzinfo=UTC)
    found = dues(part, calendar, begin, begin + timedelta(days=days))
    return [(each.kind, f"{each.at:%m-%d %H:%M}", each.period.first_day.isoformat()) for each in found]


def test_a_report_is_due_at_the_same_wall_clock_before_and_after_the_change_of_the_clock() -> None:
    part = ReportsPart(weekly="mon 08:30", monthly="none", quarterly="none")
    found = due(part, Calendar.always(BERLIN), "2026-03-20", 14)
    assert found == [("weekly", "03-23 07:30", "2026-03-16"), ("weekly", "03-30 06:30", "2026-03-23")]
    (before, after) = dues(part, Calendar.always(BERLIN), *_span("2026-03-20", 14))
    assert before.period.last - before.period.first == timedelta(days=7)
    assert after.period.last - after.period.first == timedelta(days=7, hours=-1)


def test_a_time_that_the_change_of_the_clock_leaves_out_is_the_moment_of_the_change() -> None:
    part = ReportsPart(weekly="sun 02:30", monthly="none", quarterly="none", on_working_days=False)
    assert due(part, Calendar.always(BERLIN), "2026-03-28", 3) == [("weekly", "03-29 01:00", "2026-03-16")]


def test_a_day_off_passes_its_report_on_to_the_next_working_day() -> None:
    calendar = load_policy("support-response").calendar
    part = ReportsPart(weekly="none")
    # 1 to 7 October 2026 are holidays in China; the quarter begins with them as well.
    assert due(part, calendar, "2026-09-30", 12) == [
        ("monthly", "10-08 01:00", "2026-09-01"),
        ("quarterly", "10-08 01:00", "2026-07-01"),
    ]
    early = ReportsPart(weekly="none", on_working_days=False)
    assert [each[1] for each in due(early, calendar, "2026-09-30", 12)] == ["10-01 01:00"] * 2


def _span(since: str, days: int) -> tuple[datetime, datetime]:
    begin = datetime.fromisoformat(since).replace(tzinfo=UTC)
    return begin, begin + timedelta(days=days)


@pytest.mark.parametrize(
    "wrong", ['weekly = "someday"', 'monthly = "31 09:00"', 'weekly = "mon 8"', "least = 1"]
)
def test_a_time_that_is_none_is_refused_with_its_line(wrong: str) -> None:
    text = f"{load_policy('support-response').version_text}\n[reports]\n{wrong}\n"
    with pytest.raises(PolicyError, match=f"line {len(text.splitlines())}"):
        parse_policy(text)


def test_a_report_is_the_same_after_it_was_kept() -> None:
    report = sample_report()
    kept = json.loads(json.dumps(as_json(report)))
    assert json.loads(json.dumps(as_json(from_json(kept)))) == kept


@pytest.mark.parametrize("locale", LOCALES)
def test_the_sample_of_the_mail_is_what_the_report_says(locale: str) -> None:
    name, aim = {"zh_CN": ("陈静", "半小时内答复"), "en": ("Chen Jing", "Answer within half an hour")}[locale]
    facts = {"document": as_json(sample_report(name, aim)), "attach": "none"}
    enclosed = Press(renderer, PUBLIC).enclose(facts, locale)
    assert len(enclosed.images) == 3
    told: dict[str, Any] = enclosed.facts["report"]
    for chapter in told["chapters"]:
        for table in chapter["tables"]:
            table["chart"] = None  # pictures are not the same on each machine
    assert renderer.sample("period_report", locale)["report"] == told


@pytest.mark.parametrize("locale", LOCALES)
def test_without_pictures_all_figures_stand_in_tables(locale: str) -> None:
    press = Press(renderer, PUBLIC)
    enclosed = press.enclose({"document": as_json(sample_report())}, locale)
    facts = {**renderer.sample("period_report", locale), **enclosed.facts}
    mail = renderer.render_mail("period_report", locale, facts)
    for image in enclosed.images:
        assert mail.html.count(f"cid:{image.content_id}") == 1
    assert mail.html.count("<img") == mail.html.count(' alt="') == 3
    for table in ("response_times", "csat_dimensions", "weak_links"):
        rows = next(each.rows for _, each in sample_report().tables() if each.code == table)
        saying = press.saying(sample_report(), locale)
        told = saying.table(sample_report().table(table))  # type: ignore[arg-type]  # it is there
        assert len(told["rows"]) == len(rows)
        for row in told["rows"]:
            assert all(cell["text"] in mail.html for cell in row["cells"] if cell["brief"])
            assert all(cell["text"] in mail.text for cell in row["cells"] if cell["brief"])


def test_the_workbook_has_a_sheet_for_each_table_with_numbers_as_numbers() -> None:
    file = Press(renderer).file(sample_report("=cmd()"), "zh_CN", "xlsx")
    assert file is not None
    book = load_workbook(io.BytesIO(file.content))
    assert len(book.worksheets) == 1 + len(list(sample_report().tables()))
    rows = list(book["各维度满意度"].iter_rows(min_row=2, values_only=True))
    assert ("响应速度", 75, 3.62, 3.3, 3.94, LOW) in rows
    assert [row[2] for row in book["超时最严重的请求"].iter_rows(min_row=2, values_only=True)] == [
        9_840,
        5_400,
    ]
    names = [row[1] for row in book["个人超时次数"].iter_rows(min_row=2)]
    assert (names[0].value, names[0].data_type) == ("=cmd()", "s"), "a name is no formula"


def test_a_document_in_english_needs_no_font_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts_module, "FOLDERS", ())
    file = Press(renderer, PUBLIC).file(sample_report("Chen Jing", "Answer soon"), "en", "pdf")
    assert file is not None
    words = read(file.content)
    for expected in ("Monthly report · May 2024", "486", "25.5 %", "2 h 44 min", "3.62", "CS202405210014"):
        assert expected in words


def test_without_a_chinese_font_the_workbook_takes_the_documents_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fonts_module, "FOLDERS", ())
    press = Press(renderer, PUBLIC)
    assert press.file(sample_report(), "zh_CN", "pdf") is None
    enclosed = press.enclose({"document": as_json(sample_report()), "attach": "pdf"}, "zh_CN")
    assert [file.name for file in enclosed.files] == ["monthly-2024-05-01.xlsx"]
    mail = renderer.render_mail(
        "period_report", "zh_CN", {**renderer.sample("period_report", "zh_CN"), **enclosed.facts}
    )
    assert "没有中文字体" in mail.text


def test_a_document_in_chinese_carries_its_letters() -> None:
    folder = chinese_fonts()
    file = Press(renderer, PUBLIC, (folder,)).file(sample_report(), "zh_CN", "pdf")
    assert file is not None
    words = read(file.content)
    for expected in (
        "月报 · 2024年5月",
        "首次响应时长分布",
        "2小时44分",
        "30 分钟内",
        "半小时内答复",
        "3.62",
    ):
        assert expected in words
    assert len(file.content) < 400_000


def chinese_fonts() -> Path:
    """The folder of the fonts that come with the tests' browser, or the system's."""
    try:
        return root_of(CHROMIUM) / "usr/share/fonts"
    except ServerMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def read(content: bytes) -> str:
    """All words of a document."""
    document = pypdfium2.PdfDocument(content)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()
