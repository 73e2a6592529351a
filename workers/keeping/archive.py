"""The file of a backup: lines of JSON, compressed (gzip, RFC 1952), the same for both databases.

First a head; then for each table a line with its columns, its rows, and their number and tally; then files;
at last the SHA-256 of all lines before. So it can be read with `zcat`, a part that is missing is noticed,
and neither writing nor reading needs more memory than a batch.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workers.errors import InvalidInput
from workers.keeping.plain import FROM_LINE, PlainRow, Shape, Tally, converted, line

FORMAT = 1
NAME = "closeloop-backup"
LEVEL = 3
LONGEST_LINE = 256 * 1024 * 1024
BATCH = 1000
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Broken(InvalidInput):
    """The file is no whole backup: cut off, changed, or something else."""


class ArchiveWriter:
    """Writes a backup beside its final name and puts it there when it is whole (`close`)."""

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._part.unlink(missing_ok=True)
        # Readable by its owner only: names of staff and what opens links are in it.
        self._file = os.fdopen(os.open(self._part, NEW_FILE, 0o600), "wb")
        self._gzip = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=LEVEL, filename="", mtime=0)
        self._sum = hashlib.sha256()
        self.tables: dict[str, int] = {}
        self._tally = Tally()
        self._line({NAME: FORMAT, **head})

    def begin(self, shape: Shape) -> None:
        """A table's rows follow."""
        self._tally = Tally()
        self._line({"table": shape.table, "columns": shape.columns, "kinds": shape.kinds})

    def add(self, rows: Sequence[PlainRow]) -> None:
        """Rows of the table that was begun."""
        lines = [line(row) for row in rows]
        self._tally.add(lines)
        self._write(b"".join(one + b"\n" for one in lines))

    def end(self, shape: Shape) -> None:
        """The table's rows are over."""
        self.tables[shape.table] = self._tally.rows
        self._line({"rows": self._tally.rows, "tally": self._tally.digest})

    def add_file(self, name: str, data: bytes) -> None:
        """A file of the data folder, by its path in there."""
        self._line({"file": name, "data": base64.b64encode(data).decode("ascii")})

    def close(self) -> None:
        """All is written and on the disk; the file has its name now."""
        self._line({"end": True, "rows": sum(self.tables.values()), "sha256": self._sum.hexdigest()})
        self._gzip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self.path)
        _sync_folder(self.path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was not closed leaves nothing behind."""
        if self._file.closed:
            return
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _line(self, value: Mapping[str, Any]) -> None:
        self._write(
            json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode() + b"\n"
        )

    def _write(self, data: bytes) -> None:
        self._sum.update(data)
        self._gzip.write(data)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch of rows of one table, in plain form."""

    shape: Shape
    rows: list[PlainRow]


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the data folder: its path in there, and its bytes."""

    name: str
    data: bytes


class Archive:
    """A backup that is read from beginning to end; `head` is there at once, `tables` at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tables: dict[str, int] = {}
        self._sum = hashlib.sha256()
        self._file: BufferedReader = path.open("rb")
        self._gzip = gzip.GzipFile(fileobj=self._file, mode="rb")
        self.head = self._head()

    def close(self) -> None:
        """Let go of the file."""
        self._gzip.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def parts(self) -> Iterator[Rows | Kept]:
        """All that is in it. Raises Broken as soon as something is not as it was written."""
        try:
            yield from self._parts()
        except Broken:
            raise
        except (OSError, EOFError, zlib.error) as error:
            raise Broken(
                f"{self.path.name} is damaged or cut off",
                hint="take another backup; verify tells which is whole",
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise Broken(f"{self.path.name} cannot be read as a backup") from error

    def _parts(self) -> Iterator[Rows | Kept]:
        while True:
            before = self._sum.hexdigest()
            value = json.loads(self._next())
            if "table" in value:
                yield from self._table(Shape(value["table"], tuple(value["columns"]), tuple(value["kinds"])))
            elif "file" in value:
                yield Kept(str(value["file"]), base64.b64decode(value["data"]))
            else:
                self._finish(value, before)
                return

    def _table(self, shape: Shape) -> Iterator[Rows]:
        tally, batch = Tally(), list[bytes]()
        while True:
            text = self._next()
            if text.startswith(b"["):
                batch.append(text)
                if len(batch) < BATCH:
                    continue
            if batch:
                tally.add(batch)
                yield Rows(shape, converted(map(json.loads, batch), shape.kinds, FROM_LINE))
                batch = []
            if not text.startswith(b"["):
                break
        said = json.loads(text)
        if (said["rows"], said["tally"]) != (tally.rows, tally.digest):
            raise Broken(f"{self.path.name}: rows of {shape.table} are not those that were written")
        self.tables[shape.table] = tally.rows

    def _finish(self, value: Mapping[str, Any], before: str) -> None:
        if not value.get("end") or value["sha256"] != before or self._gzip.read(1):
            raise Broken(f"{self.path.name} is not as it was written")

    def _next(self) -> bytes:
        text = self._gzip.readline(LONGEST_LINE)
        if not text.endswith(b"\n"):
            raise Broken(f"{self.path.name} is cut off", hint="take another backup")
        self._sum.update(text)
        return text[:-1]

    def _head(self) -> dict[str, Any]:
        try:
            value = json.loads(self._next())
            known = value[NAME] if isinstance(value, dict) else None
        except (OSError, EOFError, zlib.error, ValueError, KeyError, Broken):
            self.close()
            raise Broken(f"{self.path.name} is no backup of closeloop") from None
        if known != FORMAT:
            self.close()
            raise Broken(
                f"{self.path.name} has the format {known}, which this version does not read",
                hint="use the version of closeloop that made it, or a newer one",
            )
        return dict(value)
