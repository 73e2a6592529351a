"""What the doctor says of a mailbox: what it can do and holds, or what is most likely wrong with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.access import SignIn
from tests.command_line import CommandLine
from tests.fakes_imap import ScriptedImap
from tests.imap_server import ImapServer
from workers.cli.opening import find_settings, workshop_of
from workers.imap.probe import hint_for


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    line = CommandLine(tmp_path, monkeypatch, capsys)
    line.set(SECRET_KEYS="k1:" + "A" * 43 + "=")
    return line


def test_it_tells_what_the_mailbox_offers_and_holds(command: CommandLine, imap_for_all: ImapServer) -> None:
    mailbox = imap_for_all.mailbox()
    mailbox.put(b"Subject: x\r\n\r\nsecret\r\n")
    mailbox.put(b"Subject: x\r\n\r\nsecret\r\n", "Junk")
    command.set(IMAP_URL=mailbox.url(folder="Junk"))
    answer = command("doctor", "--mailbox", "--json")
    (found,) = answer.json["mailboxes"]
    assert (answer.code, found["ok"], found["folders"]) == (0, True, {"INBOX": 1, "Junk": 1})
    assert found["offers"] == {"IDLE": True, "ID": True, "MOVE": True, "UIDPLUS": True}
    (year,) = answer.json["calendar"]  # China decrees its make-up days late in the year before
    told = command("doctor", "--mailbox").out
    assert "not published yet" in year
    assert year in told
    assert "IDLE: tells of new mail at once" in told
    assert "secret" not in told
    assert mailbox.seen() == 0


def test_a_folder_that_is_not_there_and_a_wrong_password_are_told(
    command: CommandLine, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    command.set(IMAP_URL=mailbox.url(folder="Spam"))
    answer = command("doctor", "--mailbox")
    assert (answer.code, "folder Spam cannot be opened" in answer.out) == (1, True)
    command.set(IMAP_URL=mailbox.url(password="wrong-hush"))
    answer = command("doctor", "--mailbox")
    assert (answer.code, "authentication_failed" in answer.out) == (1, True)
    assert "hush" not in answer.out + answer.err


def test_a_server_without_extensions_can_be_fetched_all_the_same(command: CommandLine) -> None:
    with ScriptedImap(["IMAP4rev1"]) as server:
        command.set(IMAP_URL=server.url())
        (found,) = command("doctor", "--mailbox", "--json").json["mailboxes"]
    assert (found["ok"], found["offers"]["IDLE"]) == (True, False)


def test_without_a_mailbox_it_says_so(command: CommandLine) -> None:
    assert "CLOSELOOP_IMAP_URL" in command("doctor", "--mailbox").err


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("imap.qq.com", "授权码"),
        ("imap.exmail.qq.com", "授权码"),
        ("imap.163.com", "授权码"),
        ("imap.gmail.com", "app password"),
        ("outlook.office365.com", "basic authentication"),
        ("imap.mxhichina.com", "三方客户端安全密码"),
        ("imap.notqq.com", "percent-encoded"),
    ],
)
def test_a_refused_login_is_explained_by_the_provider(host: str, word: str) -> None:
    assert word in hint_for(host, "authentication_failed")


def test_it_says_what_should_have_been_purged_and_was_not(
    command: CommandLine, imap_for_all: ImapServer
) -> None:
    command.set(IMAP_URL=imap_for_all.mailbox().url())
    assert command("migrate").code == 0
    ended = datetime(2024, 1, 2, tzinfo=UTC)

    async def put() -> None:
        async with workshop_of(find_settings(None)) as workshop, workshop.begin() as uow:
            row = SignIn(browser_hash=b"b" * 32, email_hash=b"e" * 32, email_sealed=b"x", made_at=ended)
            row.expires_at = ended
            await uow.add(row)

    asyncio.run(put())
    found = {each["what"]: each for each in command("doctor", "--mailbox", "--json").json["retention"]}
    assert len(found) == 8
    assert [what for what, each in found.items() if each["late"]] == ["sign_ins"]
    assert (found["sign_ins"]["keep_days"], found["bodies"]["keep_days"]) == (90, 90)
    told = command("doctor", "--mailbox")
    assert "sign-ins are kept for 90 days, but the oldest are of 2024-01-02" in told.out
    assert "closeloop purge does it now" in told.out
    assert "2024-01-02" in command("purge", "--dry-run").out
    assert command("purge").code == 0
    assert "kept for" not in command("doctor", "--mailbox").out
