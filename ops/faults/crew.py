"""Workers to be killed: one process imports everything, and forks a worker each time it is asked for one.

`python -m ops.faults.crew LEASE PATIENCE` (seconds) reads lines: each is answered with the process id of a
new worker, which works on the installation of the environment until it is killed; a line with a port makes a
web process that listens there. Forking takes 20 ms where a start takes two seconds, so that a hundred kills
are a matter of minutes; nothing is open before the fork. A file named by FAULTS_CLOCK says by how many
seconds this machine's clock is wrong.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Self
from unittest.mock import patch

from models.vocabulary import Lane
from workers import promises, unit_of_work
from workers.boot import Doors, Installation, run_web
from workers.clock import ClockWatch, SystemClock
from workers.settings import load_settings

LANES = {Lane.URGENT: 1, Lane.NORMAL: 2, Lane.BULK: 1}
IMPATIENT = {"FIRST_PAUSE": 0.2, "LONGEST_PAUSE": 1.0}
"""Pauses between tries (seconds), so short that a night's outage fits into a minute."""


@contextmanager
def _impatience(lease: float) -> Iterator[None]:
    """What a dead worker held is free after `lease` seconds, whatever it was."""
    with ExitStack() as stack:
        for name, seconds in IMPATIENT.items():
            stack.enter_context(patch.object(promises, name, seconds))
        for room in _rooms_with_leases():
            stack.enter_context(patch.object(room, "LEASE", timedelta(seconds=lease)))
        yield


def _rooms_with_leases() -> list[ModuleType]:
    """Wherever a claim's length is laid down: it must not be missed when it moves to another room."""
    rooms = [room for name, room in sorted(sys.modules.items()) if name.startswith("workers.")]
    return [room for room in rooms if isinstance(getattr(room, "LEASE", None), timedelta)]


def _installation(lease: float, patience: float) -> Installation:
    wrong = WrongClock(os.environ.get("FAULTS_CLOCK", ""))
    installation = Installation(
        load_settings(os.environ), clock=wrong, lease=timedelta(seconds=lease), smtp_timeout=patience
    )
    installation.watch = ClockWatch(wall=wrong.time)
    vars(unit_of_work)["time"] = SimpleNamespace(time=wrong.time)  # what it compares
    return installation


class WrongClock(SystemClock):
    """The clock of a machine that is wrong by as many seconds as `file` says (no file: none)."""

    def __init__(self, file: str) -> None:
        self._file = Path(file) if file else None

    def time(self) -> float:
        """As time.time()."""
        return time.time() + (float(self._file.read_text() or 0) if self._file else 0.0)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def machine(self) -> datetime:
        return self.now()


async def _serve(lease: float, patience: float, port: int) -> None:
    await run_web(_installation(lease, patience), Doors(http=("127.0.0.1", port)))


async def _work(lease: float, patience: float) -> None:
    installation = _installation(lease, patience)
    for worker in installation.workers(LANES):
        worker.start()
    await installation.scheduler(installation.workshop()).run(asyncio.Event())


def main(words: list[str]) -> None:
    """Fork a worker for every line of standard input."""
    lease, patience = (float(word) for word in words)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that were killed
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the pipe is for process ids alone
            with _impatience(lease):
                port = line.strip()
                asyncio.run(_serve(lease, patience, int(port)) if port else _work(lease, patience))
        print(pid, flush=True)


class Crew:
    """The workers of an installation, from the side of whoever kills them.

    `environ` are the settings, `log` takes what the workers say; a claim lasts `lease` seconds, a mail may
    take `patience` seconds.
    """

    def __init__(self, environ: Mapping[str, str], log: Path, *, lease: float, patience: float) -> None:
        self._environ = environ
        self._log = log
        self._times = (str(lease), str(patience))
        self._nursery: asyncio.subprocess.Process | None = None
        self.alive: list[int] = []

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._nursery = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ops.faults.crew", *self._times),
                env={**os.environ, **self._environ},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._nursery is not None
        for pid in list(self.alive):
            self.kill(pid)
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        await self._nursery.wait()

    async def start(self, port: int | None = None) -> int:
        """A new worker, or a web process that listens on `port`; its process id."""
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(f"{port or ''}\n".encode())
        await self._nursery.stdin.drain()
        line = await self._nursery.stdout.readline()
        if not line:
            raise RuntimeError(f"no worker can be started; see {self._log}")
        self.alive.append(int(line))
        return self.alive[-1]

    def kill(self, pid: int) -> None:
        """SIGKILL: it does not get to do another thing."""
        self.alive.remove(pid)
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
