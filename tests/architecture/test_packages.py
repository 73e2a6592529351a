"""What is installed is what was pinned, and nobody else claims our folders."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement

from tests.architecture.tree import ROOT

LOCKS = ROOT / "ops" / "requirements"
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)


@pytest.mark.parametrize("folder", ["workers", "models", "templates"])
def test_no_other_distribution_owns_a_folder_of_ours(folder: str) -> None:
    # The names are short, so a package that installs a folder of the same name would mix with ours.
    assert set(packages_distributions().get(folder, [])) <= {"closeloop"}


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_the_locks_are_in_step_with_what_the_project_asks_for(lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"])
    if lock == "dev":
        wanted += project["dependency-groups"]["dev"]
    pinned = {_plain(name): version for name, version in _pins(lock).items()}
    missing = [
        text
        for text in wanted
        if (requirement := Requirement(text)).specifier.contains(pinned.get(_plain(requirement.name), "0"))
        is False
    ]
    assert missing == [], "run ops/lock"


def test_what_is_tested_is_what_is_run() -> None:
    assert _pins("run").items() <= _pins("dev").items()


@pytest.mark.parametrize("lock", ["build", "run", "dev"])
def test_a_lock_works_on_any_machine(lock: str) -> None:
    text = (LOCKS / f"{lock}.lock").read_text()
    assert not re.search(r"file:|https?://|--index-url|--find-links|--trusted-host| @ ", text)
    assert all("--hash=sha256:" in entry for entry in PIN.split(text)[3::3])


def _pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((LOCKS / f"{lock}.lock").read_text()))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
