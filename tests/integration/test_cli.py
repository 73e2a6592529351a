"""The command line: what it says, what it refuses, and that it never shows more than it should."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import select, update

from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.vocabulary import DeadlineKind, DeadlineState, EventState, Medium
from tests.command_line import COMMAND, CommandLine
from tests.fakes_smtp import Script, ThreadedSmtp, refuse
from tests.servers import RedisServer
from tests.unit.test_images import folder, png
from workers import tickets
from workers.cli.opening import make_settings, workshop_of
from workers.directory import Contact
from workers.intake.store import Event, store
from workers.intake.view import unreadable_view
from workers.unit_of_work import UnitOfWork

INBOX = Path(__file__).resolve().parents[2] / "ops" / "demo_inbox"
LI = Contact(email="lina.private@163.example", phone="+8613800005678", name="李娜")
PRIVATE = ("lina.private", "13800005678", "李娜")


@pytest.fixture
def closeloop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    return CommandLine(tmp_path / "data", monkeypatch, capsys)


def in_the_database(closeloop: CommandLine, work: Callable[[UnitOfWork], Awaitable[Any]]) -> Any:
    """The result of `work` in a transaction on the command line's database."""

    async def act() -> Any:
        async with workshop_of(make_settings(closeloop.data)) as workshop, workshop.begin() as uow:
            return await work(uow)

    return asyncio.run(act())


async def open_ticket(uow: UnitOfWork) -> str:
    request = tickets.Request(
        contact=LI,
        channel=Medium.EMAIL,
        subject="打不开页面",
        description="我是李娜，电话13800005678，请回 lina.private@163.example",
        received_at=uow.clock.now(),
        message_id="<1@163.example>",
    )
    return (await tickets.open_ticket(uow, request)).number


# -- help and errors ---------------------------------------------------------------------------------------


def test_help_needs_nothing_heavy() -> None:
    script = (
        "import sys\nfrom workers.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'sqlalchemy', 'fastapi', 'dramatiq', 'jinja2', 'holidays', 'alembic', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "send-test" in done.stdout


def test_a_worker_does_without_the_web() -> None:
    """35 MB in each of them: the site, its web server and the mail server that only doors need."""
    heavy = "{'fastapi', 'uvicorn', 'aiosmtpd', 'workers.web.app'}"
    script = f"import sys, workers.boot\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tables_are_made_by_a_process_that_takes_along_what_it_loaded(tmp_path: Path) -> None:
    """9 MB that the embedded process would keep for its whole life."""
    url = f"sqlite:///{tmp_path}/closeloop.db"
    script = (
        "import sys\nfrom functools import partial\nfrom models import session\n"
        "from workers.cli.aside import aside\n"
        f"aside(partial(session.migrate, {url!r}))\n"
        f"print(session.schema_revision({url!r}) == session.head_revision(), 'alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True False"


def test_what_could_not_be_done_aside_tells_its_error_here() -> None:
    script = (
        "from workers.cli.aside import aside\n"
        "try:\n    aside(lambda: 1 // 0)\nexcept ZeroDivisionError:\n    print('told')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("told", "")


def test_the_installed_command_says_its_version() -> None:
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("closeloop ")


def test_all_wrong_settings_are_told_with_exit_code_2_and_no_traceback(closeloop: CommandLine) -> None:
    closeloop.set(MODE="production", LOCALE="fr", DATABSE_URL="x")
    said = closeloop("staff", "list")
    assert (said.code, said.out) == (2, "")
    for name in ("CLOSELOOP_MODE", "CLOSELOOP_LOCALE", "did you mean CLOSELOOP_DATABASE_URL?"):
        assert name in said.err
    assert "Traceback" not in said.err


def test_a_database_that_was_never_migrated_says_what_to_run(closeloop: CommandLine) -> None:
    make_settings(closeloop.data)
    said = closeloop("explain", "CS202405200001")
    assert said.code == 2
    assert "closeloop migrate" in said.err
    assert not (closeloop.data / "closeloop.db").exists(), "looking made a database"


def test_a_database_out_of_reach_is_told_without_its_password(closeloop: CommandLine) -> None:
    closeloop.set(DATABASE_URL="postgresql://u:hush-password@127.0.0.1:1/none")
    make_settings(closeloop.data)
    said = closeloop("staff", "list")
    assert said.code == 1
    assert "hush" not in said.err
    assert "Traceback" not in said.err


def test_separate_processes_want_a_broker(closeloop: CommandLine) -> None:
    closeloop("migrate")
    for process in ("web", "worker", "scheduler", "smtpd"):
        said = closeloop(process)
        assert said.code == 2, process
        assert "CLOSELOOP_BROKER_URL" in said.err
    assert closeloop("worker", "--lane", "fast").code == 2
    assert closeloop("up", "--http", "nonsense").code == 2


def test_migrate_makes_secrets_and_tables_once(closeloop: CommandLine) -> None:
    first = closeloop("migrate", "--json").json
    assert (first["before"], first["changed"]) == (None, True)
    again = closeloop("migrate", "--json").json
    assert (again["before"], again["changed"]) == (first["after"], False)
    assert (closeloop.data / "secrets.env").stat().st_mode & 0o777 == 0o600


# -- check and preview -------------------------------------------------------------------------------------


def test_check_finds_policy_years_and_the_operators_own_broken_template(closeloop: CommandLine) -> None:
    closeloop("migrate")
    good = closeloop("check", "--json")
    assert good.code == 0, good.out
    found = {(each["about"], each["result"]) for each in good.json["findings"]}
    assert {("settings", "good"), ("database", "good"), ("policy", "good"), ("templates", "good")} <= found
    assert any("not published yet" in each["words"] for each in good.json["findings"])
    closeloop.set(TIMEZONE="Europe/Berlin")  # whose holidays need no decree
    berlin = closeloop("check", "--json").json["findings"]
    assert not any("not published yet" in each["words"] for each in berlin)
    closeloop.set(TIMEZONE="Asia/Shanghai")
    own = closeloop.data / "templates" / "email" / "receipt" / "en"
    own.mkdir(parents=True)
    (own / "subject.txt").write_text("{{ ticket.nonsense }}")
    bad = closeloop("check", "--json")
    assert bad.code == 1
    assert [
        "receipt/en/subject.txt" in each["words"] for each in bad.json["findings"] if each["result"] == "bad"
    ]


def test_check_and_preview_know_the_images_of_an_operators_mail(closeloop: CommandLine) -> None:
    own = folder(closeloop.data / "templates")
    page = closeloop("preview", "receipt", "--locale", "en", "--html").out
    assert 'src="data:image/png;base64,' in page, "a browser shows it"
    told = closeloop("preview", "receipt", "--json").json
    assert told["images"] == [{"kind": "png", "bytes": len(png())}]
    (own / "images" / "logo.png").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    bad = closeloop("check", "--json")
    assert bad.code == 1
    (words, *_) = [each["words"] for each in bad.json["findings"] if each["result"] == "bad"]
    assert words.startswith("email/receipt/")
    assert "logo.png is an SVG" in words


def test_check_goes_on_after_wrong_settings(closeloop: CommandLine) -> None:
    closeloop.set(MODE="maybe", POLICY="no-such-policy")
    said = closeloop("check")
    assert said.code == 1
    assert "CLOSELOOP_MODE" in said.out
    assert "no-such-policy" in said.out
    assert "✓ templates" in said.out


def test_check_says_that_the_installations_zone_wins_over_the_policys(closeloop: CommandLine) -> None:
    closeloop.set(TIMEZONE="Europe/Berlin")
    said = closeloop("check")
    assert "! policy: it is read in Europe/Berlin, not in its own zone Asia/Shanghai" in said.out


def test_check_says_whether_the_broker_answers_and_who_shares_limits(
    closeloop: CommandLine, redis_for_all: RedisServer
) -> None:
    def said() -> set[tuple[str, str, str]]:
        found = closeloop("check", "--json").json["findings"]
        return {(one["about"], one["result"], one["words"]) for one in found}

    closeloop.set(SMTP_URL="smtp://relay.example:25?rate=5/s", BROKER_URL=redis_for_all.url())
    assert ("broker", "good", "Redis answers") in said()
    with redis.Redis(port=redis_for_all.port) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert ("broker", "warning", "Redis has maxmemory-policy allkeys-lru") in said()
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    closeloop.set(BROKER_URL="amqp://guest:guest@127.0.0.1:1/")
    own = ("limits", "warning", "each worker process keeps its own limits of relay.example:25")
    assert {("broker", "bad", "RabbitMQ does not answer"), own} <= said()
    closeloop.set(LIMITS_URL=redis_for_all.url())
    assert own not in said()


def test_a_fresh_machine_is_told_that_up_makes_the_secrets(closeloop: CommandLine) -> None:
    said = closeloop("check")
    assert said.code == 0
    assert "closeloop up makes them" in said.out
    assert not closeloop.data.exists()


def test_preview_shows_a_message_in_both_languages(closeloop: CommandLine) -> None:
    listed = closeloop("preview", "--list", "--json").json
    assert {"message": "receipt", "mail": True, "sms": True, "chat": False} in listed
    chinese = closeloop("preview", "receipt", "--json").json
    english = closeloop("preview", "receipt", "--locale", "en", "--json").json
    assert "您好" in chinese["text"]
    assert "Hello" in english["text"]
    assert closeloop("preview", "receipt", "--html").out.startswith("<!DOCTYPE html>")
    assert "CS2024" in closeloop("preview", "receipt", "--sms").out
    unknown = closeloop("preview", "nonsense")
    assert unknown.code == 2
    assert "--list" in unknown.err


# -- people ------------------------------------------------------------------------------------------------


def test_one_wrong_row_of_a_staff_list_and_nothing_is_done(closeloop: CommandLine, tmp_path: Path) -> None:
    closeloop("migrate")
    file = tmp_path / "staff.csv"
    file.write_text(
        "工号,姓名,邮箱,手机,角色,组\n"
        "CS001,王芳,wang@help.example,13800001111,客服,客服一组\n"
        "CS002,李强,not-an-address,,,\n"
        "CS001,李强,li@help.example,,,\n"
        ",无名,x@help.example,,,\n"
        "CS004,赵,zhao@help.example,12,,\n"
        "CS005,钱,qian@help.example,,国王,\n"
    )
    said = closeloop("staff", "import", str(file), "--json")
    assert said.code == 2
    assert [each["line"] for each in said.json["mistakes"]] == [3, 4, 5, 6, 7]
    assert closeloop("staff", "list", "--json").json == []


def test_a_staff_list_from_a_chinese_spreadsheet_is_imported_and_corrected(
    closeloop: CommandLine, tmp_path: Path
) -> None:
    closeloop("migrate")
    file = tmp_path / "staff.csv"
    file.write_bytes(
        "工号,姓名,邮箱,手机,角色,组\r\n"
        "CS001,王芳,Wang@Help.example,13800001111,客服,客服一组\r\n"
        "AM001,周敏,zhou@help.example,,主管,客服一组\r\n".encode("gb18030")
    )
    trial = closeloop("staff", "import", str(file), "--dry-run", "--json").json
    assert (trial["added"], trial["dry_run"]) == (2, True)
    assert closeloop("staff", "list", "--json").json == []
    done = closeloop("staff", "import", str(file), "--json").json
    assert (done["added"], done["changed"]) == (2, 0)
    (wang,) = [row for row in closeloop("staff", "list", "--json").json if row["number"] == "CS001"]
    assert (wang["name"], wang["email"], wang["phone"]) == ("王芳", "wang@help.example", "+8613800001111")
    (team,) = closeloop("team", "list", "--json").json
    assert (team["name"], team["members"], team["supervisor"]) == ("客服一组", 2, "AM001")
    moved = closeloop("staff", "add", "CS001", "王芳芳", "wang@help.example", "--team", "二组", "--json").json
    assert (moved["added"], moved["changed"]) == (0, 1)
    assert closeloop("team", "add", "二组", "--head", "AM001", "--json").json["head"] == "AM001"
    assert "王芳芳" in closeloop("staff", "list").out


def test_staff_have_addresses_of_the_company_only(closeloop: CommandLine) -> None:
    closeloop.set(STAFF_DOMAINS="help.example")
    closeloop("migrate")
    said = closeloop("staff", "add", "CS001", "王芳", "wang@private.example")
    assert said.code == 2
    assert "help.example" in said.err
    assert closeloop("staff", "add", "CS202405200001", "王芳", "wang@help.example").code == 2


def test_check_names_whose_address_is_not_the_companys(closeloop: CommandLine) -> None:
    def said() -> list[tuple[str, str]]:
        found = closeloop("check", "--json").json["findings"]
        return [(one["result"], one["words"]) for one in found if one["about"] == "staff addresses"]

    closeloop("migrate")
    closeloop("staff", "add", "CS001", "王芳", "wang@private.example")
    closeloop("staff", "add", "CS002", "李雷", "li@help.example")
    assert said() == [], "a trial is not spoken to about it"
    live = {"SMTP_URL": "smtp://relay.example:25", "PUBLIC_URL": "https://help.example"}
    closeloop.set(MODE="live", MAIL_FROM="support@help.example", **live)
    assert said() == [("warning", "may be of any domain")]
    closeloop.set(STAFF_DOMAINS="help.example")
    ((result, words),) = said()
    assert (result, words.startswith("CS001 have one outside help.example")) == ("warning", True)
    closeloop("staff", "add", "CS001", "王芳", "wang@help.example")
    assert said() == [("good", "all are of help.example")]


# -- what came in ------------------------------------------------------------------------------------------


def test_mail_files_are_read_without_a_database(closeloop: CommandLine) -> None:
    files = sorted(INBOX.glob("*.eml"))
    said = closeloop("intake", "parse", *map(str, files), "--json", "--own", "support@help.example")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0
    assert [Path(line["file"]) for line in lines] == files
    kinds = {Path(line["file"]).name[:2]: line["kind"] for line in lines}
    assert (kinds["08"], kinds["09"]) == ("out_of_office", "list")
    assert kinds["01"] == "person"
    (gbk,) = [line for line in lines if "_gbk" in line["file"]]
    assert gbk["subject"] == "咨询企业版价格和试用"
    attached = next(line["attachments"] for line in lines if "attachments" in line["file"])
    assert all(set(one) == {"name", "content_type", "size", "sha256"} for one in attached)
    assert len(attached) >= 2
    assert not closeloop.data.exists()


def test_a_bounce_and_an_unreadable_file_are_told_apart(closeloop: CommandLine, tmp_path: Path) -> None:
    bounce = tmp_path / "bounce.eml"
    bounce.write_text(
        "From: MAILER-DAEMON@mx.example\nTo: support@help.example\nSubject: Undelivered Mail\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\nMIME-Version: 1.0\n\n'
        "--b\nContent-Type: text/plain\n\nSorry.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        "Final-Recipient: rfc822; lost@shop.example\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 5.1.1 unknown user\n\n--b--\n"
    )
    deep = tmp_path / "deep.eml"
    deep.write_bytes(b"From: a@b.example\r\nX-Long: " + b"x" * 3_000_000 + b"\r\n\r\nhi\r\n")
    said = closeloop("intake", "parse", str(bounce), str(deep), "--json")
    first, second = (json.loads(line) for line in said.out.splitlines())
    assert first["kind"] == "bounce"
    assert first["bounce"]["status"] == "5.1.1"
    assert first["bounce"]["recipient"] == "lost@shop.example"
    assert second["kind"] == "unreadable"
    assert second["reason"] == "its header is too long"
    assert set(second) == set(first)
    assert said.code == 0, "a broken mail is a line like any other"


def test_a_folder_and_standard_input_are_read_and_a_missing_file_is_told(
    closeloop: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = tmp_path / "box"
    (box / "below").mkdir(parents=True)
    (box / ".hidden").write_bytes(b"From: no@b.example\n\nx")
    (box / "b.eml").write_bytes(b"From: two@b.example\n\nx")
    (box / "a.eml").write_bytes(b"From: one@b.example\n\nx")
    (box / "below" / "c.eml").write_bytes(b"From: three@b.example\n\nx")
    said = closeloop("intake", "parse", str(box), str(tmp_path / "none.eml"), "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["from_email"].partition("@")[0] for line in lines] == ["one", "two", "three", ""]
    assert (lines[3]["kind"], "cannot be opened" in lines[3]["reason"]) == ("unreadable", True)
    assert "none.eml" in said.err
    assert said.code == 1
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"From: piped@b.example\n\nx")))
    piped = closeloop("intake", "parse", "-", "--json")
    assert json.loads(piped.out)["from_email"] == "piped@b.example"


def test_a_poisoned_event_is_listed_shown_masked_and_run_again(closeloop: CommandLine) -> None:
    closeloop("migrate")

    async def poison(uow: UnitOfWork) -> str:
        raw = "From: lina.private@163.example\r\nSubject: Hi\r\n\r\n电话13800005678\r\n".encode()
        await store(uow, Event("raw", "one", "mail", raw))
        row = (await uow.session.scalars(select(IntakeEvent))).one()
        row.state, row.reason, row.due_at = EventState.POISON, "too_deep", None
        return str(row.id)

    ident = in_the_database(closeloop, poison)
    (listed,) = closeloop("intake", "list", "--state", "poison", "--json").json
    assert (listed["id"], listed["reason"]) == (ident, "too_deep")
    shown = closeloop("intake", "show", ident, "--json")
    assert "13800005678" not in shown.out
    assert "138****5678" in shown.out
    assert shown.json["mail"]["from_email"] == "l***@163.example"
    assert set(shown.json["mail"]) == set(unreadable_view(""))
    assert closeloop("intake", "retry", "--json", ident).json == {"again": 1}
    assert closeloop("intake", "list", "--json").json[0]["state"] == "received"
    assert closeloop("intake", "retry", ident).code == 1, "it is no poison any more"
    assert closeloop("intake", "retry").code == 2
    assert closeloop("intake", "show", "nonsense").code == 2


def test_an_administrator_sees_the_code_of_a_forwarding_to_confirm(closeloop: CommandLine) -> None:
    closeloop("migrate")

    async def ask(uow: UnitOfWork) -> str:
        raw = (
            b"From: forwarding-noreply@google.com\nTo: support@help.example\n"
            b"Subject: (#483920175) Gmail Forwarding Confirmation\n\nhttps://mail.google.com/mail/vf-abc\n"
        )
        await store(uow, Event("raw", "one", "mail", raw))
        return str((await uow.session.scalars(select(IntakeEvent))).one().id)

    shown = closeloop("intake", "show", in_the_database(closeloop, ask), "--json").json
    assert shown["mail"]["kind"] == "forward_confirmation"
    assert shown["confirmation"] == {
        "provider": "Gmail",
        "code": "483920175",
        "link": "https://mail.google.com/mail/vf-abc",
    }


# -- explain -----------------------------------------------------------------------------------------------


def test_a_ticket_is_explained_in_full_and_its_customer_stays_masked(closeloop: CommandLine) -> None:
    closeloop("migrate")
    closeloop("staff", "add", "CS001", "王芳", "wang@help.example")
    number = in_the_database(closeloop, open_ticket)
    told = closeloop("explain", number.lower(), "--json")
    known = told.json
    assert known["ticket"]["number"] == number
    assert [entry["kind"] for entry in known["entries"]][:2] == ["received", "assigned"]
    assert {row["kind"]: row["verdict"] for row in known["deadlines"]}["first_response"] == "running"
    assert {row["kind"] for row in known["notifications"]} == {"receipt", "assignment"}
    (receipt,) = [row for row in known["notifications"] if row["kind"] == "receipt"]
    assert (receipt["state"], receipt["reason"]) == ("held", "test_mode")
    assert receipt["reason_text"] == "测试模式下暂存"
    assert known["ticket"]["received_at"].endswith("+08:00")
    for words in PRIVATE:
        assert words not in told.out
        assert words not in closeloop("explain", number).out
    message = closeloop("explain", receipt["id"], "--json").json
    assert (message["ticket"], message["notification"]["kind"]) == (number, "receipt")
    said = closeloop("explain", receipt["id"]).out
    assert number in said
    assert f"test_mode: {receipt['reason_text']}" in " ".join(said.split())


def test_what_nobody_knows_is_said_so(closeloop: CommandLine) -> None:
    closeloop("migrate")
    for wanted in ("CS202405209999", "0196e1f0-0000-7000-8000-000000000000", "nonsense"):
        said = closeloop("explain", wanted)
        assert said.code == 1
        assert "CS202405200001" in said.err, "the hint says what numbers look like"


# -- send-test ---------------------------------------------------------------------------------------------


def test_a_test_mail_is_really_sent_in_test_mode_too(closeloop: CommandLine) -> None:
    with ThreadedSmtp() as relay:
        closeloop.set(SMTP_URL=relay.url, MAIL_FROM="support@help.example")
        make_settings(closeloop.data)
        said = closeloop("send-test", "boss@help.example", "--locale", "en")
        assert said.code == 0, said.out
        assert "connected, in clear" in said.out
        assert "sent: accepted 250" in said.out
        (mail,) = relay.mails
        assert mail.recipient == "boss@help.example"
        assert str(mail.message["Subject"]).startswith("[test] ")


def test_what_the_relay_refuses_is_told_with_its_own_words(closeloop: CommandLine) -> None:
    with ThreadedSmtp(Script().on("rcpt", refuse("550 5.1.1 no such user here"))) as relay:
        closeloop.set(SMTP_URL=relay.url)
        make_settings(closeloop.data)
        said = closeloop("send-test", "nobody@help.example", "--json")
        assert said.code == 1
        assert [step["result"] for step in said.json["steps"]] == ["good", "bad"]
        assert "no such user here" in said.json["steps"][1]["words"]


def test_a_relay_that_is_not_there_is_told_with_what_to_look_at(closeloop: CommandLine) -> None:
    closeloop.set(SMTP_URL="smtp://127.0.0.1:1?tls=none")
    make_settings(closeloop.data)
    said = closeloop("send-test", "boss@help.example")
    assert said.code == 1
    assert "connection_failed" in said.out
    assert "firewall" in said.out
    assert closeloop("send-test", "nonsense").code == 2


# -- verdicts ----------------------------------------------------------------------------------------------


def test_a_stored_verdict_that_the_log_does_not_bear_out_is_named(closeloop: CommandLine) -> None:
    closeloop("migrate")
    number = in_the_database(closeloop, open_ticket)
    good = closeloop("verdicts", "--json")
    assert (good.code, good.json["tickets"], good.json["differences"]) == (0, 1, [])
    assert "every verdict is what the log says" in closeloop("verdicts", number.lower()).out

    async def tamper(uow: UnitOfWork) -> None:
        first = Deadline.kind == DeadlineKind.FIRST_RESPONSE
        await uow.session.execute(update(Deadline).where(first).values(state=DeadlineState.MET))

    in_the_database(closeloop, tamper)
    said = closeloop("verdicts", "--json")
    assert said.code == 1
    (one,) = said.json["differences"]
    assert (one["ticket"], one["clock"], one["what"]) == (number, "first_response", "verdict")
    assert (one["stored"], one["recomputed"]) == ("met", "running")
    assert "1 stored otherwise" in closeloop("verdicts").out
    assert closeloop("verdicts", "CS202405200001").code == 1


def test_a_data_folder_that_is_not_there_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = CommandLine(tmp_path / "nowhere", monkeypatch, capsys)
    said = nowhere("held")
    assert (said.code, said.out) == (2, "")
    assert f"there is no data folder {tmp_path / 'nowhere'}" in said.err
    assert "closeloop init" in said.err
