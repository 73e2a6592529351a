"""Benchmark `surveys`: the survey page at a rate, its weight, what a token's check tells, and planning."""

from __future__ import annotations

import argparse
from typing import Any

from ops.bench.arena import bare_arena
from ops.bench.report import say
from ops.bench.surveys_pages import pages
from ops.bench.surveys_planning import HELD, SENT, planned

PARTS = ("pages", "planning", "planning_while_sending")


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--rate", type=float, default=100, help="pages a second (default 100)")
    parser.add_argument("--pages", type=int, default=3_000, help="pages per round (default 3000)")
    parser.add_argument("--connections", type=int, default=32, help="kept connections (default 32)")
    parser.add_argument("--links", type=int, default=1_000_000, help="links in the table (default 1000000)")
    parser.add_argument("--checks", type=int, default=300, help="tokens of each kind (default 300)")
    parser.add_argument("--invitations", type=int, default=50_000, help="to be planned (default 50000)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of pages and planning (default 1)")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be said again")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """All parts, or those that were chosen."""
    parts = chosen.only or PARTS
    with bare_arena() as arena:
        document: dict[str, Any] = arena.describe()
        if "pages" in parts:
            document |= pages(arena, chosen)
        for part, mode in (("planning", HELD), ("planning_while_sending", SENT)):
            if part not in parts:
                continue
            document[part] = []
            for _ in range(chosen.rounds):
                figures = planned(arena, chosen.invitations, mode)
                say(f"{part}: {figures['invitations']} in {figures['seconds']} s")
                document[part].append(figures)
        return document
