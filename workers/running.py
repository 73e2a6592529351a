"""Which processes of the installation are there, and which fell silent without having ended in order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.keeping import Process

SILENT = timedelta(seconds=60)
"""After so long without a word a process is taken to be gone."""
WORKING = frozenset({"up", "worker"})
"""Kinds that work off what is promised; the others only take in, ring and fetch."""


@dataclass(frozen=True, slots=True)
class Alive:
    """A process that is, or was, there: `seen_at` and `started_at` are machine time."""

    kind: str
    host: str
    pid: int
    version: str
    schema: str
    seen_at: datetime
    started_at: datetime

    @property
    def name(self) -> str:
        """How it is told to people."""
        return f"{self.kind} (process {self.pid} on {self.host})"

    def silence(self, now: datetime) -> str:
        """For how long it has said nothing, in words. `now` is machine time."""
        return f"{self.name} has said nothing for {(now - self.seen_at).total_seconds():.0f} s"


@dataclass(frozen=True, slots=True)
class Running:
    """`alive` are there; `lost` fell silent, and no other of their kind has been started since."""

    alive: list[Alive]
    lost: list[Alive]

    @property
    def without_worker(self) -> bool:
        """Whether others are there, or were, and nobody who works off what is promised."""
        return bool(self.alive or self.lost) and not any(one.kind in WORKING for one in self.alive)


async def alive_on(connection: AsyncConnection, now: datetime) -> list[Alive]:
    """The processes that have said of late that they are there. `now` is machine time."""
    return (await running_on(connection, now)).alive


async def running_on(connection: AsyncConnection, now: datetime) -> Running:
    """Who is there and who is lost: killed, hung, or cut off from the database. `now` is machine time.

    A process that ended in order is not lost, and neither is one in whose place another was started.
    """
    columns = (Process.kind, Process.host, Process.pid, Process.version, Process.schema)
    found = await connection.execute(select(*columns, Process.seen_at, Process.started_at))
    known = sorted((Alive(*row) for row in found), key=lambda one: one.name)
    alive = [one for one in known if one.seen_at > now - SILENT]
    return Running(alive, _unreplaced([one for one in known if one.seen_at <= now - SILENT], alive))


def _unreplaced(silent: Collection[Alive], alive: Collection[Alive]) -> list[Alive]:
    """Those that fell silent, but for as many as were started of their kind after their last word."""
    later, lost = list(alive), []
    for one in sorted(silent, key=lambda each: each.seen_at, reverse=True):
        instead = next((other for other in later if _instead_of(other, one)), None)
        if instead is None:
            lost.append(one)
        else:
            later.remove(instead)
    return sorted(lost, key=lambda one: one.name)


def _instead_of(new: Alive, old: Alive) -> bool:
    return new.kind == old.kind and new.started_at > old.seen_at


def trouble_of(running: Running, now: datetime) -> str:
    """What is wrong with the processes, in words; empty when nothing is. `now` is machine time."""
    told = [one.silence(now) for one in running.lost]
    return ", ".join([*told, "no worker runs"] if running.without_worker else told)
