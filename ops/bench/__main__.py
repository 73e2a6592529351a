"""The dispatcher behind `ops/bench/run`: one benchmark, one JSON document."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ops.bench import (
    blast,
    console,
    deadlines,
    delivery,
    intake,
    ledger,
    loop,
    operate,
    reports,
    search,
    surveys,
    verdicts,
)
from ops.bench.machine import describe
from ops.bench.report import table

Benchmark = Callable[[argparse.Namespace], dict[str, Any]]
OPTIONS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "delivery": delivery.options,
    "blast": blast.options,
    "ledger": ledger.options,
    "deadlines": deadlines.options,
    "intake": intake.options,
    "surveys": surveys.options,
    "verdicts": verdicts.options,
    "search": search.options,
    "console": console.options,
    "reports": reports.options,
    "loop": loop.options,
    "idle": loop.options,
    "operate": operate.options,
}

BENCHMARKS: Mapping[str, tuple[Benchmark, str]] = {
    "delivery": (delivery.run, "mails delivered and recorded, beside the peers"),
    "blast": (blast.run, "escalations during a survey blast: commit to 250; the workers' memory"),
    "ledger": (ledger.run, "delivery on top of millions of rows, as a share of the empty figure"),
    "deadlines": (deadlines.run, "a million pending, hundreds due a second: how late, beside the peers"),
    "surveys": (surveys.run, "the survey page at a rate, its weight, its token, 50,000 invitations planned"),
    "verdicts": (verdicts.run, "a made-up year: is every stored verdict what the log says"),
    "search": (search.run, "200,000 tickets found by words: the size of the index, the time of questions"),
    "console": (console.run, "pages of the console over a million tickets; an export of 100,000 records"),
    "reports": (reports.run, "a monthly report and the dashboard over a year of a million requests"),
    "intake": (intake.run, "webhooks, mails to tickets beside a peer, the parser alone"),
    "loop": (loop.run, "webhook to accepted receipt; start, memory and CPU at rest"),
    "idle": (loop.run_idle, "start, memory and CPU of an embedded process at rest"),
    "operate": (operate.run, "a clone to its demo, --help, rest, 1, 2 and 4 workers, a restart, a move"),
}


def main(words: list[str] | None = None) -> int:
    """Run the benchmark that `words` (default: the command line) name; gives the exit code."""
    chosen = _parser().parse_args(words)
    work, _ = BENCHMARKS[chosen.benchmark]
    document = {"benchmark": chosen.benchmark, "machine": describe(), **work(chosen)}
    document["machine"]["load_after"] = describe()["load"]
    if chosen.json:
        json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        print(table(document))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ops/bench/run", description="closeloop's benchmarks")
    kinds = parser.add_subparsers(dest="benchmark", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    for name, (_, words) in BENCHMARKS.items():
        kind = kinds.add_parser(name, help=words, parents=[common])
        OPTIONS[name](kind)
    return parser


if __name__ == "__main__":
    # So that a run that is told to end ends its servers and workers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
