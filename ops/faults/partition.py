"""The story of two machines: one is cut off, frozen, has a wrong clock; the other is killed in the end.

What is dangerous is a machine that has lost the database and not the relay: it must not go on sending what
the other one has taken over meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from ops.faults.hosts import Host
from ops.faults.judge import judge
from ops.faults.relay import Moody
from ops.faults.rounds import LEASE, MAIL, PATIENCE, SUPPORT, environment, promised, under_way
from tests.conftest import Backend
from tests.fakes_smtp import Rule, ScriptedSmtp, delay
from workers.boot import Installation
from workers.settings import load_settings
from workers.unit_of_work import Workshop

SPARE = 1.0
"""Seconds after its lease in which a mail whose first bytes had left may still be taken."""
PEACE = 300.0
"""Seconds that the last machine has for what is left, which on a busy one takes as long."""
LONG = LEASE + PATIENCE + 2.0
"""How long a fault lasts (seconds): the other machine must have noticed."""


class Slow(Moody):
    """A relay in a good temper that takes its time, so that there is always something under way."""

    def rule(self, step: str, recipient: str) -> Rule | None:
        """What happens at this step."""
        return Rule(step, delay(self.dice.uniform(0, self.slowness))) if step == "dot" else None


@dataclass
class Stage:
    """The two machines, the relay as each of them sees it, and what was seen so far."""

    workshop: Workshop
    hosts: Sequence[Host]
    relays: Sequence[ScriptedSmtp]
    client: httpx.AsyncClient
    token: str
    sent: int = 0
    late: list[str] = field(default_factory=list)
    under_way: set[Any] = field(default_factory=set)
    answered: dict[str, int] = field(default_factory=dict)
    turned_away: set[str] = field(default_factory=set)
    """The machines that get no requests, since `/readyz` does not say 200: what a load balancer does."""


Fault = Callable[[Stage], Awaitable[None]]


async def _severed(stage: Stage) -> None:
    """The first machine loses database and broker, not the relay; what it sends after its lease counts."""
    await _apart(stage, "database", "broker")


async def _alone(stage: Stage) -> None:
    """It loses everything."""
    await _apart(stage, "database", "broker", "relay")


async def _apart(stage: Stage, *lines: str) -> None:
    host, relay = stage.hosts[0], stage.relays[0]
    await _amid_a_mail(stage)
    host.cut(*lines)
    began = time.time()
    stage.under_way |= await under_way(stage.workshop)
    await asyncio.sleep(LONG)
    ended = time.time()
    host.mend()
    late = [mail for mail in relay.mails if began + LEASE + SPARE < mail.at < ended]
    stage.late += [f"{mail.message_id} left {mail.at - began:.1f} s after the cut" for mail in late]


async def _amid_a_mail(stage: Stage) -> None:
    """Until the first machine is about to send the body of a mail, at most a few seconds."""
    relay = stage.relays[0]
    heard = relay.count("DATA")
    with suppress(TimeoutError):  # then it is cut off between two mails
        await relay.until(lambda: relay.count("DATA") > heard, 5)


async def _frozen(stage: Stage) -> None:
    """It stands still in the middle of everything, and goes on without knowing."""
    host = stage.hosts[0]
    await _amid_a_mail(stage)
    host.freeze()
    stage.under_way |= await under_way(stage.workshop)
    await asyncio.sleep(LONG)
    host.thaw()


async def _wrong_clock(stage: Stage) -> None:
    """It is started anew with a clock that is an hour ahead, which is put right later."""
    host = stage.hosts[0]
    stage.turned_away.add(host.name)
    await asyncio.sleep(PATIENCE)  # what it was asked is answered
    host.kill()
    host.set_clock(3600)
    await host.start()
    await asyncio.sleep(LONG)
    host.set_clock(0)


async def _killed(stage: Stage) -> None:
    """The second machine is gone for good."""
    stage.under_way |= await under_way(stage.workshop)
    stage.hosts[1].kill()
    await asyncio.sleep(2)


FAULTS: Mapping[str, Fault] = {
    "severed": _severed,
    "alone": _alone,
    "frozen": _frozen,
    "wrong_clock": _wrong_clock,
    "killed": _killed,
}
"""In the order in which they befall; the last one cannot be undone."""


async def play_hosts(
    backend: Backend,
    folder: Path,
    *,
    faults: Sequence[str] = tuple(FAULTS),
    mails_a_second: float = 2.0,
    seed: int = 0,
    peace: float = PEACE,
    tick: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Play on an empty, migrated PostgreSQL and a Redis; gives the report. `tick` hears each fault's name.

    What has not come to an end within `peace` seconds after the last fault is told, and is not honest.
    """
    async with AsyncExitStack() as stack:
        stage = await _set_up(backend, folder, stack, random.Random(seed))
        enough = asyncio.Event()
        load = asyncio.create_task(_load(stage, mails_a_second, enough))
        stack.callback(load.cancel)
        stack.callback(asyncio.create_task(_balance(stage)).cancel)
        await asyncio.sleep(2)
        for name in faults:
            tick(name)
            await FAULTS[name](stage)
            await asyncio.sleep(2)
        enough.set()
        began = time.monotonic()
        unfinished = await _caught_up(stage, load, peace)
        seconds = time.monotonic() - began
        mails = [mail for relay in stage.relays for mail in relay.mails]
        report = await judge(stage.workshop, mails, [], stage.sent)
        report["honest"] = report["honest"] and not stage.late and not unfinished
        return {
            "backend": backend.name,
            "faults": list(faults),
            "attempts_under_way_at_a_fault": len(stage.under_way),
            "requests_answered_by": stage.answered,
            "mails_by_each_host": [len(relay.mails) for relay in stage.relays],
            "sent_after_the_lease": stage.late or 0,
            "not_come_to_an_end": unfinished or 0,
            "seconds_to_catch_up": round(seconds, 1),
            **report,
        }


