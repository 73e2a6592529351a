"""Reports by command and in the console: looked at, written to files, sent once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.small_world import small_world

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def closeloop(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    command = CommandLine(tmp_path / "data", monkeypatch, capsys)
    command.set(DATABASE_URL=backend.database_url, BROKER_URL=backend.broker_url)
    return command


def test_a_report_by_command_in_each_form_and_sent_once(closeloop: CommandLine, tmp_path: Path) -> None:
    closeloop("migrate")
    closeloop("staff", "add", "SV001", "Carol", "carol@help.example", "--role", "supervisor")
    closeloop("team", "add", "support", "--supervisor", "SV001")

    said = closeloop("report", "weekly", "--for", "SV001", "--locale", "en")
    assert "Weekly report" in said.out
    assert "No limit was missed." in said.out
    told = json.loads(closeloop("report", "monthly", "--date", "2026-05-20", "--json").out)
    assert (told["first_day"], told["last_day"], told["teams"]) == ("2026-05-01", "2026-05-31", [])
    assert "指标一览" in closeloop("report", "quarterly", "--csv", "--locale", "zh_CN").out

    files = {form: tmp_path / f"report.{form}" for form in ("html", "xlsx", "pdf")}
    options = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    assert closeloop("report", "weekly", "--team", "support", "--locale", "en", *options).code == 0
    assert load_workbook(files["xlsx"])["Figures at a glance"]["A2"].value == "Requests received"
    assert files["pdf"].read_bytes().startswith(b"%PDF-")
    assert "<h1" in files["html"].read_text("utf-8")

    first, again = (closeloop("report", "weekly", "--send", "--json") for _ in range(2))
    assert [(each["mails"], each["before"]) for each in json.loads(first.out)] == [(1, False)]
    assert [(each["mails"], each["before"]) for each in json.loads(again.out)] == [(0, True)]
    assert "already sent" in closeloop("report", "weekly", "--send").out

    for wrong in (["--date", "soon"], ["--for", "SV404"], ["--for", "SV001", "--team", "support"]):
        assert closeloop("report", "weekly", *wrong).code != 0
    refused = closeloop("report", "weekly", "--date", "2098-05-20", "--send")
    assert (refused.code, "not over yet" in refused.err) == (2, True)


@pytest.mark.anyio
async def test_the_console_lists_what_was_sent_and_gives_it_as_a_file(backend: Backend) -> None:
    async with small_world(backend) as world, await world.browser("AM001") as lead:
        page = await lead.get("/console/reports?lang=en")
        assert page.status_code == 200
        assert "Weekly report" in page.text
        address = f"/console/reports/{world.common['report']}"
        assert address in page.text
        report = await lead.get(f"{address}?lang=en")
        assert "What to do" in report.text
        assert f"{address}?format=xlsx" in report.text
        file = await lead.get(f"{address}?format=xlsx")
        assert file.headers["content-disposition"].endswith('.xlsx"')
        assert file.content.startswith(b"PK")
        now = await lead.get("/console/reports/now?kind=monthly&team=support&lang=en")
        assert "Monthly report" in now.text
        assert (await lead.get("/console/reports/now?kind=yearly")).status_code == 422
        assert (await lead.get(f"{address}?format=doc")).status_code == 422
        assert (await lead.get(f"/console/reports/{'0' * 32}")).status_code == 404
