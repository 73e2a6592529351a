"""What watches closeloop: figures by Prometheus' conventions, alerts that fire when they should."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.tree import ROOT
from tests.conftest import do_without
from tests.debian_programs import PROMETHEUS, environment, root_of
from tests.servers import ServerMissing
from tests.watching import all_metrics, series_names

MONITORING = ROOT / "ops" / "monitoring"
NAME = re.compile(r"\b(?:closeloop|process)_[a-z_]+\b")
HEADING = re.compile(r"^### (\w+)$", re.M)
UNITS = ("_seconds", "_bytes", "_info", "_rows", "_total", "_used", "_mails")
FLAGS = ("_up", "_down", "_parted", "_failing", "_ends_early")
STATES = ("closeloop_cannot_store",)
COUNTS = (
    "closeloop_overdue_lanes",
    "closeloop_messages",
    "closeloop_poison_events",
    "closeloop_processes",
    "closeloop_lost_processes",
)
PRIVATE = (
    "address",
    "email",
    "phone",
    "name",
    "recipient",
    "customer",
    "staff",
    "ticket",
    "token",
    "id",
    "path",
)


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _promtool(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        root = root_of(PROMETHEUS)
    except ServerMissing as missing:
        do_without(missing)
    command = [str(root / "usr/bin/promtool"), *words]
    return subprocess.run(
        command, cwd=MONITORING, env=environment(root), capture_output=True, text=True, check=False
    )


def test_names_and_help_follow_the_conventions() -> None:
    for metric in all_metrics():
        ours = metric.name.startswith("closeloop_")
        assert ours or metric.name.startswith("process_"), metric.name
        assert len(metric.documentation) > 5
        if ours and metric.type == "gauge" and not metric.name.endswith("_created"):
            assert metric.name in (*COUNTS, *STATES) or metric.name.endswith(
                (*UNITS, *FLAGS, "_seconds_ago", "_connections")
            ), metric.name
        assert metric.type != "histogram" or metric.name.endswith("_seconds")


def test_no_label_can_hold_a_person_or_be_invented_from_outside() -> None:
    allowed = {
        *("desk", "lane", "result", "channel", "provider", "outcome", "relay", "area", "status", "state"),
        *("mailbox", "number", "version", "process", "le"),
    }
    labels = {label for metric in all_metrics() for sample in metric.samples for label in sample.labels}
    declared = re.findall(r'"([a-z]+)"', (ROOT / "workers" / "metrics.py").read_text("utf-8"))
    assert labels <= allowed
    assert not set(declared) & set(PRIVATE)


def test_every_figure_of_dashboard_and_alerts_exists() -> None:
    known = series_names()
    dashboard = json.loads((MONITORING / "grafana.json").read_text("utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    expressions += [rule["expr"] for rule in _rules()]
    assert len(expressions) >= 60
    unknown = {name for expr in expressions for name in NAME.findall(expr)} - known
    assert unknown == set()


def test_panels_have_words_and_lie_beside_each_other() -> None:
    panels = json.loads((MONITORING / "grafana.json").read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = set(_cells(place))
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["description"]


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    rules = _rules()
    names = [rule["alert"] for rule in rules]
    runbook = (ROOT / "ops" / "runbook.md").read_text("utf-8")
    sections = HEADING.findall(runbook.partition("## Alerts")[2])
    assert sorted(names) == sorted(sections)
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"ops/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")
    for section in runbook.split("\n### ")[1:]:
        for part in ("**Symptom.**", "**Meaning.**", "**What to do.**", "\n1. "):
            assert part in section, section.partition("\n")[0]


def test_every_alert_is_tried_firing_and_silent() -> None:
    tests = yaml.safe_load((MONITORING / "alerts_test.yaml").read_text("utf-8"))["tests"]
    tried = [
        (case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test["alert_rule_test"]
    ]
    wanted = [(rule["alert"], fires) for rule in _rules() for fires in (False, True)]
    assert sorted(tried) == sorted(wanted)


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "--lint=all", "alerts.yaml"),
        ("test", "rules", "alerts_test.yaml"),
        ("check", "config", "prometheus.yaml"),
    ],
    ids=["rules", "tests of rules", "config"],
)
def test_promtool_finds_nothing_wrong(words: tuple[str, ...]) -> None:
    done = _promtool(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_figures_are_written_as_prometheus_reads_them(tmp_path: Path) -> None:
    from workers.metrics import Metrics

    metrics = Metrics()
    metrics.describe_process("1.0", "web")
    metrics.attempts.labels("email", "mx.example:587", "sent").inc()
    try:
        root = root_of(PROMETHEUS)
    except ServerMissing as missing:
        do_without(missing)
    done = subprocess.run(
        [str(root / "usr/bin/promtool"), "check", "metrics"],
        input=metrics.text(),
        capture_output=True,
        check=False,
        env=environment(root),
    )
    said = done.stderr.decode() + done.stdout.decode()
    # The one thing it minds: `_created` of counters are gauges of prometheus-client's own making.
    minded = [line for line in said.splitlines() if "_created" not in line]
    assert minded == []
