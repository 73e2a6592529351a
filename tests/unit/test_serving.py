"""The web server sleeps until somebody comes, and ends when it is told to."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.servers import free_port
from workers.boot import serving
from workers.web.monitor import WebApp

pytestmark = pytest.mark.anyio
DEEP = 120.0


def _application() -> WebApp:
    app = WebApp(openapi_url=None)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    return app


async def test_a_server_at_rest_need_not_look_whether_it_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DATE_SECONDS", 1e6)
    port = free_port()
    async with asyncio.timeout(DEEP):
        async with serving.served(_application(), "127.0.0.1", port), httpx.AsyncClient() as visitor:
            answer = await visitor.get(f"http://127.0.0.1:{port}/")
            assert (answer.json(), "date" in answer.headers) == ("hello", True)
