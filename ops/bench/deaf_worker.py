"""`closeloop worker`, but for one thing: it rings no bells for delivery, so that notifications are written
and nothing is sent. Settings come from the environment; the data folder is the only argument.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection
from pathlib import Path

from models.vocabulary import Lane
from workers.bells import Bell
from workers.boot.installation import Installation
from workers.boot.processes import run_worker
from workers.broker import Ringer
from workers.settings import load_settings


class DeafRinger(Ringer):
    """A ringer that drops the bells of all desks but intake."""

    def __call__(self, bells: Collection[Bell]) -> None:
        """Ring those of `bells` that call the intake desk."""
        super().__call__([bell for bell in bells if bell.desk == "intake"])


def main(data: str) -> None:
    """Work until SIGTERM."""
    installation = Installation(load_settings(dict(os.environ), Path(data)))
    installation.ring.close()
    installation.ring = DeafRinger(installation.broker, installation.clock, metrics=installation.metrics)
    asyncio.run(run_worker(installation, set(Lane)))


if __name__ == "__main__":
    main(sys.argv[1])
