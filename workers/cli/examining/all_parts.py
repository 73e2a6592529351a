"""All parts in order; one that fails in a way nobody foresaw is a finding, too, and hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from workers.cli.output import Finding, is_machine_trouble

if TYPE_CHECKING:
    from workers.settings import Settings

Part = Callable[[], Iterator[Finding]]


def examine_all(settings: Settings, *, nameserver: str = "", ntp: str = "") -> Iterator[Finding]:
    """Machine, keys, database, broker, clock, rows, processes, relays, DNS.

    `nameserver` (IP or IP:port) is asked instead of the system's, `ntp` is a time server to compare with.
    """
    from workers.cli.broker_checking import broker_findings
    from workers.cli.examining.clocks import clock_findings
    from workers.cli.examining.database import database_findings, process_findings, row_findings
    from workers.cli.examining.dns_records import dns_findings
    from workers.cli.examining.machine import disk_findings, key_findings
    from workers.cli.examining.relays import relay_findings

    parts: dict[str, Part] = {
        "disk": lambda: disk_findings(settings),
        "keys": lambda: key_findings(settings),
        "database": lambda: database_findings(settings),
        "broker": lambda: broker_findings(settings),
        "clock": lambda: clock_findings(settings, ntp),
        "rows": lambda: row_findings(settings),
        "processes": lambda: process_findings(settings),
        "relay": lambda: relay_findings(settings),
        "dns": lambda: dns_findings(settings, nameserver),
    }
    for about, part in parts.items():
        yield from _safely(about, part)


def _safely(about: str, part: Part) -> Iterator[Finding]:
    from workers.errors import CloseloopError

    try:
        yield from part()
    except CloseloopError as error:
        yield Finding(about, "bad", error.message, error.hint)
    except Exception as error:
        words, hint = is_machine_trouble(error) or (f"cannot be examined ({type(error).__name__})", "")
        yield Finding(about, "bad", words, hint)
