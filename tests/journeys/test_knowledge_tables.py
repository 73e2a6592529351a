"""Knowledge entries come in from a team's own table by command, row by row, once, and go out again."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.conftest import Backend

HEAD = "Locale,Title,Problem,Solution,State,Category,Review_on\n"
TABLE = (
    HEAD
    + 'en,"=HYPERLINK(""http://evil.example"")",It asks for a code.,Ask li@shop.example to renew it.,'
    + "published,other,2027-01-31\n"
    + "zh_CN,包裹未到,三天没有到。,重新发货。,draft,after_sales_request,\n"
    + "en,Lost parcels,It never came.,Send it anew.,draft,no_such_category,\n"
    + "en,,No title.,None.,draft,other,\n"
    + "en,Late parcels,It came late.,Say sorry.,draft,other,31.1.2027\n"
)


@pytest.fixture
def closeloop(
    tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    command = CommandLine(tmp_path / "data", monkeypatch, capsys)
    command.set(DATABASE_URL=backend.database_url)
    assert command("migrate").code == 0
    team = ("staff", "add", "SV001", "Carol", "carol@help.example", "--role", "supervisor")
    assert command(*team).code == 0
    return command


def test_a_table_is_tried_first_then_taken_in_once_and_comes_out_whole(
    closeloop: CommandLine, tmp_path: Path
) -> None:
    table, out = tmp_path / "entries.csv", tmp_path / "out.csv"
    table.write_text(TABLE, "utf-8")
    took = ("knowledge", "import", str(table), "--by", "SV001", "--json")
    tried = closeloop(*took, "--dry-run")
    assert tried.code == 2
    assert {name: tried.json[name] for name in ("added", "changed", "wrong")} == {
        "added": 3,
        "changed": 0,
        "wrong": 2,
    }
    assert closeloop.json_of("knowledge", "export", str(out), "--json")["rows"] == 0, "only tried"

    taken = closeloop(*took)
    outcomes = [(row["line"], row["outcome"]) for row in taken.json["rows"]]
    assert outcomes == [(2, "added"), (3, "added"), (4, "wrong"), (5, "wrong"), (6, "wrong")]
    again = closeloop(*took)
    assert (again.json["same"], again.json["added"], again.json["changed"]) == (2, 0, 0)

    assert closeloop.json_of("knowledge", "export", str(out), "--json")["rows"] == 2
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"))))
    assert [(row["number"], row["state"], row["locale"]) for row in rows] == [
        ("KB0001", "published", "en"),
        ("KB0002", "draft", "zh_CN"),
    ]
    assert rows[0]["title"].startswith("'="), "no spreadsheet runs it"
    assert "li@shop.example" not in rows[0]["solution"]
    assert (rows[1]["title"], rows[1]["category"]) == ("包裹未到", "after_sales_request")

    table.write_text("Locale,Title\n", "utf-8")
    assert closeloop(*took).json["rows"] == []
    table.write_text("Name,Words\na,b\n", "utf-8")
    refused = closeloop(*took)
    assert refused.code != 0
    assert "titles" in refused.err
