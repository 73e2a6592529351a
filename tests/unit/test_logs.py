"""Log lines say what failed and where, never what a customer wrote or where they live."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog

from workers.cli.logs import set_up_logs, tell_error, without_personal_data
from workers.errors import InvalidInput


def _failed(error: Exception) -> MutableMapping[str, Any]:
    try:
        raise error
    except Exception as caught:
        return tell_error(None, "error", {"event": "x_failed", "exc_info": caught})


def test_an_exception_becomes_its_kind_and_its_places_without_its_words() -> None:
    told = _failed(ValueError("INSERT … VALUES ('lina@163.example', '李娜')"))
    assert told["error"] == "ValueError"
    assert any(place.startswith("test_logs.py:") for place in told["at"])
    assert "lina" not in str(told)
    assert "exc_info" not in told


def test_our_own_errors_keep_their_words() -> None:
    assert _failed(InvalidInput("a transfer needs a reason"))["message"] == "a transfer needs a reason"


def test_the_cause_of_a_failure_is_named_too() -> None:
    error = RuntimeError("outer")
    error.__cause__ = TimeoutError("inner")
    assert _failed(error)["error"] == "RuntimeError < TimeoutError"


def test_the_present_exception_is_found_by_its_flag() -> None:
    try:
        raise KeyError("lina@163.example")
    except KeyError:
        told = tell_error(None, "error", {"event": "x", "exc_info": True})
    assert told["error"] == "KeyError"
    assert tell_error(None, "info", {"event": "x"}) == {"event": "x"}


@pytest.mark.parametrize("words", ["bounced: lina@163.example unknown", "called +86 138 0000 5678"])
def test_addresses_and_numbers_that_slipped_in_are_masked(words: str) -> None:
    told = without_personal_data(None, "info", {"event": words, "number": 5, "logger": "a@b.example"})
    assert "lina" not in told["event"]
    assert "5678" not in told["event"]
    assert told["number"] == 5


@pytest.mark.parametrize("people", [True, False])
def test_no_value_begins_a_line_or_speaks_to_the_terminal(
    people: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    hostile = 'x\r\n{"event": "forged"}\n\x1b[31mred \x9b31m \u2028 \u202eback \x00\x07 \u2066'
    root = logging.getLogger()
    before = (root.handlers[:], root.level, structlog.get_config())
    try:
        set_up_logs("info", people=people)
        structlog.get_logger("ours").info("asked", path=hostile, many=[hostile], inner={"a": hostile})
        logging.getLogger("theirs").warning("GET %s", hostile)
    finally:
        root.handlers[:], root.level = before[:2]
        structlog.configure(**before[2])
    said = capfd.readouterr().err
    if people:
        said = re.sub("\x1b\\[[0-9;]*m", "", said.replace("\x1b[31mred", "(red)"))  # its own colours
    assert said.count("\n") == 2
    assert "(red)" not in said
    assert [char for char in said.replace("\n", "") if not char.isprintable()] == []
