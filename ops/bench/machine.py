"""What the figures were taken on: without it they mean nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("aiosmtplib", "asyncpg", "dramatiq", "jinja2", "sqlalchemy", "uvloop")


def describe() -> dict[str, Any]:
    """Processor, cores, memory, system, Python, our packages, and the load when asked."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def package_version(name: str) -> str | None:
    """The version of an installed package, None when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
