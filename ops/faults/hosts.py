"""Two machines out of processes: each reaches database, broker and relay over lines that can be cut.

A cut line loses nothing and says nothing, as when packets are dropped: bytes stay where they are, a new
connection is not answered. When it is mended all goes on, as TCP does that sends again.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ops.faults.crew import Crew
from tests.servers import free_port

CHUNK = 65_536


class Line:
    """A TCP line from a free port of this machine to `port`; to be used as a context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._whole = asyncio.Event()
        self._whole.set()
        self._talks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def cut(self) -> None:
        """Nothing gets through from now on."""
        self._whole.clear()

    def mend(self) -> None:
        """Everything gets through again, also what was held up."""
        self._whole.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        with suppress(OSError):  # either side may go at any time: that is what is played
            await self._whole.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):  # as above
                while data := await reader.read(CHUNK):
                    await self._whole.wait()
                    writer.write(data)
                    await writer.drain()
                await self._whole.wait()
        finally:
            writer.close()


class Host:
    """A machine with a web process and a worker that has a scheduler beside it.

    `ports` are those of the database, the broker and the relay; `environ` makes the settings of the three
    ports at which this machine finds them. To be used as a context manager.
    """

    def __init__(self, name: str, ports: Mapping[str, int], folder: Path) -> None:
        self.name = name
        self.lines = {what: Line(port) for what, port in ports.items()}
        self._folder = folder
        self._clock = folder / f"{name}.clock"
        self._clock.write_text("0")
        self._stack = AsyncExitStack()
        self._crew: Crew | None = None
        self.web_port = free_port()

    async def __aenter__(self) -> Self:
        for line in self.lines.values():
            await self._stack.enter_async_context(line)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self.lines.values():
            line.mend()
        await self._stack.aclose()

    async def switch_on(self, environ: Mapping[str, str], *, lease: float, patience: float) -> None:
        """Start its processes."""
        settings = {**environ, "FAULTS_CLOCK": str(self._clock)}
        log = self._folder / f"{self.name}.log"
        self._crew = await self._stack.enter_async_context(
            Crew(settings, log, lease=lease, patience=patience)
        )
        await self.start()

    async def start(self) -> None:
        """Its processes, once it is switched on, or again after it was killed."""
        assert self._crew is not None
        await self._crew.start()
        await self._crew.start(self.web_port)

    def cut(self, *what: str) -> None:
        """Cut some of its lines: "database", "broker", "relay"."""
        for name in what:
            self.lines[name].cut()

    def mend(self) -> None:
        """All its lines are whole again."""
        for line in self.lines.values():
            line.mend()

    def set_clock(self, seconds: float) -> None:
        """Its clock is wrong by so many seconds from now on."""
        spare = self._clock.with_suffix(".new")
        spare.write_text(str(seconds))
        spare.replace(self._clock)

    def freeze(self) -> None:
        """All its processes stand still, as on a machine that is suspended."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """They go on where they were, and do not know that time has passed."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone."""
        assert self._crew is not None
        for pid in list(self._crew.alive):
            self._crew.kill(pid)

    def _signal(self, number: signal.Signals) -> None:
        assert self._crew is not None
        for pid in self._crew.alive:
            os.kill(pid, number)
