"""Charts: the same figures as SVG, PNG and table; whatever names say, and whatever fonts a machine has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from justhtml import JustHTML

from tests.debian_programs import CHROMIUM, root_of
from tests.servers import ServerMissing
from workers.charts import Chart, Fonts, Series, Unit, bars, histogram, lines, words_of
from workers.charts.fonts import fitting, width_of
from workers.charts.picture import drawable
from workers.charts.units import steps
from workers.errors import InvalidInput

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</text></svg><style>*{display:none}</style>",
    "{{ 7*7 }} &amp; ]]>",
    "a\x00b\x1b[31m\u202egpj",
    "好" * 5000,
    "",
)
SHAPES = {"svg", "title", "desc", "g", "rect", "path", "circle", "text"}
KEPT = {"class", "transform", "x", "y", "width", "height", "rx", "ry", "d", "cx", "cy", "r", "text-anchor"}
OWN = {"viewBox", "role", "aria-labelledby", "id"}
BARE = Fonts(system=False)
PNG = b"\x89PNG\r\n\x1a\n"
KINDS = pytest.mark.parametrize("kind", [bars, lines, histogram])


def shares(**said: object) -> Chart:
    return bars(
        "Share of 1–2",
        ["Attitude", "Speed", "Solved", "Ease"],
        [Series("Share", [0.149, 0.15, 0.4, None])],
        unit=Unit.PERCENT,
        highlight=0.15,
        **said,  # type: ignore[arg-type]  # whatever a test says
    )


def tree(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def named(tag: str) -> str:
    return tag.rpartition("}")[2]


def printed(svg: str) -> list[str]:
    """The words in a chart."""
    return [each.text or "" for each in tree(svg).iter() if named(each.tag) == "text"]


@KINDS
def test_names_become_words_and_nothing_else(kind: type) -> None:
    values = [float(place) for place in range(len(HOSTILE))]
    chart = kind(
        HOSTILE[0], HOSTILE, [Series(name, values, HOSTILE) for name in HOSTILE[1:4]], summary=HOSTILE[1]
    )
    svg = chart.to_svg(HOSTILE[1])
    for each in tree(svg).iter():
        assert named(each.tag) in SHAPES
        assert set(each.attrib) <= KEPT | OWN, each.attrib
    page = f"<!DOCTYPE html><html lang=en><head><title>t</title></head><body>{svg}</body></html>"
    found = JustHTML(page, collect_errors=True)
    assert found.errors == []
    assert not found.query("script, img, style")
    assert "\x00" not in svg
    assert "\u202e" not in svg
    assert len(svg) < 40_000
    assert chart.to_png(360, BARE).startswith(PNG)


def test_a_chart_has_a_name_and_a_description_of_its_own() -> None:
    root = tree(shares(summary="How many were low").to_svg("second"))
    assert root.get("role") == "img"
    said = {each.get("id"): each.text for each in root if each.get("id")}
    assert said == {"second-title": "Share of 1–2", "second-desc": "How many were low"}
    assert (root.get("aria-labelledby") or "").split() == list(said)


def test_what_has_reached_the_mark_is_marked_by_a_sign_too_and_a_line_stands_there() -> None:
    svg = shares().to_svg()
    assert [each for each in printed(svg) if each.endswith("!")] == ["40 % !", "15 % !"]
    assert "14.9 %" in printed(svg)
    assert len(re.findall(r'<rect[^>]*class="reactive marked"', svg)) == 2
    assert len(re.findall(r'class="major guide line"', svg)) == 1
    assert "15 %" in printed(svg)


def test_the_table_says_the_same_figures() -> None:
    chart = shares(head="Dimension", notes=["n = 7", "n = 20", "n = 5", ""], notes_head="From")
    assert chart.heads() == ["Dimension", "Share", "From"]
    assert chart.table() == [
        ["Attitude", "14.9 %", "n = 7"],
        ["Speed", "15 %", "n = 20"],
        ["Solved", "40 %", "n = 5"],
        ["Ease", "", ""],
    ]


def test_figures_that_are_not_there_leave_a_gap_or_say_why() -> None:
    gap = lines("t", list("abcde"), [Series("s", [1, 2, None, 4, 5])]).to_svg()
    assert len(re.findall(r'<path[^>]*class="line reactive nofill"', gap)) == 2
    assert gap.count("<circle") == 4
    few = bars("t", ["a", "b"], [Series("s", [3, None], ["", "too few"])]).to_svg()
    assert "too few" in printed(few)
    for nothing in (bars("t", [], [Series("s", [])]), lines("t", ["a"], [Series("s", [None])])):
        assert nothing.blank
        assert nothing.to_svg() == ""
        assert nothing.to_png() is None
    odd = bars("t", list("abc"), [Series("s", [float("nan"), float("inf"), -1])])
    assert odd.blank, "what is no figure is not drawn"


def test_bars_come_in_the_order_that_was_given_and_series_look_different() -> None:
    svg = bars("t", ["first", "second"], [Series("now", [9, 2]), Series("before", [4, 7])]).to_svg()
    at = {each.text: float(each.get("y") or 0) for each in tree(svg).iter() if named(each.tag) == "text"}
    assert at["first"] < at["second"]
    assert at["9"] < at["4"] < at["2"] < at["7"]
    assert {"serie-0", "serie-1"} <= set(re.findall(r"serie-\d", svg))
    assert {"now", "before"} <= set(printed(svg))


def test_what_is_too_much_for_one_chart_is_refused_or_cut() -> None:
    assert len(bars("t", ["x"] * 99, [Series("s", [1] * 99)]).labels) == 30
    with pytest.raises(InvalidInput):
        lines("t", ["x"] * 121, [Series("s", [1] * 121)])
    with pytest.raises(InvalidInput):
        lines("t", ["x"], [Series("s", [1])] * 5)
    with pytest.raises(InvalidInput):
        bars("t", ["x", "y"], [Series("s", [1])])
    assert _wide(shares().to_png(10**6, BARE)) == 2400


def _wide(picture: bytes | None) -> int:
    assert picture is not None
    return int.from_bytes(picture[16:20])


def chinese() -> Chart:
    return bars(
        "各类型", ["投诉建议", "VIP"], [Series("本期", [3700, 60]), Series("上期", [60, 60])],
        unit=Unit.SECONDS, locale="zh_CN",
    )  # fmt: skip # packed, to be read at a glance


def test_without_a_font_for_chinese_the_number_of_the_row_stands_there_and_no_box() -> None:
    assert BARE.can_draw("≤ 30 % – Köln …")
    assert not BARE.can_draw("中")
    shown = drawable(chinese(), BARE)
    assert list(shown.labels) == ["#1", "VIP"]
    assert [each.name for each in shown.series] == ["(1)", "(2)"]
    assert shown.text(shown.series[0], 0) == "1 h 1 min"
    assert chinese().to_png(360, BARE) == shown.to_png(360, BARE)
    assert chinese().table()[0][1] == "1小时1分", "the table says it in full"


def test_with_a_font_for_chinese_its_words_stand_there() -> None:
    try:
        folder = root_of(CHROMIUM) / "usr/share/fonts/opentype/noto"
    except ServerMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    there = Fonts(system=False, folders=(str(folder),))
    assert there.can_draw("投诉建议,满意度")
    assert list(drawable(chinese(), there).labels) == ["投诉建议", "VIP"]
    picture = chinese().to_png(360, there)
    assert _wide(picture) == 720
    assert picture != chinese().to_png(360, BARE)


def test_nothing_is_imported_before_something_is_drawn_and_nothing_stays_in_the_import_path() -> None:
    code = (
        "import sys; from workers.charts import *\n"
        "assert not {'pygal', 'resvg_py'} & sys.modules.keys()\n"
        "assert bars('t', ['a'], [Series('s', [1])]).to_svg()\n"
        "assert [type(each).__module__ for each in sys.meta_path if 'pygal' in type(each).__module__] == []\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=root, check=True)


@pytest.mark.parametrize(
    ("highest", "unit", "marks"),
    [
        (8, Unit.COUNT, [0, 2, 4, 6, 8]),
        (1, Unit.COUNT, [0, 1]),
        (0.33, Unit.PERCENT, [0, 0.1, 0.2, 0.3]),
        (4000, Unit.SECONDS, [0, 1800, 3600]),
        (90 * 86_400, Unit.SECONDS, [0, 25 * 86_400, 50 * 86_400, 75 * 86_400]),
        (3.2, Unit.SCORE, [1, 2, 3, 4, 5]),
    ],
)
def test_an_axis_has_a_few_round_marks(highest: float, unit: Unit, marks: list[float]) -> None:
    assert steps(highest, unit) == marks


def test_words_are_cut_by_the_room_they_take() -> None:
    assert fitting("投诉建议或者其他的事情", 12, 60) == "投诉建议…"
    assert fitting("Complaint", 12, 200) == "Complaint"
    assert width_of("ab中", 10) == pytest.approx(21.2)
    assert words_of(1234.5, Unit.COUNT, "en") == "1,234.5"
