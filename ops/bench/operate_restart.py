"""A rolling restart of two web processes, as a client sees it that asks the other one when one is silent."""

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
from ops.bench.loop import Ground, await_ready, ground_for
from ops.bench.ours import CLOSELOOP
from ops.bench.processes import started
from ops.bench.report import say
from ops.bench.servers import free_port, postgres, redis_server

EVERY_SECONDS = 0.01
PATIENCE_SECONDS = 2.0


class Client:
    """Asks again and again, at whichever port answered last; notes when it was answered."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, daemon=True)
        self.answered: list[float] = []
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
                    client.get(f"http://127.0.0.1:{port}/q").raise_for_status()
                    self.answered.append(time.monotonic())
                    time.sleep(EVERY_SECONDS)
                except httpx.HTTPError:
                    self.refused += 1
                    port = next(place)


def rolling_restart(chosen: argparse.Namespace) -> dict[str, Any]:
    """The longest time without an answer while each of two web processes is ended and started anew."""
    with ground_for() as ground, ExitStack() as stack:
        database, broker = stack.enter_context(postgres()), stack.enter_context(redis_server())
        database.server.create("restart")
        url = database.server.url("restart")
        migrate(url)
        environ = ground.settings(url, broker.server.url())
        ports = [free_port(), free_port()]
        running = [stack.enter_context(ExitStack()) for _ in ports]
        for port, one in zip(ports, running, strict=True):
            _start(ground, environ, port, one)
        with Client(ports) as client:
            time.sleep(1)
            steady = len(client.answered)
            for port, one in zip(ports, running, strict=True):
                one.close()  # SIGTERM, and wait until it has ended
                _start(ground, environ, port, one)
            time.sleep(0.5)
        gaps = [later - sooner for sooner, later in itertools.pairwise(client.answered)]
        longest = max(gaps[steady:])
        say(f"rolling restart: {longest * 1000:.0f} ms without an answer, {client.refused} requests refused")
        return {
            "signal": signal.SIGTERM.name,
            "longest_gap_ms": round(longest * 1000, 1),
            "longest_gap_before_ms": round(max(gaps[: steady - 1]) * 1000, 1),
            "answered": len(client.answered),
            "refused": client.refused,
        }


def _start(ground: Ground, environ: dict[str, str], port: int, one: ExitStack) -> None:
    log = ground.folder / f"web{port}.log"
    command: list[str | Path] = [CLOSELOOP, "web", "--http", f"127.0.0.1:{port}", "--data", ground.folder]
    one.enter_context(started(command, log, environ))
    await_ready(port, log)
