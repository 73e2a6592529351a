"""Benchmark `delivery`: N mails rendered, sent to a sink and recorded; ours and the peers in turn."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from ops.bench import bullmq_peer, celery_peer, ours, post_office_peer
from ops.bench.arena import Arena, open_arena
from ops.bench.peer_tools import NotMeasured
from ops.bench.report import median_of, say
from ops.bench.wire_limit import wire_limit

OURS = "closeloop"
Race = Callable[[Arena, int], dict[str, Any]]
SIDES: Mapping[str, Race] = {
    OURS: ours.race,
    "celery_smtplib": celery_peer.race,
    "bullmq_nodemailer": bullmq_peer.race,
    "django_post_office": post_office_peer.race,
}
FIGURES = (
    "mails_per_second",
    "worker_cpu_ms_per_mail",
    "all_workers_cpu_ms_per_mail",
    "database_cpu_ms_per_mail",
    "total_cpu_ms_per_mail",
    "worker_peak_mb",
)
LIMIT = "wire_limit_mails_per_second"


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--mails", type=int, default=10_000, help="mails per round of ours (default 10000)")
    parser.add_argument(
        "--peer-mails", type=int, default=3_000, help="mails per round of a peer (default 3000)"
    )
    parser.add_argument("--rounds", type=int, default=2, help="rounds per side (default 2)")
    parser.add_argument(
        "--only", choices=sorted(SIDES), action="append", help="this side alone; may be said again"
    )


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Interleave the sides round by round; raw figures, medians, ratios, and shares of the wire's limit."""
    sides = [side for side in SIDES if not chosen.only or side in chosen.only]
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    missing: dict[str, str] = {}
    with open_arena(max(chosen.mails, chosen.peer_mails)) as arena:
        limit = _wire_limit(arena, chosen.mails, missing)
        for number in range(chosen.rounds):
            for side in sides:
                if side not in missing:
                    count = chosen.mails if side == OURS else chosen.peer_mails
                    rounds[side] += _round(arena, side, count, number, missing)
        document = arena.describe() | {LIMIT: limit}
    return document | summary(rounds, limit) | {"not_measured": missing}


def _wire_limit(arena: Arena, count: int, missing: dict[str, str]) -> float | None:
    try:
        return wire_limit(arena.sink.port, count)
    except NotMeasured as because:
        missing["smtp_source"] = _said("smtp-source", because)
        return None


def _round(arena: Arena, side: str, count: int, number: int, missing: dict[str, str]) -> list[dict[str, Any]]:
    """One round's figures; nothing, and a word in `missing`, where a peer does not get through it."""
    try:
        figures = SIDES[side](arena, count)
    except NotMeasured as because:
        missing[side] = _said(side, because)
        return []
    except Exception as error:
        if side == OURS:
            raise
        # A peer that fails is no reason to lose everybody's figures.
        missing[side] = _said(side, error)
        return []
    say(f"round {number + 1}, {side}: {figures['mails_per_second']:.0f} mails/s")
    return [figures]


def _said(what: str, because: Exception) -> str:
    words = f"not measured, because {str(because) or type(because).__name__}"
    say(f"{what}: {words}")
    return words


def summary(rounds: Mapping[str, list[dict[str, Any]]], limit: float | None) -> dict[str, Any]:
    """The rounds, their medians by side, ours as a multiple of each peer's, and shares of `limit`."""
    medians = {
        side: {name: median_of(figures, name) for name in FIGURES}
        for side, figures in rounds.items()
        if figures
    }
    shares = {side: round(found["mails_per_second"] / limit, 4) for side, found in medians.items() if limit}
    return {
        "rounds": rounds,
        "medians": medians,
        "ratios_of_medians": _ratios(medians),
        "shares_of_wire_limit": shares,
    }


def _ratios(medians: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    own = medians.get(OURS)
    if own is None:
        return {}
    return {
        f"{OURS}/{side}": {name: round(own[name] / theirs[name], 3) for name in FIGURES if theirs[name]}
        for side, theirs in medians.items()
        if side != OURS
    }
