"""`ops/demo`: see it run. `--once` ends by itself and fails unless everything really happened."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from ops.demo_play.director import make_play, perform
from ops.demo_play.stage import Stage, StageFailure


def main() -> int:
    """Run the demonstration; gives the exit code."""
    parser = argparse.ArgumentParser(prog="ops/demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="end by itself; exit code 0 only if all of it happened"
    )
    parser.add_argument("--data", type=Path, help="keep everything in this folder (default: a temporary one)")
    parser.add_argument("--port", type=int, default=0, help="port of the pages (default: a free one)")
    given = parser.parse_args()
    with _folder(given.data) as folder:
        play = make_play(Stage(folder, given.port))
        try:
            missing = asyncio.run(_until_told(perform(play, once=given.once)))
        except StageFailure as failure:
            print(f"✗ {failure}", file=sys.stderr)
            return 1
    if missing is None:
        print("\nStopped.")
        return 130 if given.once else 0
    if given.data is None:
        print("The temporary folder is gone; --data DIR keeps database, mails and log.")
    return 1 if missing else 0


async def _until_told(play: Coroutine[Any, Any, list[str]]) -> list[str] | None:
    """The play's result; None when told to stop: Ctrl-C, kill, a closed terminal. It clears up first."""
    task, loop = asyncio.create_task(play), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return None


class _folder:  # noqa: N801 - reads as the function it replaces
    """A folder for one run: temporary and removed, or a fresh one inside the given one and kept."""

    def __init__(self, given: Path | None) -> None:
        self._given = given
        self._made: Path | None = None

    def __enter__(self) -> Path:
        if self._given is None:
            self._made = Path(tempfile.mkdtemp(prefix="closeloop-demo-"))
            return self._made
        # The script has changed to the project's folder; relative means: from where it was called.
        base = Path(os.environ.get("DEMO_CALLED_FROM", ".")) / self._given
        runs = (base / f"run-{number}" for number in range(1, 10_000))
        folder = next(run for run in runs if not run.exists())
        folder.mkdir(parents=True)
        return folder.absolute()

    def __exit__(self, *_: object) -> None:
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
