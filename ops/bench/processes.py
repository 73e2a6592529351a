"""Processes that are measured: started, watched through /proc, ended. Linux only."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")
END_SECONDS = 20.0


def family(pid: int) -> list[int]:
    """`pid` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the family of `pid`, with what its members' ended children used."""
    return sum(sum(map(int, fields[11:15])) for one in family(pid) if (fields := _stat(one))) / _TICKS


def machine_seconds() -> float:
    """CPU seconds that this whole machine has been busy, by whomever, since it started."""
    first = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    # user, nice, system, idle, iowait, irq, softirq, steal: what is stolen is not ours to use either.
    return sum(int(value) for place, value in enumerate(first[:8]) if place not in (3, 4)) / _TICKS


def resident_mb(pid: int) -> float:
    """Memory that is resident now, of one process."""
    return _status(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """The most memory that was ever resident, of one process."""
    return _status(pid, "VmHWM")


def parent(pid: int) -> int:
    """The process that started `pid`."""
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, from the state on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _status(pid: int, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    for line in lines:
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def started(
    command: Sequence[str | Path], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process from the project's root, its output in `log`; ended by SIGTERM, by SIGKILL if it lingers."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env={**clean_environ(), **(environ or {})},
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def clean_environ() -> dict[str, str]:
    """Our environment without anybody's settings for closeloop, PostgreSQL, or what Python compiles.

    What is installed is compiled: a start that compiles everything anew takes almost twice the CPU.
    """
    private = ("CLOSELOOP_", "PG", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(private)}
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float, every: float = 0.05) -> None:
    """Return when `condition` holds. Raises TimeoutError with `what` was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(every)
