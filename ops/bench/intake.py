"""Benchmark `intake`: webhooks answered after commit, mails to tickets beside a peer, the parser alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ops.bench import helpdesk_peer, intake_ours
from ops.bench.arena import Arena, bare_arena
from ops.bench.inbox import requests
from ops.bench.parsing import parser_figures
from ops.bench.peer_tools import NotMeasured
from ops.bench.report import median_of, say

OURS = "closeloop"
Race = Callable[[Arena, Sequence[bytes]], dict[str, Any]]
SIDES: Mapping[str, Race] = {
    OURS: intake_ours.tickets,
    "django_helpdesk": partial(helpdesk_peer.race, silent=False),
    "django_helpdesk_silent": partial(helpdesk_peer.race, silent=True),
}
FIGURES = ("mails_per_second", "worker_cpu_ms_per_mail", "database_cpu_ms_per_mail", "total_cpu_ms_per_mail")
PARTS = ("webhook", "tickets", "parser")


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--flood", type=int, default=6_000, help="webhooks under load (default 6000)")
    parser.add_argument("--steady", type=int, default=4_500, help="webhooks at the rate (default 4500)")
    parser.add_argument("--rate", type=float, default=150, help="webhooks a second (default 150)")
    parser.add_argument("--connections", type=int, default=32, help="kept connections (default 32)")
    parser.add_argument("--mails", type=int, default=3_000, help="mails per round of ours (default 3000)")
    parser.add_argument("--peer-mails", type=int, default=500, help="mails per round of a peer (default 500)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds per side (default 2)")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be said again")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """All parts, or those that were chosen."""
    parts = chosen.only or PARTS
    document: dict[str, Any] = {"parser": parser_figures()} if "parser" in parts else {}
    if "webhook" not in parts and "tickets" not in parts:
        return document
    with bare_arena() as arena:
        document |= arena.describe()
        if "webhook" in parts:
            document["webhook"] = _webhook(arena, chosen)
        if "tickets" in parts:
            document["tickets"] = _tickets(arena, chosen)
    return document


def _webhook(arena: Arena, chosen: argparse.Namespace) -> dict[str, Any]:
    flood, steady = list(requests(chosen.flood)), list(requests(chosen.steady))
    found = intake_ours.webhook(arena, flood, steady, chosen.rate, chosen.connections)
    under_load, at_rate = found["under_load"]["per_second"], found["at_rate"]["answer_ms"]
    say(f"webhook: {under_load:.0f}/s, at {chosen.rate:.0f}/s {at_rate} ms")
    return found


def _tickets(arena: Arena, chosen: argparse.Namespace) -> dict[str, Any]:
    """The sides in turn, round by round, with the same mails."""
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    missing: dict[str, str] = {}
    mails = list(requests(max(chosen.mails, chosen.peer_mails)))
    for number in range(chosen.rounds):
        for side, race in SIDES.items():
            count = chosen.mails if side == OURS else chosen.peer_mails
            if side in missing:
                continue
            try:
                figures = race(arena, mails[:count])
            except NotMeasured as because:
                missing[side] = f"not measured, because {because}"
                say(f"{side}: {missing[side]}")
                continue
            rounds[side].append(figures)
            say(f"round {number + 1}, {side}: {figures['mails_per_second']:.0f} mails/s")
    return summary(rounds) | {"not_measured": missing}


def summary(rounds: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The rounds, their medians by side, and ours as a multiple of each peer's."""
    medians = {
        side: {name: median_of(figures, name) for name in FIGURES}
        for side, figures in rounds.items()
        if figures
    }
    own = medians[OURS]
    ratios = {
        f"{OURS}/{side}": {name: round(own[name] / theirs[name], 3) for name in FIGURES}
        for side, theirs in medians.items()
        if side != OURS
    }
    return {"rounds": dict(rounds), "medians": medians, "ratios_of_medians": ratios}
