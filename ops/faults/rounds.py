"""The story: requests keep coming in, workers keep being killed; then peace, and the books are opened."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.notifications import DeliveryAttempt, Notification
from models.people import Staff
from ops.faults.crew import Crew
from ops.faults.judge import judge, sms_books
from ops.faults.relay import Moody
from ops.faults.sms_provider import MoodyTwilio
from tests.conftest import Backend
from tests.fakes_smtp import ScriptedSmtp
from workers import ledger
from workers.boot import Installation
from workers.intake.providers.sms.port import InboundSms
from workers.intake.store import Event, content_id, store
from workers.settings import load_settings
from workers.unit_of_work import Workshop

LEASE, PATIENCE = 4.0, 2.0
RELAYS = PROVIDERS = 2
"""The second one gets what the first one does not take, in as bad a temper."""
SUPPORT = "support@help.example"
MAIL = (
    "From: Customer {number} <customer{number}@shop.example>\r\nTo: {to}\r\nSubject: Question {number}\r\n"
    "Message-ID: <question-{number}@shop.example>\r\nDate: Mon, 20 May 2024 09:00:00 +0800\r\n\r\n"
    "Where is parcel {number}?\r\n"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`rounds` kills, `mails` and `texts` (SMS) that ask before each; `crew` workers at a time; `seed`: dice.

    A worker is killed when the relay has heard up to `furthest` commands more, or after up to `longest`
    seconds.
    """

    rounds: int = 100
    mails: int = 6
    texts: int = 2
    furthest: int = 60
    longest: float = 4.0
    crew: int = 1
    seed: int = 0
    peace: float = 180.0
    """How many seconds everything that is left may take when the killing has stopped."""


