"""A table that is written by a command stands there whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from workers.cli.table_files import write_table

pytestmark = pytest.mark.anyio


async def _rows(*, broken: bool) -> AsyncIterator[list[list[str]]]:
    yield [["CS20240520001", "Help"]] * 2_000
    if broken:
        raise ConnectionResetError("the database has gone")
    yield [["CS20240520002", "Help"]]


@pytest.mark.parametrize("name", ["kept.csv", "kept.xlsx"])
async def test_what_breaks_off_leaves_the_file_that_was_there(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    told: list[int] = []
    file.write_text("last month's")
    with pytest.raises(ConnectionResetError):
        await write_table(file, ["number", "subject"], _rows(broken=True), told.append)
    assert file.read_text() == "last month's"
    assert os.listdir(tmp_path) == [name]

    (tmp_path / f".{name}.part").write_text("of a process that was killed")
    assert await write_table(file, ["number", "subject"], _rows(broken=False), told.append) == 2_001
    assert told == [2_000, 2_000, 2_001]
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [name]


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        await write_table(tmp_path / "none" / "a.csv", ["number"], _rows(broken=False), lambda rows: None)
