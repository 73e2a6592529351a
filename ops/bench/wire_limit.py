"""The physical limit: how fast Postfix's smtp-source can fill the same sink with mails of the same size."""

from __future__ import annotations

import shutil
import subprocess
import time

MAIL_BYTES = 9_000
SESSIONS = 8


def wire_limit(port: int, count: int) -> float | None:
    """Mails per second over kept connections; None where there is no smtp-source."""
    program = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        return None
    sizes = ["-s", str(SESSIONS), "-m", str(count), "-l", str(MAIL_BYTES)]
    began = time.monotonic()
    subprocess.run(
        [program, "-d", *sizes, "-f", "a@example.com", "-t", "b@example.net", f"127.0.0.1:{port}"], check=True
    )
    return round(count / (time.monotonic() - began), 1)