async def play(
    backend: Backend,
    plan: Plan,
    folder: Path,
    *,
    tick: Callable[[], None] = lambda: None,
    meanwhile: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Play on an empty, migrated installation; gives the report. `tick` is called after each round.

    `meanwhile` is called with the round's number, in a thread of its own, while the worker that is going to
    be killed is at work: it may do something to the broker.

    Raises TimeoutError when what was promised has not come to an end in peace either.
    """
    scripts = [Moody(dice=random.Random(plan.seed + number)) for number in range(RELAYS)]
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(ScriptedSmtp(script)) for script in scripts]
        phones = [
            await stack.enter_async_context(MoodyTwilio(number, random.Random(plan.seed + 10 + number)))
            for number in range(PROVIDERS)
        ]
        urls = (" ".join(each.url for each in each_kind) for each_kind in (relays, phones))
        environ = environment(backend, *urls)
        installation = Installation(load_settings(environ))
        await installation.prepare()
        workshop = installation.workshop()
        try:
            crew = Crew(environ, folder / "workers.log", lease=LEASE, patience=PATIENCE)
            async with crew:
                cut_off = await _war(workshop, crew, plan, relays, tick, meanwhile)
                for script in scripts:
                    script.calm = True
                for phone in phones:
                    phone.calm = True
                seconds = await _peace(workshop, crew, plan)
                await _send_again(workshop, phones)
                await _peace(workshop, crew, plan)
            mails = [mail for relay in relays for mail in relay.mails]
            report = await judge(workshop, mails, _taken(phones), plan.rounds * (plan.mails + plan.texts))
        finally:
            await workshop.engine.dispose()
            installation.close()
    return {
        "backend": backend.name,
        "rounds": plan.rounds,
        "seed": plan.seed,
        "workers_at_a_time": plan.crew,
        "attempts_under_way_at_a_kill": cut_off,
        "faults": _played(*(each.played for each in scripts), *(each.played for each in phones)),
        "mails_at_each_relay": [len(relay.mails) for relay in relays],
        "seconds_to_catch_up": round(seconds, 1),
        **report,
    }


async def _war(
    workshop: Workshop,
    crew: Crew,
    plan: Plan,
    relays: Sequence[ScriptedSmtp],
    tick: Callable[[], None],
    meanwhile: Callable[[int], None],
) -> int:
    """Kill `plan.rounds` workers; says how many attempts were under way at these moments, all told."""
    dice = random.Random(plan.seed)
    open_ones: set[Any] = set()
    for _ in range(plan.crew - 1):
        await crew.start()
    for number in range(plan.rounds):
        await _ask(workshop, range(number * plan.mails, (number + 1) * plan.mails))
        await _ask_by_sms(workshop, range(number * plan.texts, (number + 1) * plan.texts))
        await crew.start()
        await asyncio.to_thread(meanwhile, number)
        await _a_while(relays, dice.randrange(plan.furthest), dice.uniform(0.05, plan.longest))
        crew.kill(dice.choice(crew.alive))
        open_ones |= await under_way(workshop)
        tick()
    return len(open_ones)


async def _a_while(relays: Sequence[ScriptedSmtp], commands: int, seconds: float) -> None:
    """Until the relays have heard so many commands more, at most so many seconds."""
    until = _heard(relays) + commands
    with suppress(TimeoutError):  # they are slow: what was heard will do
        await relays[0].until(lambda: _heard(relays) >= until, seconds)


def _heard(relays: Sequence[ScriptedSmtp]) -> int:
    return sum(len(relay.commands) for relay in relays)


async def _ask(workshop: Workshop, numbers: range) -> None:
    """Requests by mail, stored as a webhook stores them."""
    async with workshop.begin() as uow:
        for number in numbers:
            raw = MAIL.format(number=number, to=SUPPORT).encode()
            await store(uow, Event("raw", content_id(raw, SUPPORT), "mail", raw, {"to": SUPPORT}))


async def _ask_by_sms(workshop: Workshop, numbers: range) -> None:
    """Requests by SMS, stored as a provider's webhook stores them; each from a number of its own."""
    async with workshop.begin() as uow:
        for number in numbers:
            sms = InboundSms(f"+8613{number:09d}", "+15550100", f"Where is parcel {number}?", f"SM{number}")
            await store(uow, Event("twilio", sms.key, "sms", b"", sms.envelope()))


def _taken(phones: Sequence[MoodyTwilio]) -> list[str]:
    """To whom the providers have taken a message, as often as they have."""
    return [sms.to for phone in phones for sms in phone.messages]


def _played(*each: Counter[str]) -> dict[str, int]:
    return dict(sorted(sum(each, Counter()).items()))


async def _send_again(workshop: Workshop, phones: Sequence[MoodyTwilio]) -> None:
    """A person looks at what is unknown, and sends every second one again."""
    unknown = (await sms_books(workshop, _taken(phones))).unknown()
    for each in unknown[::2]:
        async with workshop.begin() as uow:
            by = (await uow.session.scalars(select(Staff).limit(1))).one()
            await ledger.retry(uow, await ledger.hold(uow, each.id), by, confirm=True)


async def under_way(workshop: Workshop) -> set[Any]:
    """The attempts that have begun and not ended."""
    async with workshop.read() as uow:
        return set(
            await uow.session.scalars(select(DeliveryAttempt.id).where(DeliveryAttempt.finished_at.is_(None)))
        )


async def _peace(workshop: Workshop, crew: Crew, plan: Plan) -> float:
    """Let a fresh crew bring everything to its end; the seconds that took. Raises TimeoutError."""
    for pid in list(crew.alive):
        crew.kill(pid)
    for _ in range(max(1, plan.crew)):
        await crew.start()
    began = time.monotonic()
    async with asyncio.timeout(plan.peace):
        while await promised(workshop):  # noqa: ASYNC110 - a database has no event
            await asyncio.sleep(0.2)
    return time.monotonic() - began


async def promised(workshop: Workshop) -> int:
    """How many promises are due and not kept."""
    count = 0
    async with workshop.read() as uow:
        for table in (IntakeEvent, Notification, Deadline):
            due = select(func.count()).select_from(table).where(table.due_at <= uow.clock.now())
            count += await uow.session.scalar(due) or 0
    return count


def environment(backend: Backend, smtp_url: str, sms_url: str) -> Mapping[str, str]:
    """Settings of an installation that is played on."""
    return {
        "CLOSELOOP_SECRET_KEYS": f"fault:{base64.b64encode(os.urandom(32)).decode()}",
        "CLOSELOOP_DATABASE_URL": backend.database_url,
        "CLOSELOOP_BROKER_URL": backend.broker_url,
        "CLOSELOOP_SMTP_URL": smtp_url,
        "CLOSELOOP_SMS_URL": sms_url,
        "CLOSELOOP_MAIL_FROM": SUPPORT,
        "CLOSELOOP_PUBLIC_URL": "https://help.example",
        "CLOSELOOP_HOOK_TOKEN": "fault-hook-token-0123456789abcdef",
        "CLOSELOOP_ADMIN": "root@help.example",
        "CLOSELOOP_MODE": "live",
    }
