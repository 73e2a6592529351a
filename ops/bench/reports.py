"""Benchmark `reports`: a monthly report and the dashboard over a year of requests, at several sizes."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import func, make_url, select

from models.deadlines import Errand
from models.figures import KeptFigures
from models.vocabulary import Lane
from ops.bench.arena import Arena, bare_arena
from ops.bench.console import listens, sign_in
from ops.bench.deadlines_people import always_open
from ops.bench.intake_ours import bare_workshop
from ops.bench.ours import CLOSELOOP, live_settings
from ops.bench.processes import ROOT, clean_environ, cpu_seconds, peak_mb, started, wait_until
from ops.bench.report import say, spread
from ops.bench.reports_seed import copy_to_sqlite, fill
from ops.bench.servers import free_port
from workers.measures import FIGURES, prepare_figures
from workers.settings import Settings, load_settings
from workers.unit_of_work import Workshop

PAGES = (
    "/console/dashboard",
    "/console/dashboard?period=week",
    "/console/dashboard?period=last-month",
    "/console/dashboard?period=last-quarter",
    "/console/dashboard?team=*",
    "/console/dashboard?team=*&period=last-month",
    "/console/dashboard?team=*&priority=urgent",
    "/console/dashboard?team=*&view=groups&by=team",
)
"""What a supervisor opens: of the own team, as it comes first, and of all teams."""
PREPARED = PAGES[:6]
"""Those that a worker has worked out before anybody opens them."""
BESIDE = "/console/dashboard?view=trend"
"""What somebody looks at, so that a worker has reason to."""
FORGET = "TRUNCATE kept_figures"
MADE = """
    SELECT count(*) AS answers, coalesce(sum(took), 0) AS seconds
    FROM kept_figures WHERE asked_at < answered_at
"""
TOGETHER = 8
"""So many open the same page at once."""
SIGNED_IN = "/console/targets"
"""A page beside the dashboard, so that the first one does not pay for the process's start."""
MONTHLY_SECONDS, DASHBOARD_MS, MEMORY_MB, SQLITE_SECONDS = 10.0, 400.0, 300.0, 5.0


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument(
        "--tickets", default="100000,300000,1000000", help="sizes (default 100000,300000,1000000)"
    )
    parser.add_argument(
        "--sqlite", type=int, default=50_000, help="tickets in SQLite (default 50000; 0: none)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each question (default 3)")
    parser.add_argument("--pages", type=int, default=100, help="dashboards (default 100)")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Each size in a database of its own; what was asked of the greatest is held against the limits."""
    sizes = [int(size) for size in str(chosen.tickets).split(",")]
    with bare_arena() as arena:
        found = {str(size): _postgresql(arena, size, chosen) for size in sizes}
        sqlite = _sqlite(arena, chosen) if chosen.sqlite else {}
    greatest = found[str(sizes[-1])]
    kept = {
        "monthly": greatest["ms"]["monthly report"] <= MONTHLY_SECONDS * 1000,
        "dashboard": greatest["dashboard"]["p95"] <= DASHBOARD_MS,
        "memory": max(greatest["peak_mb"], greatest["web_peak_mb"]) <= MEMORY_MB,
    }
    if sqlite:
        kept["sqlite_monthly"] = sqlite["ms"]["monthly report"] <= SQLITE_SECONDS * 1000
    limits = {
        "monthly_seconds": MONTHLY_SECONDS,
        "dashboard_p95_ms": DASHBOARD_MS,
        "memory_mb": MEMORY_MB,
        "sqlite_monthly_seconds": SQLITE_SECONDS,
    }
    return {"postgresql": found, "sqlite": sqlite, "asked": limits, "kept": kept}


def _environ(arena: Arena, database: str) -> dict[str, str]:
    environ = live_settings(database, arena.redis.server.url(), arena.secret_keys, arena.sink.port)
    environ["CLOSELOOP_POLICY"] = str(always_open(arena.folder))
    return environ


def _filled(arena: Arena, name: str, tickets: int) -> tuple[dict[str, str], float]:
    """A database with so many tickets: the environment of a process on it, and how long it took."""
    arena.postgres.server.create(name)
    environ = _environ(arena, arena.postgres.server.url(name))
    began = time.monotonic()
    fill(arena, load_settings(environ, arena.folder), name, tickets)
    return environ, round(time.monotonic() - began, 1)


def _postgresql(arena: Arena, tickets: int, chosen: argparse.Namespace) -> dict[str, Any]:
    environ, made = _filled(arena, f"reports_{tickets}", tickets)
    asked = _asked(environ, arena.folder, chosen.rounds)
    say(f"{tickets} tickets: {asked}")
    return {"seconds_to_make": made, **asked, **_dashboards(arena, environ, chosen)}


def _sqlite(arena: Arena, chosen: argparse.Namespace) -> dict[str, Any]:
    """The rows of a database of its own, copied into a file."""
    environ, _ = _filled(arena, "reports_for_sqlite", chosen.sqlite)
    target = f"sqlite+aiosqlite:///{arena.folder}/reports.db"
    rows = copy_to_sqlite(environ["CLOSELOOP_DATABASE_URL"], target)
    asked = _asked(_environ(arena, target), arena.folder, chosen.rounds)
    say(f"SQLite, {chosen.sqlite} tickets, {rows} rows: {asked}")
    return {"tickets": chosen.sqlite, "rows": rows, **asked}


def _asked(environ: Mapping[str, str], data: Path, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "ops.bench.reports_asking", str(data), str(rounds)]
    told = subprocess.run(
        command, cwd=ROOT, env={**clean_environ(), **environ}, capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise AssertionError(f"the figures could not be asked for: {told.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


def _dashboards(arena: Arena, environ: Mapping[str, str], chosen: argparse.Namespace) -> dict[str, Any]:
    """The page as a supervisor opens it: milliseconds until it is whole, and the process's memory.

    First each one once, when nobody has asked for it before; then again and again, as people look at them;
    then one that nobody has asked for by several at once; then as a worker has prepared them.
    """
    settings = load_settings(environ, arena.folder)
    cookie = asyncio.run(sign_in(settings))["supervisor"]
    with ExitStack() as stack:
        port = free_port()
        command: list[str | Path] = [CLOSELOOP, "web", "--http", f"127.0.0.1:{port}", "--data", arena.folder]
        web = stack.enter_context(started(command, arena.folder / "web.log", environ))
        wait_until(lambda: listens(port), "the web process", seconds=60)
        _opened(port, SIGNED_IN, cookie)
        first = {path: round(_opened(port, path, cookie), 1) for path in PAGES}
        before = cpu_seconds(web.pid)
        found = spread([_opened(port, PAGES[place % len(PAGES)], cookie) for place in range(chosen.pages)])
        cpu = round((cpu_seconds(web.pid) - before) * 1000 / chosen.pages, 1)
        together = _together(arena, environ, port, cookie)
        ahead = _in_advance(arena, environ, port, cookie)
        say(f"dashboard: {found} ms, when nobody had asked before {first}, {TOGETHER} at once {together}")
        say(f"worked out in advance: {ahead}")
        memory = round(peak_mb(web.pid), 1)
        return {
            "dashboard": found,
            "dashboard_first": first,
            "dashboard_together": together,
            "dashboard_in_advance": ahead,
            "web_cpu_ms_per_page": cpu,
            "web_peak_mb": memory,
        }


def _together(arena: Arena, environ: Mapping[str, str], port: int, cookie: str) -> dict[str, float]:
    """Several open the same page that nobody has asked for: the slowest, and the database's CPU (ms)."""
    arena.postgres.run(_name(environ), FORGET)
    before = cpu_seconds(arena.postgres.pid)
    with ThreadPoolExecutor(TOGETHER) as people:
        took = list(people.map(lambda _: _opened(port, PREPARED[4], cookie), range(TOGETHER)))
    return {
        "slowest": round(max(took), 1),
        "database_cpu": round((cpu_seconds(arena.postgres.pid) - before) * 1000),
    }


