"""A real browser on the pages of an installation: Chromium, driven by Playwright, over HTTPS.

The browser believes that `help.example` is a server on this machine, so links are followed as they stand in
the mails. Screenshots are kept in a folder among the temporary files, or in that of CLOSELOOP_SCREENSHOTS.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
import uvicorn
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Browser, Page, Request, async_playwright, expect

from tests.debian_programs import CHROMIUM, MACHINE, environment, root_of
from tests.servers import ServerMissing

# Without the background flags Chromium asks for hosts of its maker at every start.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)  # by itself it looks for five seconds: a busy machine takes longer


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks, and on what. Sizes are CSS pixels."""

    name: str
    width: int = 1200
    height: int = 900
    language: str = "en-GB"
    dark: bool = False
    touch: bool = False
    script: bool = True


DESKTOP = Reader("desktop")
PHONE = Reader("phone", 360, 780, touch=True)
PHONE_ZH = Reader("phone-zh", 360, 780, "zh-CN", touch=True)
PHONE_DARK = Reader("phone-dark", 360, 780, dark=True, touch=True)
PLAIN = Reader("plain", 360, 780, touch=True, script=False)


class Browsing:
    """A browser that finds the installation at its public address."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @asynccontextmanager
    async def page(self, reader: Reader = PHONE) -> AsyncIterator[Page]:
        """A fresh window without cookies; any request to elsewhere and any error in the console fails."""
        context = await self._browser.new_context(
            viewport={"width": reader.width, "height": reader.height},
            locale=reader.language,
            color_scheme="dark" if reader.dark else "light",
            has_touch=reader.touch,
            is_mobile=reader.touch,
            java_script_enabled=reader.script,
            ignore_https_errors=True,
        )
        context.set_default_timeout(WAIT_MS)
        page = await context.new_page()
        troubles: list[str] = []
        page.on("requestfailed", lambda request: troubles.extend(_failed(request)))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        try:
            yield page
        finally:
            await context.close()
        assert not troubles, troubles


def _failed(request: Request) -> list[str]:
    """What went wrong. Who goes on before a page's script has come, or while it looks for news, breaks that
    off: no failure.
    """
    broken_off = request.failure == "net::ERR_ABORTED" and request.resource_type in ("script", "fetch")
    return [] if broken_off else [f"failed: {request.url}"]


async def audit(page: Page, rules: Sequence[str] = RULES) -> None:
    """No violation of WCAG 2.2 AA that axe-core can find, and nothing wider than the window."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(await asyncio.to_thread(Path(AXE_FILE_PATH).read_text))
    run = "rules => axe.run({runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})"
    result: dict[str, Any] = await page.evaluate(run, list(rules))
    found = [
        f"{one['id']} ({one['help']}): {[node['html'][:200] for node in one['nodes'][:5]]}"
        for one in result["violations"]
    ]
    assert not found, "\n".join(found)
    wide = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide, "the page scrolls sideways"


async def shoot(page: Page, name: str) -> Path:
    """Keep a picture of the whole page."""
    path = _pictures() / f"{name}.png"
    await page.screenshot(path=path, full_page=True)
    return path


def _pictures() -> Path:
    chosen = os.environ.get("CLOSELOOP_SCREENSHOTS")
    folder = Path(chosen) if chosen else Path(tempfile.gettempdir(), "closeloop-screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@asynccontextmanager
async def browsing(app: Any, address: str) -> AsyncIterator[Browsing]:
    """Serve the ASGI application and start a browser that finds it at `address` (https://host)."""
    host = str(urlsplit(address).hostname)
    async with _served(app, host) as port, chromium(f"MAP {host} 127.0.0.1:{port}, ") as browser:
        yield Browsing(browser)


@asynccontextmanager
async def chromium(hosts: str = "") -> AsyncIterator[Browser]:
    """Start a browser that finds no host but those of `hosts` (rules of Chromium's, each with its comma).

    Skips the test on a machine without Chromium, except where nothing may be skipped.
    """
    try:
        root = await asyncio.to_thread(root_of, CHROMIUM)
    except ServerMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=root / "usr/lib/chromium/chromium",
            args=[*FLAGS, f"--host-resolver-rules={hosts}MAP * ~NOTFOUND"],
            env=_environment(root),
        )
        try:
            yield browser
        finally:
            await browser.close()


def _environment(root: Path) -> dict[str, str | float | bool]:
    """Fonts too, where they were unpacked beside the program."""
    found: dict[str, str | float | bool] = dict(environment(root))
    if root != MACHINE:
        config = root / "fonts.conf"
        folder, cache = root / "usr/share/fonts", root / "fonts-cache"
        config.write_text(f"<fontconfig><dir>{folder}</dir><cachedir>{cache}</cachedir></fontconfig>")
        found["FONTCONFIG_FILE"] = str(config)
    return found


@asynccontextmanager
async def _served(app: Any, host: str) -> AsyncIterator[int]:
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cert.pem"
        issued = authority.issue_cert(host)
        parts = (issued.private_key_pem, *issued.cert_chain_pems)
        path.write_bytes(b"".join(part.bytes() for part in parts))
        config = uvicorn.Config(
            app,
            port=0,
            ssl_certfile=path,
            ssl_keyfile=str(path),
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=2,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve())
        try:
            while not server.started:
                await asyncio.sleep(0.02)
                assert not running.done(), "the web server did not start"
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            server.should_exit = True
            await running


class _Server(uvicorn.Server):
    """Leaves the signals of the tests' process alone."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a decorated method
        """See uvicorn."""
        return nullcontext()
