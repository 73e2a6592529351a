"""Benchmarks `loop` and `idle`: start, rest, and a mail's way from the webhook to the accepted receipt."""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from models.session import migrate
from ops.bench.mails import send_and_watch
from ops.bench.ours import CLOSELOOP, live_settings
from ops.bench.processes import cpu_seconds, family, resident_mb, started, wait_until
from ops.bench.report import say
from ops.bench.servers import free_port, mail_sink, postgres, redis_server

START_SECONDS = 300.0
PATIENCE_SECONDS = 15.0
"""More than `/readyz` takes for all its checks when none is answered."""
SETTLE_SECONDS = 10.0
REST_SECONDS = 20.0


def options(parser: argparse.ArgumentParser) -> None:
    """The words that these benchmarks understand."""
    parser.add_argument("--mails", type=int, default=100, help="mails through the webhook (default 100)")
    parser.add_argument("--every", type=float, default=0.1, help="seconds between two mails (default 0.1)")
    parser.add_argument("--starts", type=int, default=2, help="starts of each kind (default 2)")


@dataclass(frozen=True, slots=True)
class Ground:
    """A folder, a sink that writes down when it accepted what, and settings but for database and broker."""

    folder: Path
    times: Path
    sink_port: int
    secret_keys: str

    def settings(self, database_url: str, broker_url: str = "") -> dict[str, str]:
        """The environment of an installation on this ground."""
        return live_settings(database_url, broker_url, self.secret_keys, self.sink_port)


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Both: the embedded process, and web, worker and scheduler on PostgreSQL and Redis."""
    with ground_for() as ground:
        return {
            "embedded": _embedded(ground, chosen, with_mails=True),
            "separate": _separate(ground, chosen),
        }


def run_idle(chosen: argparse.Namespace) -> dict[str, Any]:
    """The embedded process at rest, no mail at all."""
    with ground_for() as ground:
        return {"embedded": _embedded(ground, chosen, with_mails=False)}


def _embedded(ground: Ground, chosen: argparse.Namespace, *, with_mails: bool) -> dict[str, Any]:
    fresh: list[dict[str, float]] = []
    again: list[dict[str, float]] = []
    for number in range(chosen.starts):
        data = ground.folder / f"data{number}"
        for found in (fresh, again):
            with up(ground, data) as (pid, seconds, _):
                found.append({"seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds(pid), 3)})
                say(f"embedded: ready after {seconds:.2f} s, of these {found[-1]['cpu_seconds']:.2f} s CPU")
    with up(ground, data) as (pid, _, port):
        figures: dict[str, Any] = {"ready_fresh": fresh, "ready_again": again, "rest": rest([pid])}
        if with_mails:
            figures["webhook_to_receipt"] = send_and_watch(port, ground.times, chosen.mails, chosen.every)
            figures["resident_mb_after_mails"] = round(resident_mb(pid), 1)
        return figures


@contextmanager
def up(ground: Ground, data: Path) -> Iterator[tuple[int, float, int]]:
    """An embedded installation: (pid, seconds until /readyz said yes, HTTP port)."""
    port = free_port()
    environ = ground.settings(f"sqlite:///{data}/closeloop.db")
    command: list[str | Path] = [CLOSELOOP, "up", "--http", f"127.0.0.1:{port}", "--data", data]
    began = time.monotonic()
    with started(command, ground.folder / "up.log", environ) as process:
        await_ready(port, ground.folder / "up.log", process)
        yield process.pid, time.monotonic() - began, port


def _separate(ground: Ground, chosen: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        database = stack.enter_context(postgres())
        broker = stack.enter_context(redis_server())
        database.server.create("loop")
        url = database.server.url("loop")
        migrate(url)
        environ = ground.settings(url, broker.server.url())
        port = free_port()
        pids: dict[str, int] = {}
        for role, words in (("worker", ()), ("scheduler", ()), ("web", ("--http", f"127.0.0.1:{port}"))):
            command: list[str | Path] = [CLOSELOOP, role, *words, "--data", ground.folder / "separate"]
            log = ground.folder / f"{role}.log"
            process = stack.enter_context(started(command, log, environ))
            pids[role] = process.pid
        await_ready(port, log, process)  # the web's: it was started last
        say("separate processes are ready")
        return {
            "postgresql": database.version,
            "redis": broker.version,
            "rest": {role: rest([pid], settle=SETTLE_SECONDS / 3, seconds=5) for role, pid in pids.items()},
            "webhook_to_receipt": send_and_watch(port, ground.times, chosen.mails, chosen.every),
        }


def rest(pids: list[int], *, settle: float = SETTLE_SECONDS, seconds: float = REST_SECONDS) -> dict[str, Any]:
    """What processes (with their families) take when there is nothing to do: memory, then CPU for a while."""
    time.sleep(settle)
    memory = sum(resident_mb(one) for pid in pids for one in family(pid))
    before = sum(cpu_seconds(pid) for pid in pids)
    time.sleep(seconds)
    spent = sum(cpu_seconds(pid) for pid in pids) - before
    say(f"at rest: {memory:.0f} MB, {spent / seconds * 100:.1f} % of a core")
    return {
        "resident_mb": round(memory, 1),
        "cpu_percent": round(spent / seconds * 100, 2),
        "watched_seconds": seconds,
    }


def await_ready(port: int, log: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when `process`, which listens on `port`, is ready.

    Raises TimeoutError with what `/readyz` said last, and RuntimeError when the process has ended; both show
    its `log`.
    """
    heard = ["nothing"]
    # One client for all: making one takes 20 ms of CPU, which whoever is just starting lacks then.
    with httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False) as client:

        def ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"it has ended with {process.returncode}: {_tail(log)}")
            try:
                answer = client.get(f"http://127.0.0.1:{port}/readyz")
            except httpx.HTTPError as error:
                heard[0] = type(error).__name__
                return False
            heard[0] = answer.text
            return answer.status_code == 200

        try:
            wait_until(ready, "a ready installation", seconds=START_SECONDS, every=0.01)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; /readyz: {heard[0]}; the log: {_tail(log)}") from None


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


@contextmanager
def ground_for() -> Iterator[Ground]:
    """A folder, a sink and a key for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="closeloop-bench-") as name:
        folder = Path(name)
        times = folder / "times"
        with mail_sink(folder, times=times) as sink:
            secret = f"bench:{base64.b64encode(os.urandom(32)).decode()}"
            yield Ground(folder, times, sink.port, secret)
