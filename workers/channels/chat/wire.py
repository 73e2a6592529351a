"""What a plug-in of Apprise does on the network, seen and kept within bounds.

A plug-in says only True or False, and takes any answer with status 200 for a yes; 飞书, 钉钉 and 企业微信 put
their no into the body of such an answer. So the plug-in's module is given this object in the place of the
module `requests`: each answer is kept, redirects are never followed, time and size have ends, and it is known
whether a connection stood, that is whether the post may have arrived.
"""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

LARGEST_ANSWER = 64 * 1024


@dataclass
class Exchange:
    """One request of a plug-in: whom it went to and what came back (`status` None: nothing)."""

    host: str
    tls: bool
    connected: bool = False
    timed_out: bool = False
    status: int | None = None
    body: bytes = b""
    retry_after: str = ""


class Witness:
    """Sees the requests of one post. Made by the event loop, used by the thread that posts.

    `seconds` is the time for all of them; `on_connected` is called, in the thread, when the first byte of a
    request is about to leave.
    """

    def __init__(self, seconds: float, on_connected: Callable[[], None]) -> None:
        self.exchanges: list[Exchange] = []
        self._end = time.monotonic() + seconds
        self._on_connected = on_connected
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._aborted = False

    @property
    def left(self) -> float:
        """Seconds that are left; 0 when it has been called off."""
        return 0.0 if self._aborted else max(0.0, self._end - time.monotonic())

    def connected(self, connection: socket.socket | None) -> None:
        """A connection stands: from now on the other side may have heard."""
        with self._lock:
            self._socket = connection
            if self._aborted:
                self._break()
                return
            self.exchanges[-1].connected = True
            self._on_connected()

    def abort(self) -> None:
        """Break off whatever is under way: the thread ends at once instead of waiting for an answer."""
        with self._lock:
            self._aborted = True
            self._break()

    def _break(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is broken off already
                self._socket.shutdown(socket.SHUT_RDWR)


_witness: ContextVar[Witness] = ContextVar("chat_witness")


@contextlib.contextmanager
def seen_by(witness: Witness) -> Any:
    """Let `witness` see what this thread requests meanwhile."""
    token = _witness.set(witness)
    try:
        yield
    finally:
        _witness.reset(token)


class Wire:
    """Stands for the module `requests` in a plug-in's module: the same functions and names."""

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)

    def get(self, url: str, **options: Any) -> requests.Response:
        """As `requests.get`."""
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> requests.Response:
        """As `requests.post`."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> requests.Response:
        """As `requests.put`."""
        return self.request("PUT", url, **options)

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """As `requests.request`, within what is left of the post's time. Raises RequestException."""
        witness = _witness.get()
        parts = urlsplit(url)
        exchange = Exchange(parts.hostname or "", parts.scheme == "https")
        witness.exchanges.append(exchange)
        if not (left := witness.left):
            raise requests.Timeout("the time of the post is over")
        # To connect it may take half of the time, so that a server which is away is known to be.
        options |= {"timeout": (left / 2, left), "allow_redirects": False, "stream": True}
        try:
            with _session(exchange.host) as session:
                return _read(session.request(method, url, **options), exchange)
        except requests.Timeout:
            exchange.timed_out = True
            raise
        except HTTPError as error:
            exchange.status, exchange.timed_out = None, "Timeout" in type(error).__name__
            raise requests.ConnectionError("the answer broke off") from error


def _session(host: str) -> requests.Session:
    session = requests.Session()
    # The environment's proxy serves the way out, not what runs on this machine.
    session.trust_env = not _is_here(host)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(response: requests.Response, exchange: Exchange) -> requests.Response:
    exchange.status = response.status_code
    exchange.retry_after = response.headers.get("Retry-After", "")
    try:
        exchange.body = response.raw.read(LARGEST_ANSWER, decode_content=True)
    finally:
        response.close()
    response.raw = io.BytesIO(exchange.body)  # from here the plug-in reads it
    return response


class _HttpConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _witness.get().connected(self.sock)


class _HttpsConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _witness.get().connected(self.sock)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


class _Adapter(HTTPAdapter):
    """Tells the witness of connections, with a proxy between and without."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager
