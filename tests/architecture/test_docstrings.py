"""Whoever opens a file is told what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import ROOT, python_files


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path)
        for path in python_files("workers", "models", "templates", "ops", "tests")
        if not ast.get_docstring(_parsed(path))
    ]
    assert silent == []


def test_every_public_function_and_class_says_what_it_takes_and_gives() -> None:
    silent = [
        f"{path}: {name}"
        for path in python_files("workers", "models")
        if "versions" not in path.parts  # a migration's docstring says what its two functions do
        for name in _public_without_docstring(_parsed(path))
    ]
    assert silent == []


def _parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def _public_without_docstring(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not node.name.startswith("_") and not ast.get_docstring(node):
            yield node.name
