"""`closeloop init` and `go-live` against a real mailbox and a relay: tried first, then written down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import select
import signal
import stat
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select as query

from models.notifications import Notification
from models.privacy import AuditEntry
from models.vocabulary import Medium, NotificationState
from tests.command_line import COMMAND, CommandLine, environment, running
from tests.conftest import Backend
from tests.fakes_smtp import Script, ThreadedSmtp, refuse
from tests.imap_server import PASSWORD, ImapServer
from workers import tickets
from workers.cli.first_run.wording import WORDS
from workers.cli.opening import find_settings, workshop_of
from workers.directory import Contact
from workers.settings import write_settings

MAIL = b"From: li.na@customer.example\r\nTo: support@help.example\r\nSubject: help\r\n\r\nIt is broken.\r\n"
YESTERDAY = datetime.now(UTC) - timedelta(hours=20)


@pytest.fixture
def closeloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: Backend
) -> CommandLine:
    """On an empty database of either kind."""
    line = CommandLine(tmp_path / "data", monkeypatch, capsys)
    line.set(DATABASE_URL=backend.database_url)
    return line


def kept(closeloop: CommandLine) -> str:
    path = closeloop.data / "settings.env"
    return path.read_text("utf-8") if path.exists() else ""


def test_yesterdays_mail_appears_and_nothing_leaves(
    closeloop: CommandLine, tmp_path: Path, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    mailbox.put(MAIL, at=YESTERDAY)
    people = tmp_path / "staff.csv"
    people.write_text("工号,姓名,邮箱,角色\nCS001,王芳,fang@help.example,客服\n", "gb18030")
    with ThreadedSmtp(Script(users={"support": "hush-1"})) as relay:
        said = closeloop(
            *("init", "--company", "示例科技", "--mail", "support@help.example", "--policy", "after-sales"),
            *("--admin", "lead@help.example", "--admin-name", "陈静", "--staff", str(people)),
            *("--imap", mailbox.url(), "--since", "yesterday", "--relay", relay.url, "--json"),
        )
        assert (said.code, said.err) == (0, "")
        assert [each["result"] for each in said.json["tried"]] == ["good", "good"]
        assert "INBOX 1" in said.json["tried"][0]["words"]
        assert "would take a mail" in said.json["tried"][1]["words"]
        assert relay.mails == []
        assert said.json["people"] == {"added": 1, "changed": 0}
        path = closeloop.data / "settings.env"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        again = closeloop("init")
        for told in (said.out, again.out, again.err):
            assert PASSWORD not in told
            assert "auth%2Fcode" not in told
            assert "hush-1" not in told
        assert "127.0.0.1" in again.out
        assert closeloop.json_of("init", "--json")["stands"]["CLOSELOOP_POLICY"] == "after-sales"
        data, url = str(closeloop.data), os.environ["CLOSELOOP_DATABASE_URL"]
        free = "127.0.0.1:0"
        with running(tmp_path, "up", "--json", "--http", free, DATA=data, DATABASE_URL=url) as up:
            held: list[dict[str, str]] = []
            give_up = time.monotonic() + 180
            while not held:
                assert time.monotonic() < give_up, up.log.read_text()
                time.sleep(0.3)
                held = closeloop.json_of("held", "--json")
            assert up.stop(signal.SIGTERM) == 0
        assert {each["message"] for each in held} == {"receipt"}
        assert held[0]["ticket"].startswith("CS")
        assert "customer.example" not in str(held).replace("***@customer.example", "")
        assert {mail.recipient for mail in relay.mails} <= {"lead@help.example", "fang@help.example"}


def test_what_does_not_work_is_told_and_nothing_is_written(
    closeloop: CommandLine, imap_for_all: ImapServer
) -> None:
    wrong = imap_for_all.mailbox().url(password="nonsense")
    said = closeloop("init", "--mail", "support@help.example", "--imap", wrong)
    assert (said.code, kept(closeloop)) == (1, "")
    assert "authentication_failed" in said.out
    assert "are user and password right" in said.out
    script = Script().on("mail", refuse("553 5.7.1 not your address"))
    with ThreadedSmtp(script) as relay:
        refused = closeloop("init", "--mail", "s@help.example", "--relay", relay.url)
    assert (refused.code, kept(closeloop)) == (1, "")
    assert "553 5.7.1 not your address" in refused.out
    assert "CLOSELOOP_MAIL_FROM must be an address this relay may send for" in refused.out
    listed = closeloop(
        "init", "--timezone", "Mars/Olympus", "--admin", "nobody", "--since", "7d", "--imap", "x"
    )
    assert (listed.code, kept(closeloop)) == (2, "")
    for name in ("TIMEZONE", "ADMIN", "IMAP_URL"):
        assert f"CLOSELOOP_{name}" in listed.err
    assert closeloop("init", "--mail", "s@help.example", "--imap", wrong, "--untried").code == 0
    assert "CLOSELOOP_IMAP_URL=" in kept(closeloop)


def test_one_wrong_row_of_the_staff_and_nothing_is_written(closeloop: CommandLine, tmp_path: Path) -> None:
    people = tmp_path / "staff.csv"
    people.write_text(
        "工号,姓名,邮箱,角色\nCS001,王芳,fang@help.example,国王\nCS002,,x@y.example,\n", "utf-8"
    )
    said = closeloop("init", "--admin", "lead@help.example", "--staff", str(people))
    assert (said.code, kept(closeloop)) == (2, "")
    assert "line 2" in said.err
    assert "line 3" in said.err
    twice = ("--person", "CS001,Alice,lead@help.example")  # an agent cannot be the administrator
    said = closeloop("init", "--admin", "lead@help.example", *twice)
    assert (said.code, kept(closeloop)) == (2, "")
    assert (
        closeloop(
            "init", "--admin", "lead@help.example", "--admin-name", "Lead", *twice[:1], "CS001,A,a@b.c"
        ).code
        == 0
    )
    assert [row["name"] for row in closeloop.json_of("staff", "list", "--json")] == ["Lead", "A"]


def test_only_what_is_asked_for_changes_and_own_lines_stay(closeloop: CommandLine) -> None:
    closeloop.data.mkdir()
    path = closeloop.data / "settings.env"
    path.write_text("# ours\nCLOSELOOP_ADMIN=a@b.example\nOTHER=kept\nCLOSELOOP_LOCALE=zh_CN\n", "utf-8")
    assert closeloop("init", "--locale", "en", "--dry-run").code == 0
    assert "LOCALE=zh_CN" in path.read_text("utf-8")
    assert closeloop("init", "--locale", "en").code == 0
    assert path.read_text("utf-8") == "# ours\nCLOSELOOP_ADMIN=a@b.example\nOTHER=kept\nCLOSELOOP_LOCALE=en\n"
    closeloop.set(LOCALE="zh_CN")
    assert find_settings(closeloop.data).locale == "zh_CN"  # the environment wins
    overruled = closeloop("init", "--locale", "en")
    assert (overruled.code, "environment" in overruled.err) == (2, True)


def test_ctrl_c_while_it_is_written_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_settings(tmp_path, {"CLOSELOOP_LOCALE": "en"})
    before = path.read_text("utf-8")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_settings(tmp_path, {"CLOSELOOP_LOCALE": "zh_CN"})
    assert path.read_text("utf-8") == before
    assert [each.name for each in tmp_path.iterdir()] == ["settings.env"]


def answered(
    arguments: list[str], answers: list[str], language: str = "C.UTF-8", **settings: str
) -> tuple[int, str]:
    """A command on a terminal of that language: each answer is typed when it asks. Its exit code and all that
    was shown.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment(settings), "LC_ALL": language},
        start_new_session=True,
    )
    os.close(theirs)
    shown, left = "", list(answers)
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while select.select([ours], [], [], 90)[0] and (more := os.read(ours, 4096)):
            shown += more.decode("utf-8", "replace")
            # The space comes last: what is typed before it, a hidden question throws away.
            if left and shown.endswith(": "):
                os.write(ours, f"{left.pop(0)}\n".encode())
    process.kill() if process.poll() is None and left else None
    code = process.wait(60)
    os.close(ours)
    return code, shown


