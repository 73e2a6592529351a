"""What the pages tell people to type can be typed, and what only looks runs on a fresh installation."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from tests.architecture.tree import ROOT
from tests.command_line import CommandLine
from workers.cli.app import make_app

DOCS = ROOT / "ops" / "docs"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *DOCS.glob("*.md")))
FENCE = re.compile(r"^```\S*\n(.*?)^```", re.S | re.M)
LINE = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?closeloop (.+)$")
OPEN = re.compile(r"[…<>|$&;]|\.\.\.|\bCS\d")
"""What makes a line an example with a gap, or more than one command."""
LOOKS = {("check",), ("preview",), ("staff", "list"), ("team", "list"), ("keys", "status")}


def _lines(page: str) -> list[list[str]]:
    """The commands of a page's blocks, without what is said behind a #."""
    blocks = "".join(FENCE.findall((ROOT / page).read_text("utf-8"))).replace("\\\n", " ")
    found = [match[1] for line in blocks.splitlines() if (match := LINE.match(line))]
    return [shlex.split(line, comments=True) for line in found if not OPEN.search(line.partition(" #")[0])]


@cache
def _app() -> Any:
    return typer.main.get_command(make_app())


def _mistake(words: list[str]) -> str:
    """What the command line would say of the words, without doing what they ask for; "" if nothing.

    That a file of an example is not here is no mistake.
    """
    command = _app()
    context = command.make_context("closeloop", list(words))
    try:
        while hasattr(command, "resolve_command") and (rest := [*context._protected_args, *context.args]):
            name, command, rest = command.resolve_command(context, rest)
            context = command.make_context(name, list(rest), parent=context)
    except typer.Exit:  # --help
        return ""
    except Exception as error:
        said = getattr(error, "format_message", None)
        if said is None:
            raise
        missing = "does not exist" in said()
        return "" if missing else f"closeloop {shlex.join(words)}: {said()}"
    return ""


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_block_is_one_that_can_be_given(page: str) -> None:
    told = [said for words in _lines(page) if (said := _mistake(words))]
    assert told == [], f"put {page} right, or the command"


def test_a_command_that_cannot_be_given_is_told() -> None:
    assert "No such command" in _mistake(["prevew", "receipt"])
    assert "No such option" in _mistake(["preview", "receipt", "--locales", "en"])
    assert "Missing argument" in _mistake(["explain"])


def test_what_only_looks_runs_on_a_fresh_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    assert closeloop("migrate").code == 0
    lines = {tuple(words) for page in PAGES for words in _lines(page)}
    looks = sorted(words for words in lines if words[:1] in LOOKS or words[:2] in LOOKS)
    assert len(looks) >= 4
    assert [f"{shlex.join(words)}: {said.err}" for words in looks if (said := closeloop(*words)).code] == []


def test_every_page_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text("utf-8")))
    pages = {path.name for path in DOCS.glob("*.md")} - {"README.md"}
    assert sorted(pages - linked) == [], "name them in ops/docs/README.md"


def test_the_table_of_customers_texts_says_which_mails_and_sms_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (yes)? ?\| (yes)? ?\|$", _customers_texts(), re.M)
    there = {
        name: (Path(ROOT / "templates/email" / name).is_dir(), Path(ROOT / "templates/sms" / name).is_dir())
        for name, _, _ in rows
    }
    assert {name: (bool(mail), bool(sms)) for name, mail, sms in rows} == there
    every_sms = {path.name for path in (ROOT / "templates/sms").iterdir() if path.is_dir()}
    assert every_sms <= set(there), "only customers get SMS"


def test_an_own_file_wins_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    place = "templates/email/receipt/en/subject.txt"
    assert f"`data/{place}`" in _customers_texts()
    own = closeloop.data / place
    own.parent.mkdir(parents=True)
    own.write_text("We are on it, [{{ ticket.number }}]")
    shown = closeloop("preview", "receipt", "--locale", "en")
    assert (shown.code, "We are on it, [CS" in shown.out) == (0, True)


def _customers_texts() -> str:
    return (DOCS / "customer-texts.md").read_text("utf-8")
