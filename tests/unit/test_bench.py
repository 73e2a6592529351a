"""The benchmarks' dispatcher answers, and its figures keep their names. Nothing is timed here."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from models.tables import Base
from ops.bench import __main__ as dispatcher
from ops.bench import blast, delivery, ledger
from ops.bench.arena import checked
from ops.bench.deadlines_growth import KEPT, growth, plot, row
from ops.bench.delivery import FIGURES
from ops.bench.dialects import django, nunjucks, write_nunjucks
from ops.bench.escalating import Plan
from ops.bench.memory import slope, summary
from ops.bench.old_rows import statements
from ops.bench.operate import goals_met
from ops.bench.peer_tools import NotMeasured, install_node
from ops.bench.report import percentile, table
from ops.bench.sink import SinkProtocol
from ops.bench.wire_limit import wire_limit
from workers.rendering import Renderer

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ("delivery", "blast", "ledger", "deadlines", "intake", "surveys", "loop", "idle")


def test_the_dispatcher_says_which_benchmarks_there_are() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "ops.bench", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(name in said.stdout for name in BENCHMARKS)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_explains_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        dispatcher.main([name, "--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_a_run_gives_one_document_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        dispatcher, "BENCHMARKS", {"idle": (lambda chosen: {"embedded": {"mb": 1}}, "at rest")}
    )
    assert dispatcher.main(["idle", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["benchmark"] == "idle"
    assert document["embedded"] == {"mb": 1}
    assert {"processor", "cores", "python", "packages", "load", "load_after"} <= set(document["machine"])


def test_the_figures_that_are_compared_keep_their_names() -> None:
    assert FIGURES == (
        "mails_per_second",
        "worker_cpu_ms_per_mail",
        "all_workers_cpu_ms_per_mail",
        "database_cpu_ms_per_mail",
        "total_cpu_ms_per_mail",
        "worker_peak_mb",
    )


def test_the_growth_of_the_cost_is_a_table_and_a_plot() -> None:
    figures = {name: cost for cost, name in enumerate(KEPT, start=100)} | {"late_ms": {"p99": 90.0}}
    rows = [
        row(size, {**figures, "total_cpu_us_per_check": cost}) for size, cost in ((10**6, 300), (10**4, 200))
    ]
    found = growth(rows)
    assert [line["pending"] for line in found["rows"]] == [10**4, 10**6]
    assert found["most_to_least"]["total_cpu_us_per_check"] == 1.5
    drawn = ElementTree.fromstring(plot(found["rows"]))
    assert len([each for each in drawn if each.tag.endswith("polyline")]) == 4
    assert "1 M" in [each.text for each in drawn if each.tag.endswith("text")]


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.99) == 7.0


def test_a_table_names_each_figure_in_full() -> None:
    assert table({"a": {"b": [1, 2]}}).splitlines() == ["a.b[0]  1", "a.b[1]  2"]


def test_a_jinja_template_becomes_one_for_nunjucks() -> None:
    layout = "<title>{{ self.title() }}</title>{% block title required %}{% endblock %}"
    assert nunjucks(layout) == (
        "<title>{% block head_title %}{% endblock %}</title>{% block title %}{% endblock %}"
    )
    child = "{% block title %}We have it{% endblock %}"
    assert nunjucks(child) == child + "\n{% block head_title %}We have it{% endblock %}"
    loop = "{% for name, value in rows if value is not none %}{{ name }}{% endfor %}"
    assert nunjucks(loop) == (
        "{% for name, value in rows %}{% if value is not none %}{{ name }}{% endif %}{% endfor %}"
    )


def test_the_peer_gets_every_file_that_a_receipt_takes(tmp_path: Path) -> None:
    write_nunjucks(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"email/_base/layout.html", "email/receipt/zh_CN/body.txt", "labels.en.json"} <= written
    assert 'class="page" style="' in (tmp_path / "email/_base/layout.html").read_text("utf-8")


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_django_s_receipt_says_what_ours_says(locale: str) -> None:
    facts = {
        "zone": "UTC",
        "team": {"name": "Support", "hours": "9-18", "address": "support@example.com"},
        "ticket": {
            "number": "CS1",
            "subject": "Payment",
            "category": "other",
            "received_at": "2026-05-20T06:30:00+00:00",
        },
        "promised_at": "2026-05-21T07:40:00+00:00",
        "recipient": {"name": "Ms Wang", "kind": "customer"},
        "links": {},
    }
    ours = Renderer().render_mail("receipt", locale, facts)
    theirs = {name: _filled(source, facts) for name, source in django(locale).items()}
    assert theirs == {"subject": ours.subject, "text": ours.text, "html": ours.html}


def _filled(source: str, facts: dict[str, Any]) -> str:
    """What Django would make of it: names, and the filter `moment` with its argument."""

    def value(match: re.Match[str]) -> str:
        found: Any = facts
        for name in match[1].split("."):
            found = found[name]
        if match[2] is None:
            return str(found)
        at = datetime.fromisoformat(found)
        if match[2].startswith("zh_CN"):
            return f"{at.month}月{at.day}日 {at:%H:%M}"
        return f"{at.day} May {at:%H:%M}" + (" (UTC)" if match[2].endswith("offset") else "")

    return re.sub(r"{{ ([\w.]+)(?:\|moment:'([\w ]+)')? }}", value, source)


def test_a_side_that_cannot_run_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(arena: Any, count: int) -> dict[str, Any]:
        raise NotMeasured("there is no node on this machine")

    monkeypatch.setattr(delivery, "SIDES", {"bullmq_nodemailer": unable})
    missing: dict[str, str] = {}
    nothing: Any = None
    assert delivery._round(nothing, "bullmq_nodemailer", 1, 0, missing) == []
    assert missing == {"bullmq_nodemailer": "not measured, because there is no node on this machine"}


def test_no_smtp_source_is_a_reason_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(NotMeasured, match="smtp-source"):
        wire_limit(1, 1)
    with pytest.raises(NotMeasured, match="node"):
        install_node()


def test_sides_are_compared_by_their_medians_and_by_the_wire() -> None:
    own = {**dict.fromkeys(FIGURES, 2.0), "mails_per_second": 1000.0}
    peer = {**dict.fromkeys(FIGURES, 8.0), "mails_per_second": 100.0}
    found = delivery.summary({"closeloop": [own, own], "celery_smtplib": [peer], "absent": []}, 10_000.0)
    assert found["ratios_of_medians"]["closeloop/celery_smtplib"]["mails_per_second"] == 10.0
    assert found["ratios_of_medians"]["closeloop/celery_smtplib"]["worker_peak_mb"] == 0.25
    assert found["shares_of_wire_limit"] == {"closeloop": 0.1, "celery_smtplib": 0.01}
    assert "absent" not in found["medians"]
    assert delivery.summary({"closeloop": [own]}, None)["shares_of_wire_limit"] == {}


def test_a_full_ledger_is_held_against_an_empty_one() -> None:
    def figures(rate: float) -> dict[str, Any]:
        return {**dict.fromkeys(FIGURES, 1.0), "mails_per_second": rate}

    kept = ledger.summary({"empty": [figures(100), figures(120)], "full": [figures(99), figures(100)]})
    assert kept["full/empty"]["mails_per_second"] == 0.905
    assert kept["share_kept"] is True
    assert ledger.summary({"empty": [figures(100)], "full": [figures(89)]})["share_kept"] is False


def test_a_ledger_that_has_no_room_is_refused_before_it_is_made() -> None:
    ledger.need_room(1_000, 100 * 2**30)
    with pytest.raises(ledger.NoRoom, match="5000000 old rows"):
        ledger.need_room(5_000_000, 2**30)


def test_old_rows_have_all_that_the_tables_demand() -> None:
    now = datetime.now(UTC)
    texts = "".join(text for _, text in statements(100, 10, now, now))
    found = dict(re.findall(r"INSERT INTO (\w+) \(([^)]+)\)", texts))
    assert set(found) == {"notifications", "delivery_attempts"}
    for name_of, names in found.items():
        columns = Base.metadata.tables[name_of].columns
        named = {name.strip() for name in names.split(",")}
        demanded = {column.name for column in columns if not column.nullable}
        assert demanded <= named <= set(columns.keys())


def test_memory_that_is_flat_after_the_warm_up_has_no_slope() -> None:
    filling = [(float(second), 100.0 + second) for second in range(10)]
    flat = [(float(second), 110.0) for second in range(10, 40)]
    found = summary(filling + flat)
    assert found["slope_mb_per_minute"] == 0.0
    assert (found["first_mb"], found["last_mb"], found["max_mb"]) == (100.0, 110.0, 110.0)
    assert slope([(0.0, 100.0), (60.0, 101.0), (120.0, 102.0)]) == pytest.approx(1 / 60)
    assert slope([(1.0, 5.0)]) == 0.0
    assert summary([]) == {}


def test_a_lost_escalation_breaks_the_promise_however_fast_the_others_were() -> None:
    committed = {f"leader.{number}@example.com": 100.0 for number in range(100)}
    accepted = dict.fromkeys(committed, 100.1)
    found = blast.latencies(committed, accepted, 500.0)
    assert (found["p99_kept"], found["commit_to_250_ms"]["p99"]) == (True, 100.0)
    accepted.pop("leader.7@example.com")
    found = blast.latencies(committed, accepted, 500.0)
    assert (found["p99_kept"], found["accepted"]) == (False, 99)
    assert blast.latencies(committed, {}, 500.0)["p99_kept"] is False


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("minute", [0, 29, 30, 59])
def test_there_is_always_a_zone_with_noon(hour: int, minute: int) -> None:
    now = datetime(2026, 5, 20, hour, minute, tzinfo=UTC)
    local = now.astimezone(ZoneInfo(blast.zone_with_noon(now)))
    assert abs(local.hour * 60 + local.minute - 12 * 60) <= 30


def test_escalations_come_at_the_same_random_moments_each_time() -> None:
    moments = Plan(500, 40.0).moments()
    assert moments == Plan(500, 40.0).moments() == sorted(moments)
    assert len(moments) == 500
    assert 0 <= moments[0] < moments[-1] <= 40.0


@pytest.mark.anyio
async def test_a_slow_sink_takes_its_time_and_keeps_the_order(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    with (tmp_path / "times").open("w") as times:
        server = await loop.create_server(lambda: SinkProtocol(times, 0.2), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = loop.time()
        for who in ("a", "b"):
            writer.write(f"MAIL FROM:<>\r\nRCPT TO:<{who}@example.net>\r\nDATA\r\nx\r\n.\r\n".encode())
        writer.write(b"QUIT\r\n")
        said = (await reader.read(-1)).decode().splitlines()
        assert loop.time() - began >= 0.4
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
    assert [line[:3] for line in said] == ["220", *["250", "250", "354", "250"] * 2, "221"]
    recipients = [line.split()[1] for line in (tmp_path / "times").read_text().splitlines()]
    assert recipients == ["a@example.net", "b@example.net"]


def test_a_mail_that_did_not_leave_is_no_second_one_and_an_unknown_may_be() -> None:
    clean = {"sent": 10, "attempts": 10, "all_attempts": 10}
    checked(clean, 10)
    again = {**clean, "all_attempts": 11, "not_left": 1, "outcomes": "10 sent accepted, 1 not_started"}
    checked(again, 10)
    for doubtful in ({**again, "not_left": 0}, {**again, "attempts": 11}, {**again, "sent": 9}):
        with pytest.raises(AssertionError, match="instead of 10 each; attempts: 10 sent accepted"):
            checked(doubtful, 10)


def test_a_goal_is_judged_only_where_it_was_measured() -> None:
    found = {"help": {"median_seconds": 0.41}, "rest": {"resident_mb": 171.0, "cpu_percent": 0.2}}
    told = goals_met(found)
    assert set(told) == {"help_seconds", "rest_mb", "rest_cpu_percent"}
    assert [goal for goal, one in told.items() if not one["met"]] == ["rest_mb"]
