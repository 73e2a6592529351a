"""A local HTTP server that stands for a chat system, and can be made to fail.

with FakeChat() as chat:
    groups = parse_chat_urls(chat.url("hook"))
    chat.answer(503, path="/hook")
    ... assert [post.text for post in chat.posts] == [...]
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

CUT, HANG = 0, -1


@dataclass(frozen=True)
class Post:
    """What arrived: the target with its query, header names in lower case, and the body read as JSON."""

    target: str
    headers: Mapping[str, str]
    body: Any

    @property
    def path(self) -> str:
        """The path alone."""
        return self.target.partition("?")[0]

    @property
    def text(self) -> str:
        """The words of a post as `json://` writes it."""
        return str(self.body["message"])


@dataclass
class Answer:
    """What is said instead of 200; CUT hangs up and HANG never answers, both after taking the post in."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    path: str | None
    times: int | None

    def fits(self, path: str) -> bool:
        """Whether it is meant for this post; counts."""
        if self.path not in (None, path):
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class FakeChat:
    """The server, in threads of its own: for tests with an event loop and without."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self._answers: list[Answer] = []
        self._over = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def url(self, path: str) -> str:
        """The `json://` URL of a group here."""
        return f"json://127.0.0.1:{self.port}/{path}"

    def answer(
        self,
        status: int,
        body: Any = b"",
        *,
        path: str | None = None,
        times: int | None = None,
        headers: Mapping[str, str] = {},
    ) -> None:
        """Say this to `path` (all when None), `times` times (always when None)."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._answers.append(Answer(status, raw, headers, path, times))

    def be_well(self) -> None:
        """Say yes to everything again."""
        self._answers.clear()

    def open_door(self) -> None:
        """Listen, on the port of before if there was one."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close_door(self) -> None:
        """Refuse new connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.open_door()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.close_door()

    def _say(self, target: str) -> Answer:
        path = target.partition("?")[0]
        fitting = (each for each in self._answers if each.fits(path))
        return next(fitting, Answer(200, b'{"code": 0, "errcode": 0}', {}, None, None))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                chat.posts.append(Post(self.path, headers, json.loads(raw)))
                said = chat._say(self.path)
                if said.status == HANG:
                    chat._over.wait(20)
                if said.status in (CUT, HANG):
                    self.close_connection = True
                    return
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Silent."""

        return Handler
