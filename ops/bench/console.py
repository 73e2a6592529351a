"""Benchmark `console`: pages over a million tickets and five million messages, and a long export."""

from __future__ import annotations

import argparse
import asyncio
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import select

from models.people import Staff
from models.vocabulary import Role
from ops.bench.arena import Arena, bare_arena
from ops.bench.console_seed import fill
from ops.bench.deadlines_people import always_open
from ops.bench.intake_ours import bare_workshop
from ops.bench.memory import Watcher
from ops.bench.meter import settle
from ops.bench.ours import CLOSELOOP, live_settings
from ops.bench.processes import cpu_seconds, started, wait_until
from ops.bench.report import say, spread
from ops.bench.servers import free_port
from ops.bench.webhooks import page_request, pages_at_rate
from workers.access import open_session
from workers.settings import Settings, load_settings
from workers.web.console.cookies import SESSION, cookie_name

DATABASE = "console"
WITHIN_MS = 150.0
WARM_UP = 20
EXPORT = "/console/communications/export?format=csv"
FLAT_MB = 60.0
"""How much more memory an export may take than the process had before it."""
LISTS = ("view=all", "view=all&state=closed", "view=all&overdue=1", "view=team", "view=all&priority=medium")
OWN_LISTS = ("view=mine", "view=mine&state=closed", "view=mine&overdue=1")


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--tickets", type=int, default=1_000_000, help="tickets (default 1000000)")
    parser.add_argument("--messages", type=int, default=5, help="messages of each ticket (default 5)")
    parser.add_argument("--records", type=int, default=100_000, help="records to export (default 100000)")
    parser.add_argument("--pages", type=int, default=150, help="requests of each kind (default 150)")
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second (default 10)")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Each kind of page by itself, as a supervisor and as an agent sees it; then the export."""
    with bare_arena() as arena, ExitStack() as stack:
        arena.postgres.server.create(DATABASE)
        urls = (arena.postgres.server.url(DATABASE), arena.redis.server.url())
        environ = live_settings(*urls, arena.secret_keys, arena.sink.port)
        environ["CLOSELOOP_POLICY"] = str(always_open(arena.folder))
        settings = load_settings(environ, arena.folder)
        began = time.monotonic()
        fill(arena, settings, DATABASE, chosen.tickets, chosen.messages, chosen.records)
        made = round(time.monotonic() - began, 1)
        cookies = asyncio.run(sign_in(settings))
        port = free_port()
        command: list[str | Path] = [CLOSELOOP, "web", "--http", f"127.0.0.1:{port}", "--data", arena.folder]
        web = stack.enter_context(started(command, arena.folder / "web.log", environ))
        wait_until(lambda: listens(port), "the web process", seconds=60)
        settle([web.pid])
        arena.must_live(web)
        pages = {
            f"{role}: {kind}": _timed(port, web.pid, cookies[role], some, chosen.rate)
            for role, kinds in _paths(arena, chosen.pages).items()
            for kind, some in kinds.items()
        }
        return {
            "tickets": chosen.tickets,
            "messages": chosen.tickets * chosen.messages,
            "seconds_to_make": made,
            "pages": pages,
            "asked_p95_ms": WITHIN_MS,
            "kept": all(found["p95"] <= WITHIN_MS for found in pages.values()),
            "export": _export(port, web.pid, cookies["supervisor"]),
        }


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def sign_in(settings: Settings) -> Mapping[str, str]:
    """A session of a supervisor and of an agent: the cookie of each."""
    found = {}
    async with bare_workshop(settings) as workshop, workshop.begin() as uow:
        for role in (Role.SUPERVISOR, Role.AGENT):
            who = select(Staff).where(Staff.role == role).order_by(Staff.number).limit(1)
            person = (await uow.session.scalars(who)).one()
            token, _ = await open_session(uow, person, "bench")
            found[role.value] = f"{cookie_name(settings, SESSION)}={token}"
    return found


def _paths(arena: Arena, count: int) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """What each of the two opens: lists with filters, single tickets, the ledger, a search by number."""
    agent = "SELECT id FROM staff WHERE role = 'agent' ORDER BY number LIMIT 1"
    own = f"SELECT number FROM tickets WHERE handler_id = ({agent}) ORDER BY random() LIMIT {count}"
    some = f"SELECT number FROM tickets TABLESAMPLE SYSTEM (5) ORDER BY random() LIMIT {count}"
    theirs = [str(row["number"]) for row in arena.postgres.rows(DATABASE, own)]
    anybodys = [str(row["number"]) for row in arena.postgres.rows(DATABASE, some)]
    return {
        "supervisor": {
            "list": [f"/console/tickets?{LISTS[n % len(LISTS)]}" for n in range(count)],
            "ticket": [f"/console/tickets/{number}" for number in anybodys],
            "search by number": [f"/console/search?q={number}" for number in anybodys],
            "messages": ["/console/messages", "/console/messages?state=failed"] * (count // 2),
        },
        "agent": {
            "list": [f"/console/tickets?{OWN_LISTS[n % len(OWN_LISTS)]}" for n in range(count)],
            "ticket": [f"/console/tickets/{number}" for number in theirs],
        },
    }


def _timed(port: int, pid: int, cookie: str, paths: Sequence[str], rate: float) -> dict[str, Any]:
    """Milliseconds from the moment a request was to be sent until its page was whole."""
    pages_at_rate(port, paths[:WARM_UP], rate, 4, cookie)
    before = cpu_seconds(pid)
    answers = pages_at_rate(port, paths, rate, 8, cookie)
    if answers.wrong:
        raise AssertionError(f"{len(answers.wrong)} pages were not there: {answers.wrong[0][:300]!r}")
    found = spread(answers.milliseconds)
    say(f"{paths[0]} and others: {found} ms")
    return {**found, "web_cpu_ms": round((cpu_seconds(pid) - before) * 1000 / len(paths), 2)}


def _export(port: int, pid: int, cookie: str) -> dict[str, Any]:
    """All records as CSV: bytes, lines, seconds, and how much more memory that took."""
    watcher = Watcher({"web": pid})
    size, lines, first = 0, 0, 0.0
    # HTTP/1.0 (RFC 9112 §6.3): the body is not cut into chunks and ends with the connection.
    asked = page_request(EXPORT, cookie).replace(b"HTTP/1.1", b"HTTP/1.0")
    with watcher.watching(), socket.create_connection(("127.0.0.1", port)) as wire:
        time.sleep(1.5)
        began = time.monotonic()
        wire.sendall(asked)
        while block := wire.recv(1 << 16):
            first = first or time.monotonic() - began
            size += len(block)
            lines += block.count(b"\n")
        seconds = time.monotonic() - began
        time.sleep(1.0)
    memory = watcher.figures()["web"]
    grown = round(memory["max_mb"] - memory["first_mb"], 1)
    say(f"export: {lines} lines, {size / 2**20:.1f} MB in {seconds:.1f} s, {grown} MB more memory")
    return {
        "lines": lines,
        "bytes": size,
        "seconds": round(seconds, 1),
        "first_byte_ms": round(first * 1000),
        "memory_grew_mb": grown,
        "memory_may_grow_mb": FLAT_MB,
        "kept": grown <= FLAT_MB,
    }
