"""The servers a benchmark needs, in temporary folders on free ports, ended with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg
import redis

from ops.bench import processes
from tests import servers

# A figure taken without these would promise what no production server keeps: each commit reaches the disk.
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "track_commit_timestamp": "on",
}
SMTP_SINK = "smtp-sink"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A durable PostgreSQL server; `pid` is its first process."""

    server: servers.PostgresServer
    pid: int
    version: str

    def rows(self, database: str, query: str) -> list[Any]:
        """What `query` finds in `database`."""

        async def ask() -> list[Any]:
            connection = await connect(self.server.port, database)
            try:
                return list(await connection.fetch(query))
            finally:
                await connection.close()

        return asyncio.run(ask())

    def run(self, database: str, statements: str) -> None:
        """Run statements, separated by semicolons, in one session of `database`."""

        async def execute() -> None:
            connection = await connect(self.server.port, database)
            try:
                await connection.execute(statements)
            finally:
                await connection.close()

        asyncio.run(execute())

    def copy_in(
        self,
        database: str,
        table: str,
        columns: list[str],
        records: Iterable[tuple[Any, ...]],
        before: str = "",
    ) -> None:
        """COPY `records` into a table, in binary; `before`: statements that its session runs first."""

        async def copy() -> None:
            connection = await connect(self.server.port, database)
            try:
                await connection.execute(before)
                await connection.copy_records_to_table(table, columns=columns, records=records)
            finally:
                await connection.close()

        asyncio.run(copy())

    def copy(self, template: str, name: str) -> None:
        """Make the database `name` from `template`, to which nobody may be connected.

        File by file: the default copies a big database through the log, block by block.
        """
        by_file = " STRATEGY FILE_COPY" if int(self.version.partition(".")[0]) >= 15 else ""
        self.rows("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}"{by_file}')


@dataclass(frozen=True, slots=True)
class Redis:
    """A Redis server that keeps nothing on disk."""

    server: servers.RedisServer
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class Sink:
    """A mail server that takes everything; `program` says which."""

    port: int
    pid: int
    program: str


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The tests' PostgreSQL server, but durable."""
    with patch.dict(servers.POSTGRES_SETTINGS, DURABLE), servers.postgres() as server:
        plain = Postgres(server, 0, "")
        row = plain.rows(
            "postgres", "SELECT pg_backend_pid() AS pid, current_setting('server_version') AS version"
        )[0]
        first = int(
            plain.rows("postgres", "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")[0][
                "pid"
            ]
        )
        yield Postgres(server, processes.parent(first), str(row["version"]))


@contextmanager
def redis_server() -> Iterator[Redis]:
    """The tests' Redis server."""
    with servers.redis_server() as server:
        with redis.Redis(host="127.0.0.1", port=server.port) as client:
            facts = client.info("server")
        yield Redis(server, int(facts["process_id"]), str(facts["redis_version"]))


@contextmanager
def mail_sink(folder: Path, *, times: Path | None = None, delay: float = 0.0) -> Iterator[Sink]:
    """Postfix's smtp-sink where there is one, else ours; with `times` always ours (see sink.py).

    `delay`: seconds that each mail takes, with `times` only.
    """
    port = free_port()
    program = None if times else shutil.which(SMTP_SINK, path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program:
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [program, *account, f"127.0.0.1:{port}", "256"]
    else:
        command = [
            sys.executable,
            "-m",
            "ops.bench.sink",
            str(port),
            *([str(times), str(delay)] if times else []),
        ]
    with processes.started(command, folder / "sink.log") as process:
        processes.wait_until(lambda: _answers(port), "the mail sink", seconds=10)
        yield Sink(port, process.pid, _sink_version(program))


def _sink_version(program: str | None) -> str:
    if program is None:
        return "ops/bench/sink.py"
    try:
        found = subprocess.run(
            ["postconf", "-h", "mail_version"], capture_output=True, text=True, check=False
        )
        return f"smtp-sink of Postfix {found.stdout.strip()}"
    except FileNotFoundError:
        return "smtp-sink of Postfix"


async def connect(port: int, database: str) -> Any:
    """A connection of asyncpg's to a server on this machine; whoever asks closes it."""
    return await asyncpg.connect(
        host="127.0.0.1", port=port, user=servers.OWNER, database=database, ssl=False
    )


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
