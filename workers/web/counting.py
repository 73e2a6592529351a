"""How long requests take and how they end, by the part of the site they are for."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.metrics import Metrics
from workers.tracing import Tracer

OTHER = "other"
WATCHED = frozenset({"healthz", "readyz", "metrics"})
NO_TRACE: AbstractContextManager[None] = nullcontext()


class Counted:
    """Measures each request until its answer has left. `areas` are the first segments of paths that have
    routes; whatever else somebody may ask for counts as one, so that nobody can invent labels.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, tracer: Tracer, areas: Collection[str]) -> None:
        self._app = app
        self._tracer = tracer
        self._metrics = metrics
        self._areas = frozenset(areas)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        area = first_segment(scope["path"].removeprefix(scope.get("root_path", "")))
        known = area if area in self._areas else OTHER
        # What callers say of traces is not believed: anybody could make us keep theirs.
        trace = self._tracer.span("http", area=known) if known not in WATCHED else NO_TRACE
        try:
            with trace:
                await self._app(scope, receive, watch)
        finally:
            series = self._metrics.requests.labels(known, f"{status // 100}xx")
            series.observe(time.monotonic() - began)


def first_segment(path: str) -> str:
    """What stands between the first two slashes of a path."""
    return path.lstrip("/").partition("/")[0]
