"""`closeloop up` and `closeloop imap` fetch the mailbox of the settings, as processes that a signal ends."""

from __future__ import annotations

import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.command_line import CommandLine, running
from tests.imap_server import ImapServer


def mails_in(data: Path) -> int:
    connection = sqlite3.connect(data / "closeloop.db")
    try:
        return int(
            connection.execute("SELECT count(*) FROM intake_events WHERE source = 'imap'").fetchone()[0]
        )
    finally:
        connection.close()


def test_up_fetches_the_mailbox_and_stops_in_order(tmp_path: Path, imap_for_all: ImapServer) -> None:
    mailbox = imap_for_all.mailbox()
    mailbox.put(b"From: li.na@customer.example\r\nSubject: help\r\n\r\nIt is broken, secret1.\r\n")
    data, url = str(tmp_path / "data"), mailbox.url(since="all")
    with running(tmp_path, "up", "--json", "--http", "127.0.0.1:0", DATA=data, IMAP_URL=url) as up:
        assert up.ready["mailboxes"] == [f"127.0.0.1:{imap_for_all.port}"]
        give_up = time.monotonic() + 180
        while not mails_in(tmp_path / "data"):
            assert time.monotonic() < give_up, up.log.read_text()
            time.sleep(0.2)
        assert up.stop(signal.SIGTERM) == 0
        log = up.log.read_text()
    assert "mails_fetched" in log
    assert "secret1" not in log
    assert mailbox.user not in log


def test_fetching_alone_needs_a_mailbox_and_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = CommandLine(tmp_path, monkeypatch, capsys)
    command.set(SECRET_KEYS="k1:" + "A" * 43 + "=")
    answer = command("imap")
    assert (answer.code, "CLOSELOOP_BROKER_URL" in answer.err) == (2, True)
    command("migrate")
    command.set(BROKER_URL="redis://127.0.0.1:1/0")
    answer = command("imap")
    assert (answer.code, "CLOSELOOP_IMAP_URL" in answer.err) == (2, True)


def test_check_names_the_mailbox_and_warns_of_a_password_in_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = CommandLine(tmp_path, monkeypatch, capsys)
    command.set(IMAP_URL="imap://u:hush@127.0.0.1:1143?tls=none")
    (found,) = [each for each in command("check", "--json").json["findings"] if each["about"] == "mailbox"]
    assert (found["result"], "in clear" in found["hint"]) == ("warning", True)
    assert "hush" not in str(found)