def _in_advance(arena: Arena, environ: Mapping[str, str], port: int, cookie: str) -> dict[str, Any]:
    """What a worker works out once somebody has looked: how many answers, in how many seconds; then each page
    as it is opened first (ms).
    """
    arena.postgres.run(_name(environ), FORGET)
    _opened(port, BESIDE, cookie)
    asyncio.run(_rounds(load_settings(environ, arena.folder)))
    made = arena.postgres.rows(_name(environ), MADE)[0]
    pages = {path: round(_opened(port, path, cookie), 1) for path in PREPARED}
    return {"answers": made["answers"], "seconds": round(made["seconds"], 1), "pages": pages}


async def _rounds(settings: Settings) -> None:
    """Rounds as a worker goes them, without the two minutes between, until there is nothing left."""
    async with bare_workshop(settings) as workshop:
        there = -1
        while there < (number := await _kept(workshop)):
            there = number
            await prepare_figures(workshop, Errand(kind=FIGURES, lane=Lane.BULK))


async def _kept(workshop: Workshop) -> int:
    async with workshop.read() as uow:
        return await uow.session.scalar(select(func.count()).select_from(KeptFigures)) or 0


def _name(environ: Mapping[str, str]) -> str:
    return str(make_url(environ["CLOSELOOP_DATABASE_URL"]).database)


def _opened(port: int, path: str, cookie: str) -> float:
    """One page when the one before it is whole: milliseconds."""
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    began = time.perf_counter()
    try:
        wire.request("GET", path, headers={"Cookie": cookie, "Accept-Language": "en"})
        answer = wire.getresponse()
        body = answer.read()
    finally:
        wire.close()
    if answer.status != 200:
        raise AssertionError(f"{path} was not there: {answer.status} {body[:300]!r}")
    return (time.perf_counter() - began) * 1000
