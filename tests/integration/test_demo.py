"""The demonstration proves what it says: it succeeds on the whole story, and fails on anything less."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from aiosmtplib import send

from ops.demo_play.facts import Evidence, all_facts
from ops.demo_play.forms import filled_form
from ops.demo_play.ledger import Ledger
from ops.demo_play.outside import outside
from ops.demo_play.parts import INBOX, PARTS, STAFF
from ops.demo_play.post_office import ACCOUNT, TOKEN, MailCatcher, SmsProvider
from ops.demo_play.stage import free_port
from ops.demo_play.telling import LEGEND, SIGNS
from tests.architecture.tree import ROOT
from tests.command_line import environment

NOW = datetime(2024, 5, 20, 1, tzinfo=UTC)


@pytest.mark.timeout(900)
def test_the_whole_story_ends_well_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # Settings of the operator's own installation have no part in it.
    environ = environment({"MODE": "nonsense", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    environ["TMPDIR"] = str(tmp_path)
    command = [sys.executable, "-m", "ops.demo_play", "--once"]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in LEGEND:
        assert word in done.stdout, f"the timeline never shows: {word}"
    assert "✗" not in done.stdout
    assert "\x1b[" not in done.stdout, "plain lines when nobody watches"
    assert list(tmp_path.iterdir()) == []


def test_it_stops_when_told_and_takes_the_service_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.demo_play", "--data", str(tmp_path)]
    play = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert play.stdout is not None
    for line in play.stdout:
        if "received" in line and "Mon" in line:
            break
    play.send_signal(signal.SIGTERM)
    rest = play.stdout.read()
    play.stdout.close()
    assert play.wait(120) == 0
    assert "Stopped." in rest
    (run,) = tmp_path.iterdir()
    with sqlite3.connect(run / "closeloop.db") as database:
        assert database.execute("SELECT count(*) FROM tickets").fetchone()[0] >= 1
    database.close()
    assert not _processes_on(run)


def test_on_an_installation_where_nothing_happened_no_fact_is_proved(migrated_sqlite: Path) -> None:
    ledger = Ledger(migrated_sqlite)
    proved = [fact.name for fact in all_facts() if fact.proved(Evidence(ledger, [], []))]
    ledger.close()
    assert proved == ["nothing failed, bounced, hung or stayed unread"]


def test_each_file_of_the_inbox_is_played_once() -> None:
    files = sorted(path.name for path in INBOX.iterdir() if path.suffix in (".eml", ".json"))
    assert sorted(part.file for part in PARTS) == files
    assert {part.door for part in PARTS} == {"webhook", "smtp", "twilio"}


def test_the_legend_explains_signs_that_occur() -> None:
    assert set(LEGEND) <= {word for _, word, _ in SIGNS.values()}
    assert len({person.email for person in STAFF}) == len(STAFF) >= 5


def test_a_form_is_filled_in_as_a_browser_does() -> None:
    page = (
        "<form action='/s/x'><input type=hidden name=token value=1><input type=radio name=score value=1>"
        "<input type=radio name=score value=2 checked><input type=checkbox name=anonymous value=1>"
        "<textarea name=comment>old</textarea><button name=go>Go</button></form>"
    )
    assert filled_form(page, {"comment": "新"}) == ("/s/x", {"token": "1", "score": "2", "comment": "新"})
    with pytest.raises(LookupError, match="no field nonsense"):
        filled_form(page, {"nonsense": "1"})
    with pytest.raises(LookupError, match="no form"):
        filled_form("<p>sorry</p>", {})


@pytest.mark.anyio
async def test_caught_mail_is_kept_shown_and_never_run_as_html(tmp_path: Path) -> None:
    catcher, provider, port = MailCatcher(tmp_path, lambda: NOW), SmsProvider(lambda: NOW), free_port()
    smtp_port = await catcher.start()
    raw = b"From: a@b.example\r\nTo: li@c.example\r\nSubject: <script>1</script>\r\nX-Closeloop: 00\r\n\r\nhi"
    await send(raw, sender="a@b.example", recipients=["li@c.example"], hostname="127.0.0.1", port=smtp_port,
               start_tls=False)  # fmt: skip # packed, to be read at a glance
    (mail,) = catcher.mails
    assert (mail.recipient, mail.text.strip(), mail.notification) == ("li@c.example", "hi", "00")
    assert (tmp_path / "001.eml").read_bytes() == raw + b"\r\n"
    async with (
        outside(catcher, provider, port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as web,
    ):
        listing = (await web.get("/")).text
        assert "&lt;script&gt;" in listing
        assert "<script>" not in listing
        assert (await web.get("/mail/1.eml")).content == raw + b"\r\n"
        assert (await web.get("/mail/9")).status_code == 404
        path, form = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", {"To": "+8613800005678", "Body": "您好"}
        assert (await web.post(path, data=form)).status_code == 401
        taken = await web.post(path, data=form, auth=(ACCOUNT, TOKEN))
        assert taken.status_code == 201
        assert [sms.body for sms in provider.messages] == ["您好"]
    catcher.stop()
    await asyncio.sleep(0)


def _processes_on(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found
