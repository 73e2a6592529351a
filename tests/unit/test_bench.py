"""The benchmarks' dispatcher answers, and its figures keep their names. Nothing is timed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.bench import __main__ as dispatcher
from ops.bench.delivery import FIGURES
from ops.bench.report import percentile, table

ROOT = Path(__file__).resolve().parents[2]


def test_the_dispatcher_says_which_benchmarks_there_are() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "ops.bench", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(name in said.stdout for name in ("delivery", "loop", "idle"))


@pytest.mark.parametrize("name", ["delivery", "loop", "idle"])
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


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.99) == 7.0


def test_a_table_names_each_figure_in_full() -> None:
    assert table({"a": {"b": [1, 2]}}).splitlines() == ["a.b[0]  1", "a.b[1]  2"]
