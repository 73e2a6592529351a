"""The survey page of one web process: first byte at a rate, weight, and what a token's check tells."""

from __future__ import annotations

import argparse
import asyncio
import bisect
import os
import random
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from models.base import new_id
from models.vocabulary import Lane
from ops.bench.arena import Arena
from ops.bench.blast import environment
from ops.bench.deadlines_seed import QUICKLY
from ops.bench.intake_ours import bare_workshop
from ops.bench.meter import settle
from ops.bench.ours import CLOSELOOP
from ops.bench.processes import cpu_seconds, started, wait_until
from ops.bench.report import say, spread
from ops.bench.seed import SURVEY, seed
from ops.bench.servers import free_port
from ops.bench.webhooks import one_by_one, pages_at_rate
from workers import links
from workers.errors import NotFound
from workers.settings import Settings, load_settings
from workers.unit_of_work import Vault

DATABASE = "surveys"
SURVEYS = 1_000
FEW = 1_000
WARM_UP = 200
FIRST_BYTE_MS = 50.0
PAGE_BYTES = 30 * 1024
OUTSIDE = re.compile(
    rb"<(?:script|link|img|iframe|object|embed|video|audio)\b|\ssrc(?:set)?=|url\(|@import", re.I
)
COLUMNS = ["id", "token_hash", "purpose", "ticket_id", "subject_id", "customer_id"]
COLUMNS += ["facts", "created_at", "expires_at", "single_use"]
Tokens = dict[str, list[str]]


def pages(arena: Arena, chosen: argparse.Namespace) -> dict[str, Any]:
    """`token_check` with few and with many links in the table, then `page` with many."""
    with arena.empty_database(DATABASE) as database, ExitStack() as stack:
        environ = environment(arena, database)
        settings = load_settings(environ, arena.folder)
        say(f"seeding {SURVEYS} surveys")
        seed(settings, SURVEYS, lane=Lane.BULK, kind=SURVEY)
        tokens = _tokens(arena, database, settings)
        _fill_up(arena, database, FEW)
        port = free_port()
        command: list[str | Path] = [CLOSELOOP, "web", "--http", f"127.0.0.1:{port}", "--data", arena.folder]
        web = stack.enter_context(started(command, arena.folder / "web.log", environ))
        wait_until(lambda: _listens(port), "the web process", seconds=60)
        settle([web.pid])
        arena.must_live(web)
        one_by_one(port, [f"/s/{token}" for token in tokens["known"][:WARM_UP]])
        checks = {FEW: _check(settings, port, tokens, chosen.checks)}
        _fill_up(arena, database, chosen.links)
        checks[chosen.links] = _check(settings, port, tokens, chosen.checks)
        rounds = [_at_rate(port, web.pid, tokens["known"], chosen) for _ in range(chosen.rounds)]
        return {
            "page": {"rounds": rounds, **_weight(port, tokens["known"][0])},
            "token_check": compare(checks),
        }


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _tokens(arena: Arena, database: str, settings: Settings) -> Tokens:
    """Put a link for each survey into the table, every fifth one expired; `near` is known but for its end."""
    vault, now = Vault(settings.secret_keys), datetime.now(UTC)
    rows, tokens = [], Tokens(known=[], expired=[], unknown=[], near=[])
    found = arena.postgres.rows(database, "SELECT id, ticket_id, customer_id FROM surveys")
    for place, survey in enumerate(found):
        token = vault.new_token()
        over = place % 5 == 4
        tokens["expired" if over else "known"].append(token)
        tokens["unknown"].append(vault.new_token())
        tokens["near"].append(token[:-1] + ("b" if token[-1] == "a" else "a"))
        ends = now - timedelta(days=1) if over else now + timedelta(days=7)
        held = (survey["ticket_id"], survey["id"], survey["customer_id"])
        rows.append((new_id(), vault.token_hash(token), "survey", *held, "{}", now, ends, False))
    arena.postgres.copy_in(database, "links", COLUMNS, rows, QUICKLY)
    return tokens


def _fill_up(arena: Arena, database: str, want: int) -> None:
    """As many further links of one survey as make `want` in all; their tokens nobody knows."""
    have = arena.postgres.rows(database, "SELECT count(*) AS n FROM links")[0]["n"]
    survey = arena.postgres.rows(database, "SELECT id, ticket_id, customer_id FROM surveys LIMIT 1")[0]
    held, now = (survey["ticket_id"], survey["id"], survey["customer_id"]), datetime.now(UTC)
    ends = now + timedelta(days=7)

    def rows() -> Iterator[tuple[Any, ...]]:
        for _ in range(want - have):
            yield (new_id(), os.urandom(32), "survey", *held, "{}", now, ends, False)

    if want > have:
        say(f"filling up to {want} links")
        arena.postgres.copy_in(database, "links", COLUMNS, rows(), QUICKLY)
    arena.make_lasting(database, "links")


