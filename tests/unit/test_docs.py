"""What the documents say is so: links lead somewhere, what is named exists, the drawing is the contract."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from typer.main import get_command

from tests.architecture.tree import ROOT
from workers.cli.app import make_app
from workers.settings.load import load_settings

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *(ROOT / "ops").rglob("*.md"))
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
)
COVERAGE = ROOT / "ops" / "coverage.md"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PLACE = re.compile(r"`((?:workers|models|templates|tests|ops)/[\w./-]*)`")
SETTING = re.compile(r"\bCLOSELOOP_[A-Z_]+\b")
COMMAND = re.compile(r"(?<![\w/])(?:\.venv/bin/)?closeloop((?: +[a-z][a-z-]*)+)")
FENCE = re.compile(r"^```(\S*)\n(.*?)^```", re.S | re.M)
OPTION = re.compile(r"(?<=\s)--[a-z][a-z-]+")


def _text(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_relative_link_leads_to_a_file(document: str) -> None:
    folder = (ROOT / document).parent
    targets = [target for target in LINK.findall(_text(document)) if "://" not in target]
    paths = [target.partition("#")[0] for target in targets if not target.startswith(("#", "mailto:"))]
    assert [path for path in paths if not (folder / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_place_that_is_named_exists(document: str) -> None:
    assert [place for place in PLACE.findall(_text(document)) if not (ROOT / place).exists()] == []


def test_every_dependency_has_its_reason_on_record() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = [re.split(r"[\[<>=; ]", each)[0] for each in wanted]
    records = "".join(
        path.read_text("utf-8") for path in (ROOT / "ops" / "decisions").glob("*-dependencies-*.md")
    )
    cells = " ".join(line.split("|")[1] for line in records.splitlines() if line.startswith("|")).lower()
    assert [name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", cells)] == []


def test_coverage_names_only_tests_that_exist() -> None:
    named = TEST.findall(COVERAGE.read_text("utf-8"))
    assert len(named) > 40
    assert [f"{path}::{name}" for path, name in named if name not in _tests_in(path)] == []


def test_coverage_has_one_row_for_each_requirement_at_most() -> None:
    rows = re.findall(r"^\| ([A-F]\d+) \|", COVERAGE.read_text("utf-8"), re.M)
    assert rows
    assert sorted(set(rows)) == sorted(rows)


@cache
def _tests_in(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.exists():
        return frozenset()
    tree = ast.parse(file.read_text("utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


@pytest.mark.parametrize(
    ("contract", "fence"), [("layers", "layers"), ("families", "model-layers")], ids=["workers", "models"]
)
def test_the_drawn_layers_are_those_that_are_checked(contract: str, fence: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    checked = next(each["layers"] for each in contracts if each["id"] == contract)
    drawn = next(
        body for name, body in FENCE.findall(_text("ops/docs/architecture.md")) if name == fence
    ).splitlines()
    assert drawn == [layer.replace("(", "").replace(")", "") for layer in checked]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_setting_that_is_named_exists(document: str) -> None:
    named = {
        name.removesuffix("_FILE") for name in SETTING.findall(_text(document)) if not name.endswith("_")
    }
    assert sorted(name for name in named if not _is_setting(name)) == []


def _is_setting(name: str) -> bool:
    """Settings complain of names they do not know; the value given here may be as wrong as it likes."""
    try:
        load_settings({name: "?"})
    except Exception as error:
        return f"{name} is not a setting" not in str(error)
    return True


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_is_named_exists(document: str) -> None:
    wrong = [" ".join(words) for words, _ in _named_commands(document) if _options_of(words) is None]
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_that_is_named_belongs_to_its_command(document: str) -> None:
    wrong = [
        f"{' '.join(words)} {option}"
        for words, options in _named_commands(document)
        for option in options
        if option not in (_options_of(words) or {option})
    ]
    assert wrong == []


def _named_commands(document: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Commands in code, with their options: `closeloop staff add CS001 … --team support`."""
    text = _text(document)
    outside = FENCE.sub("", text)
    lines = [line for _, body in FENCE.findall(text) for line in body.splitlines()]
    for line in (*lines, *re.findall(r"`([^`\n]+)`", outside)):
        code = line.partition(" # ")[0]
        found = COMMAND.search(code)
        if found:
            yield _command(tuple(found[1].split())), tuple(OPTION.findall(code))


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that name the command; what follows them are its arguments."""
    groups = {
        *("communications", "customer", "staff", "team", "duty", "report", "intake", "policy", "survey"),
        *("webhook", "audit", "keys", "tables", "targets", "improvements", "knowledge", "backup"),
    }
    return words[: 2 if words[0] in groups else 1]


@cache
def _options_of(words: tuple[str, ...]) -> frozenset[str] | None:
    """The options of a command; None when there is no such command."""
    command: Any = get_command(make_app())
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return None
    names = (name for each in command.params for name in (*each.opts, *each.secondary_opts))
    return frozenset((*names, "--help"))
