"""One thread that does what blocks, so that the event loop never waits; and that can be cut off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from workers.imap.faults import TIMEOUT, Fault

T = TypeVar("T")


class Hands:
    """Runs the blocking work of one connection, one piece after the other.

    The socket's own time-outs end a server that is silent, `patience` one that is slow: it might send a byte
    now and then for ever. After a Fault the connection is of no more use.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="closeloop-imap")
        self._sockets: list[socket.socket] = []

    def told(self, made: socket.socket) -> None:
        """Keep the socket, so that it can be cut while the thread waits for it."""
        self._sockets.append(made)

    async def do(self, patience: float, work: Callable[..., T], *arguments: Any) -> T:
        """The result of `work(*arguments)`. Raises Fault; cuts the connection after `patience` seconds and
        when the caller is cancelled.
        """
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._thread, work, *arguments), patience)
        except TimeoutError as error:
            self.cut()
            raise Fault(TIMEOUT) from error
        except asyncio.CancelledError:
            self.cut()
            raise

    def cut(self) -> None:
        """Break the connection off: whoever reads from it in the thread is woken by its end."""
        for each in self._sockets:
            with contextlib.suppress(OSError):  # it is broken off already
                # Past the TLS layer, whose state belongs to the thread.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def end(self) -> None:
        """Take no more work. What still runs ends by itself, soon after `cut`; then nothing is left open."""
        self._thread.submit(self._let_go)
        self._thread.shutdown(wait=False)

    def _let_go(self) -> None:
        # A connection that was opened just when nobody wanted it any more has no other owner.
        for each in self._sockets:
            each.close()
