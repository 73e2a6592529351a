"""HTML bodies as text, and made safe to show."""

# Tables of mails as they are read best unbroken.
# ruff: noqa: E501

import time

import pytest

from workers.intake.html import sanitise, to_text


def test_blocks_become_lines_and_style_disappears() -> None:
    html = "<head><style>p{}</style></head><p>One<br>two</p><ul><li>a</li><li>b</li></ul><table><tr><td>1<td>2</table>"
    assert to_text(html).text == "One\ntwo\n\n- a\n- b\n\n1 2"


def test_preformatted_text_keeps_its_lines() -> None:
    assert to_text("<pre>a\n  b</pre>").text == "a\n  b"


def test_a_quotation_is_left_out_only_when_asked() -> None:
    html = "<div>new</div><blockquote type=cite>old</blockquote>"
    assert to_text(html) == ("new\n\nold", False)
    assert to_text(html, quotations=False) == ("new", True)


@pytest.mark.parametrize(
    "html",
    ["<script>x</script>", "<img src=http://t.example/p.gif>", "<a href='javascript:x'>y</a>", "<p onclick=x>y</p>"]
)  # fmt: skip # packed, to be read at a glance
def test_nothing_active_and_nothing_remote_is_shown(html: str) -> None:
    shown = sanitise(html)
    assert not any(word in shown for word in ("script", "img", "onclick"))


@pytest.mark.parametrize(
    "html",
    ["<div>" * 100_000, "<div></x>" * 100_000, "&" * 2_000_000, "<" * 2_000_000, "<font>" * 20_000 + "</p>" * 20_000,
     "<a " + "b " * 500_000 + ">", "<style>" * 200_000, "<p>x</p>" * 50_000, "<svg><p>" * 50_000]
)  # fmt: skip # packed, to be read at a glance
def test_hostile_html_costs_no_time(html: str) -> None:
    began = time.process_time()
    to_text(html, quotations=False)
    sanitise(html)
    assert time.process_time() - began < 3
