"""What ops/docs/keeping.md tells people to type, typed in that order: each command does what it says."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.command_line import Answer, CommandLine
from tests.servers import PostgresServer

COMMANDS = [
    line.removeprefix("closeloop ")
    for block in re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "ops/docs/keeping.md").read_text("utf-8"), re.S | re.M
    )
    for line in block.splitlines()
]


@pytest.fixture
def new(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = f"kept_{uuid.uuid4().hex}"
    postgres_server.create(name)
    yield postgres_server.url(name)
    postgres_server.drop(name)


class Typist:
    """Types commands in a folder, with what the page leaves open filled in."""

    def __init__(self, command: CommandLine, folder: Path, database: str) -> None:
        self._command, self._folder, self._database = command, folder, database
        self.left = list(COMMANDS)

    def type(self, expected: str, *more: str) -> Answer:
        """The next command of the page, which begins so; it must succeed."""
        line = self.left.pop(0)
        assert line.startswith(expected), f"the page says: {line}"
        words = [self._filled_in(word) for word in line.split()]
        answer = self._command(*words, *more)
        assert answer.code == 0, f"{line}: {answer.out}{answer.err}"
        return answer

    def _filled_in(self, word: str) -> str:
        if "…" in word:
            found = self._folder.glob(word.replace("…", "*"))  # two of one second are told apart by a number
            return str(max(found, key=lambda file: file.stat().st_mtime_ns))
        return self._database if word.startswith("postgresql://") else word


def test_the_page_can_be_typed_from_top_to_bottom(
    tmp_path: Path, new: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = CommandLine(tmp_path / "data", monkeypatch, capsys)
    assert command("migrate").code == 0
    assert command("staff", "add", "CS001", "Alice", "alice@help.example").code == 0
    page = Typist(command, tmp_path, new)

    first = page.type("backup --to kept").out
    assert "rows of" in first
    assert "its keys are not in it" in first
    assert len(page.type("backup list", "--json").json) == 1
    assert "whole" in page.type("backup verify").out
    public = page.type("backup key private.key").out.strip()
    assert (tmp_path / "private.key").stat().st_mode & 0o077 == 0

    command.set(BACKUP_KEY=public)
    with_keys = command("backup", "--to", "kept", "--json").json
    secrets = (tmp_path / "data" / "secrets.env").read_text()
    key = re.search(r"SECRET_KEYS=k1:(\S+)", secrets)
    assert key
    assert key[1] not in Path(with_keys["keys"]).read_text()

    command.set(DATABASE_URL=f"sqlite:///{tmp_path / 'second.db'}")
    held = page.type("restore", "--json").json
    assert held["rows"] == with_keys["rows"]
    monkeypatch.delenv("CLOSELOOP_DATABASE_URL")
    page.type("restore")
    restored = (tmp_path / "new" / "secrets.env").read_text()
    assert key[1] in restored
    assert (tmp_path / "new" / "restored-settings.env").stat().st_mode & 0o077 == 0
    people = command("staff", "list", "--data", str(tmp_path / "new"), "--json").json
    assert "alice@help.example" in str(people)
    refused = command("restore", with_keys["file"], "--data", str(tmp_path / "new"))
    assert (refused.code, "not empty" in refused.err) == (1, True)

    assert page.type("migrate --plan", "--json").json["steps"] == []
    assert "is at" in page.type("migrate").out
    page.type("backup --to kept")
    moved = page.type("move --to", "--json").json
    assert moved["tables"]["staff"]["rows"] == 1
    command.set(DATABASE_URL=new)
    assert "alice@help.example" in str(command("staff", "list", "--json").json)
    monkeypatch.delenv("CLOSELOOP_DATABASE_URL")
    assert "work here again" in page.type("move --abandon").out
    assert page.left == []
