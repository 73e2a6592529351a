"""The web server sleeps until somebody comes, and ends when it is told to."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from workers.boot import serving
from workers.web.monitor import WebApp

pytestmark = pytest.mark.anyio
DEEP = 30.0


def _application() -> WebApp:
    app = WebApp(openapi_url=None)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    return app


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
        return port


async def test_a_server_at_rest_need_not_look_whether_it_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DATE_SECONDS", 1e6)
    port = _free_port()
    async with asyncio.timeout(DEEP):
        async with serving.served(_application(), "127.0.0.1", port), httpx.AsyncClient() as visitor:
            answer = await visitor.get(f"http://127.0.0.1:{port}/")
            assert (answer.json(), "date" in answer.headers) == ("hello", True)
