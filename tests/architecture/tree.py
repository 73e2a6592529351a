"""The project's files, as the architecture tests look at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OTHERS = {"node_modules", ".venv", "__pycache__"}
"""Folders with other people's code, which packages were installed into."""


def _files(room: str, pattern: str) -> Iterator[Path]:
    for path in (ROOT / room).rglob(pattern):
        if not OTHERS.intersection(path.parts[len(ROOT.parts) :]):
            yield path


def python_files(*rooms: str) -> list[Path]:
    """All Python files in the named top-level folders, sorted, as paths from the root."""
    return sorted(path.relative_to(ROOT) for room in rooms for path in _files(room, "*.py"))


def scripts() -> Iterator[Path]:
    """Files that are run by name: those in ops and .ci whose first line says by what."""
    for path in sorted([*_files("ops", "*"), *_files(".ci", "*")]):
        if path.is_file() and path.read_bytes()[:2] == b"#!":
            yield path


def named(paths: Iterable[Path]) -> list[str]:
    """The paths as text, for the names of parametrised tests."""
    return [str(path) for path in paths]
