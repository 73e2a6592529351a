"""The migrations as files: which there are, what each says it does, and whether it takes something away.

A migration that says `CONTRACT = True` takes away or renames what earlier versions of closeloop use: it may
only run once none of these works on the database any more. All others only add, and old processes go on.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Revision:
    """One migration: its number, the first line of what it says, whether it contracts."""

    number: str
    says: str
    contract: bool


def newest(folder: Path | None = None) -> str:
    """The newest revision this program knows; files of migrations are named by their revision, in order."""
    # By their names, since Alembic's own way costs 0.4 s at each start and each command.
    names = [path.name for path in _files(folder)]
    if not names:
        raise RuntimeError(f"no migrations in {folder or MIGRATIONS}")
    return max(names).partition("_")[0]


def after(revision: str | None, folder: Path | None = None) -> list[Revision]:
    """The migrations that a database at `revision` (None: an empty one) has still to go through, in order."""
    return [_read(path) for path in sorted(_files(folder)) if path.name.partition("_")[0] > (revision or "")]


def tolerated(found: str | None, needs: str | None, known: str = "") -> bool:
    """Whether a program that knows `known` (this one) can work on a database at `found`, which needs `needs`.

    One that is older lacks tables. One that is newer has more of them, which does no harm, unless something
    was taken away that this program uses.
    """
    head = known or newest()
    return found is not None and (found == head or (found > head and (needs or "") <= head))


def _files(folder: Path | None) -> list[Path]:
    return list(((folder or MIGRATIONS) / "versions").glob("[0-9]*_*.py"))


def _read(path: Path) -> Revision:
    tree = ast.parse(path.read_text("utf-8"))
    contract = any(
        isinstance(line, ast.Assign)
        and any(isinstance(name, ast.Name) and name.id == "CONTRACT" for name in line.targets)
        and isinstance(line.value, ast.Constant)
        and line.value.value is True
        for line in tree.body
    )
    says = (ast.get_docstring(tree) or path.stem).splitlines()[0]
    return Revision(path.name.partition("_")[0], says, contract)
