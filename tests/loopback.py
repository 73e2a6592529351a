"""Keeps the tests on this machine: a connection or a name look-up that would leave it is refused and told."""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any


class StrayConnection(RuntimeError):
    """Something under test tried to leave this machine."""


class LoopbackGuard:
    """Refuses what leaves this machine and remembers it in `strays`, should the code hide the error.

    It sees all sockets that Python opens in this process, in every thread; not those of child processes.
    """

    def __init__(self) -> None:
        self.strays: list[str] = []
        self._own_names = {"", "localhost", socket.gethostname().lower()}

    def install(self) -> None:
        """Begins to watch; cannot be undone in this process."""
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto"):
            if isinstance(address := arguments[1], tuple):  # otherwise the path of a Unix socket
                self._check(event, address[0])
        elif event == "socket.getaddrinfo":
            self._check(event, arguments[0])

    def _check(self, event: str, host: object) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if not self._is_here(name):
            self.strays.append(f"{event} to {name}")
            raise StrayConnection(f"tests stay on this machine; refused: {event} to {name}")

    def _is_here(self, name: str) -> bool:
        if name.lower() in self._own_names:
            return True
        try:
            return ipaddress.ip_address(name.partition("%")[0]).is_loopback
        except ValueError:
            return False