def _at_rate(port: int, pid: int, known: Sequence[str], chosen: argparse.Namespace) -> dict[str, Any]:
    paths = [f"/s/{known[n % len(known)]}?score={1 + n % 5}" for n in range(chosen.pages)]
    before = cpu_seconds(pid)
    answers = pages_at_rate(port, paths, chosen.rate, chosen.connections)
    if answers.wrong:
        raise AssertionError(f"{len(answers.wrong)} pages were not there: {answers.wrong[0][:200]!r}")
    first = spread(answers.first_byte)
    say(f"page: first byte {first} ms at {chosen.rate:.0f}/s")
    return {
        "offered_per_second": chosen.rate,
        "pages": len(paths),
        "first_byte_ms": first,
        "whole_ms": spread(answers.milliseconds),
        "web_cpu_ms_per_page": round((cpu_seconds(pid) - before) * 1000 / len(paths), 3),
        "first_byte_p99_asked_ms": FIRST_BYTE_MS,
        "kept": first["p99"] <= FIRST_BYTE_MS,
    }


def _weight(port: int, token: str) -> dict[str, Any]:
    """Bytes of the whole answer, head and all, of the heavier language; what it makes a browser fetch."""
    answers = [
        answer for _, answer in one_by_one(port, [f"/s/{token}?lang={lang}" for lang in ("en", "zh_CN")])
    ]
    return {
        "bytes": max(len(answer) for answer in answers),
        "bytes_asked": PAGE_BYTES,
        "external_requests": max(len(OUTSIDE.findall(answer)) for answer in answers),
    }


def _check(settings: Settings, port: int, tokens: Tokens, count: int) -> dict[str, Any]:
    """Tokens of all kinds in random order: the check alone, and the whole page over HTTP."""
    mixed = [(kind, token) for kind, some in tokens.items() for token in _take(some, count)]
    random.Random(count).shuffle(mixed)
    alone = asyncio.run(_alone(settings, mixed))
    answers = one_by_one(port, [f"/s/{token}" for _, token in mixed])
    whole: dict[str, list[float]] = {kind: [] for kind in tokens}
    status: dict[str, str] = {}
    for (kind, _), (took, answer) in zip(mixed, answers, strict=True):
        whole[kind].append(took)
        status[kind] = answer[9:12].decode()
    say(f"token check: { ({kind: spread(took).get('p50') for kind, took in alone.items()}) } µs")
    return {
        "check_us": {kind: spread(took) for kind, took in alone.items()},
        "check_slower_than_unknown": {kind: slower(took, alone["unknown"]) for kind, took in alone.items()},
        "page_first_byte_ms": {kind: spread(took) for kind, took in whole.items()},
        "page_near_slower_than_unknown": slower(whole["near"], whole["unknown"]),
        "status": status,
    }


def _take(some: Sequence[str], count: int) -> list[str]:
    return [some[n % len(some)] for n in range(count)]


async def _alone(settings: Settings, mixed: Sequence[tuple[str, str]]) -> dict[str, list[float]]:
    """Microseconds of `links.find` by kind, transaction and all, in this process; the first ones warm up."""
    found: dict[str, list[float]] = {}
    async with bare_workshop(settings) as workshop:
        for place, (kind, token) in enumerate([*mixed[:WARM_UP], *mixed]):
            began = time.perf_counter()
            async with workshop.read() as uow:
                try:
                    await links.find(uow, token, ("survey",))
                except NotFound:
                    if kind in ("known", "expired"):
                        raise
            if place >= WARM_UP:
                found.setdefault(kind, []).append((time.perf_counter() - began) * 1e6)
    return found


def slower(some: Sequence[float], others: Sequence[float]) -> float:
    """The share of pairs in which one of `some` took longer than one of `others`: 0.5 tells nothing."""
    ordered = sorted(others)
    below = sum(bisect.bisect_left(ordered, one) + bisect.bisect_right(ordered, one) for one in some)
    return round(below / (2 * len(some) * len(ordered)), 3)


def compare(checks: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """The checks by number of links, and what the many cost as a multiple of the few (medians)."""
    few, many = min(checks), max(checks)
    return {
        **{f"links_{count}": figures for count, figures in checks.items()},
        "check_many/few": {
            kind: round(took["p50"] / checks[few]["check_us"][kind]["p50"], 3)
            for kind, took in checks[many]["check_us"].items()
        },
    }
