"""The physical limit: how fast Postfix's smtp-source can fill the same sink with mails of the same size."""

from __future__ import annotations

import shutil
import subprocess
import time

from ops.bench.peer_tools import NotMeasured

MAIL_BYTES = 9_000
SESSIONS = 8


def wire_limit(port: int, count: int) -> float:
    """Mails per second over kept connections. Raises NotMeasured where there is no smtp-source."""
    program = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        raise NotMeasured("there is no smtp-source on this machine (it comes with Postfix)")
    sizes = ["-s", str(SESSIONS), "-m", str(count), "-l", str(MAIL_BYTES)]
    began = time.monotonic()
    people = ["-f", "a@example.com", "-t", "b@example.net"]
    done = subprocess.run([program, "-d", *sizes, *people, f"127.0.0.1:{port}"], check=False)
    if done.returncode != 0:
        raise NotMeasured(f"smtp-source ended with code {done.returncode}")
    return round(count / (time.monotonic() - began), 1)
