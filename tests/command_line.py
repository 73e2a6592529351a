"""The command line as tests use it: in this process for answers, as a process where it keeps running."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workers.cli import main

COMMAND = str(Path(sys.executable).with_name("closeloop"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, read as JSON."""
        return json.loads(self.out)


class CommandLine:
    """`closeloop …` on a data folder, without settings of the machine."""

    def __init__(
        self, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.data = data
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.set(DATA=str(data))

    def set(self, **settings: str) -> None:
        """Set CLOSELOOP_* variables."""
        for name, value in settings.items():
            self._monkeypatch.setenv(f"CLOSELOOP_{name}", value)

    def __call__(self, *arguments: str) -> Answer:
        """Run a command in this process."""
        self._capsys.readouterr()
        code = 0
        try:
            main(list(arguments))
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
        captured = self._capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    def json_of(self, *arguments: str) -> Any:
        """What a command that must succeed printed, as JSON."""
        answer = self(*arguments)
        assert answer.code == 0, answer.err
        return answer.json


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The machine's environment with these CLOSELOOP_* settings and no others."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CLOSELOOP_")}
    return {**own, **{f"CLOSELOOP_{name}": value for name, value in settings.items()}}


@dataclass
class Running:
    """A command that keeps running; `ready` is the line by which `up --json` says that it is."""

    process: subprocess.Popen[str]
    log: Path
    ready: dict[str, Any]
    seconds: float

    def stop(self, number: int = signal.SIGINT) -> int:
        """End it; gives its exit code."""
        self.process.send_signal(number)
        return self.process.wait(120)


@contextmanager
def running(folder: Path, *arguments: str, wait: bool = True, **settings: str) -> Iterator[Running]:
    """Run a command as a process of its own; its standard error goes to a file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{arguments[0]}.log"
    began = time.monotonic()
    with log.open("w") as errors:
        process = subprocess.Popen(
            [COMMAND, *arguments],
            env=environment(settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
        )
    try:
        line = _line(process, 240) if wait else "{}"
        assert line.startswith("{"), f"not ready: {line}\n{log.read_text()}"
        yield Running(process, log, json.loads(line), time.monotonic() - began)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def _line(process: subprocess.Popen[str], seconds: float) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline() if readable else ""