def test_it_asks_on_a_terminal(tmp_path: Path) -> None:
    answers = ["Example", "support@help.example", "lead@help.example", "Lead", "Europe/Berlin", "en", ""]
    answers += ["none", "", "", "", "", "CS001,Alice,alice@help.example", ""]
    code, out = answered(["init"], answers, DATA=str(tmp_path / "data"))
    assert code == 0, out
    for number in ("15m / 2h", "10m / –", "24h / 3wd"):
        assert number in out
    text = (tmp_path / "data" / "settings.env").read_text("utf-8")
    assert "CLOSELOOP_TIMEZONE=Europe/Berlin" in text
    assert "CLOSELOOP_MAIL_FROM=Example <support@help.example>" in text
    assert "1 added" in out


def test_what_is_wrong_is_asked_again_and_nothing_said_before_is_lost(tmp_path: Path) -> None:
    people = tmp_path / "staff.csv"
    people.write_text("工号,姓名,邮箱,角色\nCS001,王芳,fang@help.example,国王\n", "utf-8")
    with ThreadedSmtp(Script(users={"support": "hush-1"})) as relay:
        wrong = relay.url.replace("hush-1", "hush-2")
        answers = ["Example", "nonsense", "", "support@help.example", "lead@help.example", "Lead"]
        answers += ["Berlin", "Europe/Berlin", "de", "en", "help.example", "https://help.example"]
        answers += ["smtp", "forward", "8025", "127.0.0.1:0", "127.0.0.1:58025", wrong, "", relay.url, ""]
        answers += ["none-such", "", str(people), ""]
        answers += ["CS001,Alice", "CS001,Alice,lead@help.example", "CS001,Alice,alice@help.example", ""]
        code, out = answered(["init"], answers, DATA=str(tmp_path / "data"))
    assert code == 0, out
    for told in (
        *("nonsense is not a mail address", "this is needed", "Berlin is not a time zone"),
        *("de is neither zh_CN nor en", "help.example is no address of pages", "choose imap, forward"),
        *("8025 is not HOST:PORT", "authentication_failed", "choose support-response", "line 2"),
        *("the email is missing", "the administrator's own address"),
    ):
        assert told in out
    text = (tmp_path / "data" / "settings.env").read_text("utf-8")
    for kept in ("TIMEZONE=Europe/Berlin", "PUBLIC_URL=https://help.example", f"SMTP_URL={relay.url}"):
        assert f"CLOSELOOP_{kept}\n" in text
    assert "1 added" in out
    assert "hush" not in out.replace(relay.url, "").replace(wrong, "")  # what was typed is echoed, no more


