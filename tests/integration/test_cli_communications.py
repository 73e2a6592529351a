"""`closeloop communications`: records come in from a table, row by row answered for, and go out to one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import CommandLine


def test_records_are_imported_once_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    closeloop("migrate")
    assert closeloop("staff", "add", "CS001", "Alice", "alice@help.example").code == 0
    table = tmp_path / "in.csv"
    table.write_text(
        "沟通时间,客户ID,沟通渠道,沟通内容,处理人,解决方案\n"
        "2026-01-05 10:00,13800005678,电话,问发票,CS001,已开发票\n"
        "2026-01-05 11:00,13800005678,传真,问发票,CS001,已开发票\n",
        "utf-8",
    )
    dry = closeloop("communications", "import", str(table), "--dry-run", "--json")
    assert dry.code == 2
    assert [dry.json[name] for name in ("dry_run", "added", "known", "wrong")] == [True, 1, 0, 1]
    first = closeloop("communications", "import", str(table))
    assert first.code == 2
    assert "line 3" in first.err
    assert closeloop("communications", "import", str(table), "--json").json["known"] == 1
    for name in ("out.csv", "out.xlsx"):
        said = closeloop("communications", "export", str(tmp_path / name), "--from", "2026-01-01", "--json")
        assert said.json["records"] == 1
    assert "CR001" in (tmp_path / "out.csv").read_text("utf-8-sig")
    again = closeloop("communications", "import", str(tmp_path / "out.xlsx"), "--json")
    assert (again.code, again.json["known"]) == (0, 1)
    refused = closeloop("communications", "export", str(tmp_path / "out.txt"))
    assert refused.code == 2
    assert ".xlsx" in refused.err