async def _caught_up(stage: Stage, load: asyncio.Task[None], peace: float) -> list[str]:
    """Wait until each request is taken and nothing is due; gives what is left after `peace` seconds."""
    try:
        async with asyncio.timeout(peace):
            await load
            while await promised(stage.workshop):  # noqa: ASYNC110 - a database has no event
                await asyncio.sleep(0.2)
    except TimeoutError:
        taken = sum(stage.answered.values())
        return [f"{stage.sent - taken} requests", f"{await promised(stage.workshop)} promises"]
    return []


async def _set_up(backend: Backend, folder: Path, stack: AsyncExitStack, dice: random.Random) -> Stage:
    """Both machines run, and answer."""
    relays = [await stack.enter_async_context(ScriptedSmtp(Slow(dice=dice, slowness=0.2))) for _ in range(2)]
    settings = dict(environment(backend, relays[0].url, ""))
    installation = Installation(load_settings(settings))
    stack.callback(installation.close)
    await installation.prepare()
    workshop = installation.workshop()
    stack.push_async_callback(workshop.engine.dispose)
    hosts = []
    for name, relay in zip(("one", "two"), relays, strict=True):
        ports = {"database": _port(backend.database_url), "broker": _port(backend.broker_url)}
        host = await stack.enter_async_context(Host(name, {**ports, "relay": relay.port}, folder))
        lines = {what: line.port for what, line in host.lines.items()}
        own = {
            "CLOSELOOP_DATABASE_URL": _through(backend.database_url, lines["database"]),
            "CLOSELOOP_BROKER_URL": _through(backend.broker_url, lines["broker"]),
            "CLOSELOOP_SMTP_URL": _through(relay.url, lines["relay"]),
        }
        await host.switch_on({**settings, **own}, lease=LEASE, patience=PATIENCE)
        hosts.append(host)
    client = await stack.enter_async_context(httpx.AsyncClient(timeout=1.5))
    stage = Stage(workshop, hosts, relays, client, settings["CLOSELOOP_HOOK_TOKEN"])
    async with asyncio.timeout(PEACE):
        for host in hosts:
            while not await _ready(client, host):  # noqa: ASYNC110 - another process has no event
                await asyncio.sleep(0.1)
    return stage


async def _ready(client: httpx.AsyncClient, host: Host) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{host.web_port}/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


async def _balance(stage: Stage) -> None:
    """Ask the machines twice a second whether they are ready."""
    while True:
        for host in stage.hosts:
            if await _ready(stage.client, host):
                stage.turned_away.discard(host.name)
            else:
                stage.turned_away.add(host.name)
        await asyncio.sleep(0.5)


async def _load(stage: Stage, mails_a_second: float, enough: asyncio.Event) -> None:
    """Requests by mail until there are enough; each has been taken by somebody when this ends."""
    async with asyncio.TaskGroup() as group:
        while not enough.is_set():
            number, stage.sent = stage.sent, stage.sent + 1
            group.create_task(_deliver(stage, number))
            await asyncio.sleep(1 / mails_a_second)


async def _deliver(stage: Stage, number: int) -> None:
    """As a provider does: to one machine, then to the other, until one says 200."""
    raw = MAIL.format(number=number, to=SUPPORT).encode()
    headers = {"Authorization": f"Bearer {stage.token}", "X-Envelope-To": SUPPORT}
    turn = number
    while True:
        host = stage.hosts[turn % len(stage.hosts)]
        turn += 1
        if host.name in stage.turned_away:
            await asyncio.sleep(0.05)
            continue
        try:
            url = f"http://127.0.0.1:{host.web_port}/hooks/email/raw"
            answer = await stage.client.post(url, content=raw, headers=headers)
        except httpx.HTTPError:
            await asyncio.sleep(0.2)
            continue
        if answer.status_code == 200:
            stage.answered[host.name] = stage.answered.get(host.name, 0) + 1
            return
        await asyncio.sleep(0.2)


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _through(url: str, port: int) -> str:
    """The same URL over a line."""
    parts = urlsplit(url)
    login, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}" if login else f"127.0.0.1:{port}"))