def test_a_mailbox_that_fails_is_left_as_it_was_by_who_gives_up(
    tmp_path: Path, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    data = str(tmp_path / "data")
    start = ["Example", "support@help.example", "lead@help.example", "Lead", "", "en", "", "imap"]
    end = ["", "", "", "", ""]
    code, out = answered(["init"], [*start, mailbox.url(), "yesterday", *end], DATA=data)
    assert (code, "logged in; mails: INBOX 0" in out) == (0, True), out
    before = (tmp_path / "data" / "settings.env").read_text("utf-8")
    given_up = ["", "", "", "", "", "", "", "", "y", mailbox.url(password="no"), "", "n"]
    code, out = answered(["init"], [*given_up, *end], DATA=data)
    assert (code, "authentication_failed" in out, "nothing was changed" in out) == (0, True, True), out
    assert (tmp_path / "data" / "settings.env").read_text("utf-8") == before


def test_a_chinese_terminal_is_asked_in_chinese_and_shown_how_to_post_to_its_own_address(
    tmp_path: Path,
) -> None:
    answers = ["示例科技", "不是地址", "kefu@help.example", "lead@help.example", "陈静", "", "", ""]
    answers += ["webhook", "", "", "", "", "CS001,王芳,fang@help.example", ""]
    code, out = answered(["init"], answers, "zh_CN.UTF-8", DATA=str(tmp_path / "data"))
    assert code == 0, out
    for told in (
        "客户来信的客服邮箱",
        "不是地址 不是邮箱地址",
        "首次响应 / 处理方案",
        "新增 1 人",
        "接下来 1. ",
    ):
        assert told in out
    assert "'To: kefu@help.example'" in out
    assert "example.com' |" not in out
    code, again = answered(["init"], [""] * 14, "zh_CN.UTF-8", DATA=str(tmp_path / "data"))
    assert (code, "没有任何更改" in again) == (0, True), again


def test_the_first_run_says_each_thing_in_both_languages() -> None:
    for name, (english, chinese) in WORDS.items():
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", chinese)), name
        assert english
        assert chinese != english


def test_going_live_says_what_it_means_and_never_sends_what_was_held(closeloop: CommandLine) -> None:
    assert closeloop("init", "--mail", "support@help.example", "--admin", "lead@help.example").code == 0
    lacking = closeloop("go-live", "--yes")
    assert (lacking.code, "SMTP_URL" in lacking.err, "PUBLIC_URL" in lacking.err) == (2, True, True)
    asyncio.run(_one_request(closeloop))
    with ThreadedSmtp() as relay:
        asked = closeloop("init", "--relay", relay.url, "--public-url", "https://help.example")
        assert asked.code == 0, asked.err
        refused = closeloop("go-live", "--json")
        assert (refused.code, refused.json["done"], refused.json["held"]) == (2, False, 1)
        assert closeloop.json_of("held", "--json")[0]["message"] == "receipt"
        done = closeloop("go-live", "--yes", "--json")
        assert (done.code, done.json["ended"], done.json["open_tickets"]) == (0, 1, 1)
        assert relay.mails == []
    assert find_settings(closeloop.data).mode == "live"
    assert closeloop("go-live", "--back", "--yes").code == 0
    assert find_settings(closeloop.data).mode == "test"
    (row,), noted = asyncio.run(_rows(closeloop))
    assert (row.state, row.reason) == (NotificationState.SUPPRESSED, "held_in_test_mode")
    assert noted == ["closeloop go-live", "closeloop go-live --back", "closeloop init", "closeloop init"]
    closeloop.set(MODE="test")
    overruled = closeloop("go-live", "--yes")
    assert (overruled.code, "environment" in overruled.err) == (2, True)


async def _one_request(closeloop: CommandLine) -> None:
    async with workshop_of(find_settings(closeloop.data)) as workshop, workshop.begin() as uow:
        request = tickets.Request(
            contact=Contact(email="li.na@customer.example"),
            channel=Medium.EMAIL,
            subject="help",
            description="broken",
            received_at=uow.clock.now(),
            message_id="<1@customer.example>",
        )
        await tickets.open_ticket(uow, request)


async def _rows(closeloop: CommandLine) -> tuple[list[Notification], list[str]]:
    async with workshop_of(find_settings(closeloop.data)) as workshop, workshop.read() as uow:
        held = query(Notification).where(Notification.customer_id.is_not(None))
        entries = await uow.session.scalars(query(AuditEntry.action).where(AuditEntry.kind == "command"))
        return list(await uow.session.scalars(held)), sorted(entries)
