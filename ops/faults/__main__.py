"""The command behind `ops/faults/run`."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ops.faults.installations import BOTH, CREWS, installation
from ops.faults.partition import FAULTS, play_hosts
from ops.faults.rounds import Plan, play
from tests.conftest import POSTGRESQL_REDIS


def main(words: list[str] | None = None) -> int:
    """Play on the chosen installations; 0 if nothing was lost and nothing doubled unsaid."""
    chosen = _arguments(words)
    if chosen.what == "hosts":
        return _tell([_played_hosts(chosen)], chosen)
    kinds = list(BOTH) if chosen.backend == "both" else [chosen.backend]
    reports = [_played(kind, chosen) for kind in kinds]
    return _tell(reports, chosen)


def _tell(reports: list[dict[str, Any]], chosen: argparse.Namespace) -> int:
    if chosen.json:
        json.dump({"faults": reports}, sys.stdout, indent=2, ensure_ascii=False)
        print()
    else:
        Console().print(_table(reports))
    return 0 if all(report["honest"] for report in reports) else 1


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ops/faults/run", description="kills workers at random moments")
    parser.add_argument(
        "what",
        nargs="?",
        choices=["kills", "hosts"],
        default="kills",
        help="kills: of workers, at random; hosts: one of two is cut off, frozen, has a wrong clock",
    )
    parser.add_argument("--rounds", type=int, default=100, help="kills on each installation (100)")
    parser.add_argument("--mails", type=int, default=6, help="requests that come in before each kill (6)")
    parser.add_argument("--faults", help=f"hosts: these alone, separated by commas: {', '.join(FAULTS)}")
    parser.add_argument("--seed", type=int, default=None, help="repeats the dice of an earlier run")
    parser.add_argument("--backend", choices=["both", *CREWS], default="both")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    chosen = parser.parse_args(words)
    if strange := set((chosen.faults or "").split(",")) - {"", *FAULTS}:
        parser.error(f"--faults: there is no {', '.join(sorted(strange))}")
    return chosen


def _played(kind: str, chosen: argparse.Namespace) -> dict[str, Any]:
    seed = chosen.seed if chosen.seed is not None else secrets.randbelow(1_000_000)
    plan = Plan(rounds=chosen.rounds, mails=chosen.mails, crew=CREWS[kind], seed=seed)
    with _progress(kind, plan.rounds) as tick, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with installation(kind, folder) as (backend, meanwhile):
            return asyncio.run(play(backend, plan, folder, tick=tick, meanwhile=meanwhile))


def _played_hosts(chosen: argparse.Namespace) -> dict[str, Any]:
    seed = chosen.seed if chosen.seed is not None else secrets.randbelow(1_000_000)
    said = Console(stderr=True)
    with tempfile.TemporaryDirectory() as name, installation(POSTGRESQL_REDIS, Path(name)) as (backend, _):
        faults = chosen.faults.split(",") if chosen.faults else list(FAULTS)
        return asyncio.run(play_hosts(backend, Path(name), faults=faults, seed=seed, tick=said.print))


@contextmanager
def _progress(kind: str, rounds: int) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{kind}: kills", total=rounds)
        yield lambda: bar.advance(task)


def _table(reports: list[dict[str, Any]]) -> Table:
    table = Table("", *(report["backend"] for report in reports), title="What the ledger and the relay say")
    for name in reports[0]:
        if name != "backend":
            table.add_row(name.replace("_", " "), *(_words(report[name]) for report in reports))
    return table


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{count} × {name}" for name, count in value.items())
    return "\n".join(value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    sys.exit(main())
