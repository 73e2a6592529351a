"""A rolling restart of two web processes under load, as a client sees it that asks the other one."""

from __future__ import annotations

import argparse
import itertools
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from models.session import migrate
from ops.bench.inbox import TO, requests
from ops.bench.loop import Ground, await_ready, ground_for
from ops.bench.ours import CLOSELOOP, HOOK_TOKEN
from ops.bench.processes import cpu_seconds, started
from ops.bench.report import say
from ops.bench.servers import Postgres, free_port, postgres, redis_server

EVERY_SECONDS = 0.01
PATIENCE_SECONDS = 2.0
STEADY_SECONDS = 2.0
MAILS = 200
"""So many different mails are posted in turn, each again and again under another name."""
HEADERS = {"Authorization": f"Bearer {HOOK_TOKEN}", "X-Envelope-To": TO}


class Client:
    """Posts a mail, asks for a page, and so on, at whichever port answered last; notes when it was answered.

    What one port does not take the other is given, as a load balancer does.
    """

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._mails = list(requests(MAILS))
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, daemon=True)
        self.answered: list[float] = []
        self.taken = 0
        self.refused = 0

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _ask_on(self) -> None:
        place = itertools.cycle(self._ports)
        port = next(place)
        with httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False) as client:
            while not self._end.is_set():
                try:
                    self._ask(client, f"http://127.0.0.1:{port}")
                    self.answered.append(time.monotonic())
                    time.sleep(EVERY_SECONDS)
                except httpx.HTTPError:
                    self.refused += 1
                    port = next(place)

    def _ask(self, client: httpx.Client, url: str) -> None:
        if len(self.answered) % 2:
            client.get(f"{url}/q").raise_for_status()
            return
        raw = b"X-Bench: %d\r\n" % self.taken + self._mails[self.taken % MAILS]
        client.post(f"{url}/hooks/email/raw", content=raw, headers=HEADERS).raise_for_status()
        self.taken += 1


def rolling_restart(chosen: argparse.Namespace) -> dict[str, Any]:
    """The longest time without an answer while each of two web processes is ended and started anew."""
    with ground_for() as ground, ExitStack() as stack:
        database, broker = stack.enter_context(postgres()), stack.enter_context(redis_server())
        database.server.create("restart")
        url = database.server.url("restart")
        migrate(url)
        environ = ground.settings(url, broker.server.url())
        stack.enter_context(started([CLOSELOOP, "worker"], ground.folder / "worker.log", environ))
        ports = [free_port(), free_port()]
        running = [stack.enter_context(ExitStack()) for _ in ports]
        starts = [_start(ground, environ, port, one) for port, one in zip(ports, running, strict=True)]
        with Client(ports) as client:
            time.sleep(STEADY_SECONDS)
            steady = len(client.answered)
            for port, one in zip(ports, running, strict=True):
                one.close()  # SIGTERM, and wait until it has ended
                starts.append(_start(ground, environ, port, one))
            time.sleep(STEADY_SECONDS)
        return _figures(client, steady, starts, database)


def _figures(
    client: Client, steady: int, starts: list[dict[str, float]], database: Postgres
) -> dict[str, Any]:
    gaps = [later - sooner for sooner, later in itertools.pairwise(client.answered)]
    longest = max(gaps[steady:])
    stored = database.rows("restart", "SELECT count(*) AS n FROM intake_events")[0]["n"]
    if stored != client.taken:
        raise AssertionError(f"{client.taken} mails were taken, {stored} are stored")
    say(f"rolling restart: {longest * 1000:.0f} ms without an answer, {client.refused} requests refused")
    return {
        "signal": signal.SIGTERM.name,
        "longest_gap_ms": round(longest * 1000, 1),
        "longest_gap_before_ms": round(max(gaps[: steady - 1]) * 1000, 1),
        "answered": len(client.answered),
        "mails_taken_and_stored": client.taken,
        "refused": client.refused,
        "starts": starts,
    }


def _start(ground: Ground, environ: dict[str, str], port: int, one: ExitStack) -> dict[str, float]:
    """Seconds from the start of a web process to its readiness, and its CPU seconds until then."""
    log = ground.folder / f"web{port}.log"
    command: list[str | Path] = [CLOSELOOP, "web", "--http", f"127.0.0.1:{port}", "--data", ground.folder]
    began = time.monotonic()
    process = one.enter_context(started(command, log, environ))
    await_ready(port, log, process)
    seconds, cpu = time.monotonic() - began, cpu_seconds(process.pid)
    say(f"a web process is ready after {seconds:.1f} s, of these {cpu:.1f} s CPU")
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2)}
