"""A worker with its clockwork in a process of its own, for tests that kill it: `python -m tests.process`."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta

from models.vocabulary import Lane
from workers.boot import Installation
from workers.settings import load_settings


async def main() -> None:
    """Work until killed; settings come from the environment, lease and time-out (seconds) as arguments."""
    lease, timeout = (float(word) for word in sys.argv[1:3])
    settings = load_settings(os.environ)
    installation = Installation(settings, lease=timedelta(seconds=lease), smtp_timeout=timeout)
    workers = installation.workers({Lane.URGENT: 1, Lane.NORMAL: 2, Lane.BULK: 1})
    for worker in workers:
        worker.start()
    workshop = installation.workshop()
    await installation.scheduler(workshop).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
