"""Mail files as records: what the intake would make of them, without a database."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from workers.cli.output import complain, console
from workers.errors import UnreadableMail
from workers.intake.view import mail_view, unreadable_view

STDIN = "-"
LARGEST = 100 * 1024 * 1024
"""More of a file is not looked at: the cap on a mail's size is below it."""


def every_file(names: Iterable[str]) -> list[str]:
    """The files that `names` mean: folders with all that is below them, sorted, hidden ones left out."""
    found: list[str] = []
    for name in names:
        path = Path(name)
        if name != STDIN and path.is_dir():
            below = (each for each in path.rglob("*") if each.is_file())
            found += sorted(
                str(each)
                for each in below
                if not any(one.startswith(".") for one in each.relative_to(path).parts)
            )
        else:
            found.append(name)
    return found


def views(names: Sequence[str], own: Collection[str]) -> Iterator[dict[str, Any]]:
    """The record of each file, `file` first, while a bar tells how far it is if somebody watches.

    A file that cannot be opened is told on standard error and gives a record of kind unreadable, too.
    """
    from rich.progress import Progress

    out = console(stderr=True)
    unwatched = len(names) < 2 or not out.is_terminal or sys.stdout.isatty()
    with Progress(console=out, transient=True, disable=unwatched) as progress:
        task = progress.add_task("reading", total=len(names))
        for name in names:
            yield {"file": _storable(name), **_view(name, own)}
            progress.advance(task)


def opened_all(names: Iterable[str]) -> bool:
    """Whether all these files can be opened for reading."""
    return all(name == STDIN or _trouble(name) is None for name in names)


def _trouble(name: str) -> OSError | None:
    try:
        with Path(name).open("rb"):
            return None
    except OSError as error:
        return error


def _view(name: str, own: Collection[str]) -> dict[str, Any]:
    try:
        raw = _bytes(name)
    except OSError as error:
        reason = f"it cannot be opened ({error.strerror})"
        complain(f"{_storable(name)}: {reason}", hint="give the path of a mail file, a folder, or -")
        return unreadable_view(reason)
    try:
        return mail_view(raw, own)
    except UnreadableMail as error:
        return unreadable_view(error.message, raw)
    except Exception as error:
        # A fault of ours in one mail must not keep the others from being read; its name tells where to look.
        return unreadable_view(f"reading it failed ({type(error).__name__})", raw)


def _bytes(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read(LARGEST)
    with Path(name).open("rb") as file:
        return file.read(LARGEST)


def _storable(name: str) -> str:
    """A path as text: bytes of it that are no UTF-8 are lone surrogates, which no JSON reader takes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
