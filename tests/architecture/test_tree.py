"""The tree stays readable: who looks for a thing finds it where it belongs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, python_files, scripts

GIVEN = {"pyproject.toml", "workers", "templates", "models", "tests", "ops", "README.md"}
ALSO_ALLOWED = {"LICENSE"}
MADE_HERE = {"build", "dist", "data"}  # not part of the project, see .gitignore
LONGEST_FILE = 300
REMOVED_IN_312 = {"smtpd"}  # nobody imports the standard library's old one any more


def test_the_top_level_is_as_given() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - MADE_HERE - ALSO_ALLOWED == GIVEN


def test_no_script_stands_beside_a_module_named_like_one_of_the_standard_library() -> None:
    # Python looks for modules beside the script first, so `queue.py` there would be everybody's `queue`.
    beside_scripts = {ROOT / "workers", ROOT / "models"}
    beside_scripts |= {path.parent for path in scripts()}
    beside_scripts |= {(ROOT / path).parent for path in python_files("ops")}
    names = {str(path.relative_to(ROOT)): path.stem for folder in beside_scripts for path in folder.iterdir()}
    taken = sys.stdlib_module_names - REMOVED_IN_312
    assert [path for path, name in names.items() if name in taken] == []


def test_files_are_about_one_thing() -> None:
    lines = {str(path): (ROOT / path).read_text().count("\n") for path in python_files("workers", "models")}
    assert {path: count for path, count in lines.items() if count > LONGEST_FILE} == {}


@pytest.mark.parametrize("script", [str(path.relative_to(ROOT)) for path in scripts()])
def test_a_script_can_be_started(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK), "is not executable"
    if "bash" in path.read_text().partition("\n")[0]:
        checked = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
    else:
        compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize("command", ["ops/demo", "ops/test"])
def test_the_readme_names_its_two_commands(command: str) -> None:
    assert Path(ROOT / command).exists()
    assert command in (ROOT / "README.md").read_text()
