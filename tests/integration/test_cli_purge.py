"""`closeloop purge` says what it deletes, or would."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import CommandLine


def test_the_purge_counts_or_deletes_and_refuses_days_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    closeloop("migrate")
    kinds = "bodies raw communications webhooks audit audit_addresses sign_ins sessions customers"
    nothing = {**dict.fromkeys(kinds.split(), 0), "dry_run": True}
    counted = closeloop("purge", "--dry-run", "--json").json
    assert set(counted.pop("oldest").values()) == {None}
    assert counted == nothing
    said = closeloop("purge")
    assert said.code == 0
    assert "rendered messages" in said.out
    assert "90" in said.out
    closeloop.set(KEEP_RAW_DAYS="0", KEEP_BODIES_DAYS="ten")
    refused = closeloop("purge")
    assert refused.code == 2
    assert "CLOSELOOP_KEEP_RAW_DAYS" in refused.err
    assert "CLOSELOOP_KEEP_BODIES_DAYS" in refused.err
