"""On which line of a TOML text a key stands: `tomllib` reads values, people need the place of a mistake."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Path = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=(.*)")
# What a value can hold, longest first: several-line strings, strings, comments, brackets.
_TOKEN = re.compile(
    r'"""|' + r"'''|" + r'"(?:\\.|[^"\\])*"|' + r"'[^']*'|#.*|[\[{]|[\]}]",
)


class Lines:
    """An index of a TOML text; the text need not be valid beyond the line that is looked for."""

    def __init__(self, text: str) -> None:
        self._where: dict[Path, int] = {}
        self._lists: dict[Path, int] = {}
        self._table: Path = ()
        self._depth = 0
        self._quote = ""
        for number, line in enumerate(text.split("\n"), start=1):
            # Not splitlines(): TOML knows no other line ends, and a remark may hold U+2028.
            self._read(line, number)

    def of(self, path: Sequence[str | int]) -> int | None:
        """The line (from 1) of the key at `path`, or of the closest one above it; None for the root."""
        steps = tuple(path)
        while steps:
            if steps in self._where:
                return self._where[steps]
            steps = steps[:-1]
        return None

    def _read(self, line: str, number: int) -> None:
        if self._quote or self._depth:
            self._follow(line)
        elif header := _HEADER.match(line):
            self._open_table(header[1] == "[[", self._parts(header[2]), number)
        elif key := _KEY.match(line):
            self._note(self._table + self._parts(key[1]), number)
            self._follow(key[2])

    def _open_table(self, listed: bool, parts: Path, number: int) -> None:
        path: Path = ()
        for position, part in enumerate(parts):
            path += (part,)
            if listed and position == len(parts) - 1:
                self._lists[path] = self._lists.get(path, -1) + 1
            if path in self._lists:
                self._where.setdefault(path, number)
                path += (self._lists[path],)
        self._table = path
        self._note(path, number)

    def _note(self, path: Path, number: int) -> None:
        for length in range(len(self._table) + 1, len(path) + 1):
            self._where.setdefault(path[:length], number)
        self._where.setdefault(path, number)

    def _follow(self, text: str) -> None:
        """Keeps track of strings and brackets that stay open at the end of the line."""
        position = 0
        while position < len(text):
            if self._quote:
                end = text.find(self._quote, position)
                if end < 0:
                    return
                position, self._quote = end + 3, ""
                continue
            token = _TOKEN.search(text, position)
            if token is None:
                return
            position = token.end()
            if token[0] in ('"""', "'''"):
                self._quote = token[0]
            elif token[0] in "[{":
                self._depth += 1
            elif token[0] in "]}":
                self._depth = max(0, self._depth - 1)

    @staticmethod
    def _parts(dotted: str) -> Path:
        return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def tidy(location: Sequence[str | int], data: Any) -> Path:
    """The part of a pydantic error's location that exists in the data, without tags like `[key]`."""
    path: list[str | int] = []
    for step in location:
        steps = data if isinstance(data, dict) else dict(enumerate(data)) if isinstance(data, list) else {}
        if step not in steps:
            break
        data = steps[step]
        path.append(step)
    return tuple(path)
