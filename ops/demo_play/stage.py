"""The installation under demonstration: `closeloop up` as a process of its own, started again at will."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from ops.demo_play.parts import ADMINISTRATOR, SMS_NUMBER, SUPPORT
from ops.demo_play.post_office import ACCOUNT, TOKEN
from workers.clock import FastClock

HEAD_START = 4.0
"""Seconds that the clock stands still while the process starts."""
READY_SECONDS = 240
"""On a busy machine a first start, which compiles everything, takes long; a failure is told at once."""


class StageFailure(RuntimeError):
    """The service did not start or did not answer; says what it wrote last."""


class Stage:
    """One installation in a folder, on ports of its own; `clock` is the one that the service runs on."""

    def __init__(self, folder: Path, http_port: int = 0) -> None:
        self.folder = folder
        self.http_port = http_port or free_port()
        self.smtp_port = free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.clock = FastClock(1, datetime.now().astimezone())
        self.hook_token = ""
        self.api_key = ""
        self._process: asyncio.subprocess.Process | None = None

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "closeloop.db"

    async def start(self, at: datetime, speed: float, *, mail_port: int, side_port: int) -> float:
        """Start the service with its clock at `at`; gives the seconds until it was ready.

        Raises StageFailure.
        """
        began, anchor = time.monotonic(), time.time() + HEAD_START
        environ = self._environ(at, anchor, speed, mail_port, side_port)
        command = [
            str(Path(sys.executable).with_name("closeloop")),
            "up",
            "--json",
            "--data",
            str(self.folder),
        ]
        command += ["--http", f"127.0.0.1:{self.http_port}", "--smtp-intake", f"127.0.0.1:{self.smtp_port}"]
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), READY_SECONDS)
        except TimeoutError:
            line = b""
        if not line.startswith(b"{"):
            raise StageFailure(f"closeloop did not get ready; its log ends with:\n{self.last_words()}")
        facts = json.loads(line)
        self._read_secrets(Path(facts["secrets"]))
        self.clock = FastClock(speed, at, anchor)
        return time.monotonic() - began

    async def stop(self) -> None:
        """Stop the service as an operator does (SIGTERM); kill it when it does not end."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """How the process ended; None while it runs, negative for a signal."""
        return self._process.returncode if self._process is not None else None

    @property
    def log_file(self) -> Path:
        """What the service logs."""
        return self.folder / "service.log"

    def last_words(self) -> str:
        """The end of the log."""
        if not self.log_file.exists():
            return "(nothing)"
        return "\n".join(self.log_file.read_text("utf-8", "replace").splitlines()[-12:]) or "(nothing)"

    async def api(self, method: str, path: str, body: Any = None, *, by: str = "") -> Any:
        """Call the REST API as the team's help desk. Raises StageFailure when the answer is not 2xx."""
        headers = {"Authorization": f"Bearer {self.api_key}"} | ({"X-Acting-Staff": by} if by else {})
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=20) as client:
            answer = await client.request(method, f"/api/v1{path}", json=body, headers=headers)
        if not answer.is_success:
            raise StageFailure(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    def _environ(self, at: datetime, anchor: float, speed: float, mail: int, side: int) -> dict[str, str]:
        settings = {
            "MODE": "live",
            "SMTP_URL": f"smtp://127.0.0.1:{mail}?tls=none",
            "SMS_URL": f"twilio://{ACCOUNT}:{TOKEN}@/{SMS_NUMBER}?api=http://127.0.0.1:{side}",
            "PUBLIC_URL": self.url,
            "MAIL_FROM": f"客服中心 <{SUPPORT}>",
            "ADMIN": ADMINISTRATOR.email,
            "STAFF_DOMAINS": SUPPORT.partition("@")[2],
            "POLICY": "support-response",
            "CLOCK_START": f"{at.isoformat()}@{anchor}",
            "CLOCK_SPEED": str(speed),
            "LOG_LEVEL": "info",
        }
        # The operator's own settings and proxies have no part in this play.
        own = {name: value for name, value in os.environ.items() if not name.startswith("CLOSELOOP_")}
        return {**own, "PYTHONUTF8": "1", **{f"CLOSELOOP_{name}": value for name, value in settings.items()}}

    def _read_secrets(self, file: Path) -> None:
        pairs = dict(
            line.split("=", 1) for line in file.read_text().splitlines() if "=" in line and line[0] != "#"
        )
        self.hook_token, self.api_key = pairs["CLOSELOOP_HOOK_TOKEN"], pairs["CLOSELOOP_API_KEY"]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
