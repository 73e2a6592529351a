"""Outages, kills, replays and races: nothing lost, nothing decided twice, and what may double says so."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from models.notifications import DeliveryAttempt, Notification
from models.tickets import Ticket
from models.vocabulary import DeadlineState, Lane, Medium, NotificationState
from tests.conftest import Backend
from tests.fakes_smtp import Script, ScriptedSmtp, delay, say
from tests.house import HOOK_TOKEN, PUBLIC, SUPPORT, House, open_house
from tests.undisturbed import undisturbed
from workers import tickets
from workers.actors import DESKS, Bench
from workers.boot import Installation
from workers.channels.port import Outcome
from workers.delivery.recorder import Recorder
from workers.directory import Contact
from workers.settings import load_settings
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio

LI = "lilei@163.example"
SENT = NotificationState.SENT


async def _open_tickets(workshop: Workshop, count: int) -> None:
    """Open tickets of different customers in one go: a receipt and an assignment each."""
    async with workshop.begin() as uow:
        for number in range(count):
            request = tickets.Request(
                contact=Contact(email=f"customer{number}@shop.example"),
                channel=Medium.EMAIL,
                subject=f"Question {number}",
                description="Where is my parcel?",
                received_at=uow.clock.now(),
            )
            await tickets.open_ticket(uow, request)


async def test_the_same_webhook_ten_times_at_once_is_one_ticket(backend: Backend) -> None:
    async with open_house(backend) as house:
        raw = f"From: {LI}\r\nTo: {SUPPORT}\r\nSubject: Help\r\nMessage-ID: <1@x>\r\n\r\nHi\r\n".encode()
        answers = await asyncio.gather(*(house.post_mail(raw) for _ in range(10)))
        await house.settle()
        assert [answer.status_code for answer in answers] == [200] * 10
        assert sum(answer.json()["stored"] for answer in answers) == 1
        async with house.workshop.read() as uow:
            assert await uow.session.scalar(select(func.count()).select_from(Ticket)) == 1
        assert len(house.mails_to(LI)) == 1


async def test_what_is_pending_happens_although_the_broker_was_flushed(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(LI, "Please help", subject="Help")
        limit = (await house.deadlines())["first_response"].limit_at
        assert limit is not None
        await _open_tickets(house.workshop, 20)
        house.installation.broker.flush_all()
        house.clock.set(limit)
        house.installation.broker.flush_all()
        await house.settle()
        assert (await house.deadlines((await _first(house)).number))[
            "first_response"
        ].state is DeadlineState.BREACHED
        assert all(row.due_at is None or row.due_at > limit for row in await house.notifications())


async def _first(house: House) -> Ticket:
    async with house.workshop.read() as uow:
        return (await uow.session.scalars(select(Ticket).order_by(Ticket.id).limit(1))).one()


async def test_two_schedulers_and_two_workers_do_nothing_twice(backend: Backend) -> None:
    async with open_house(backend) as house, _second_crew(house):
        await _open_tickets(house.workshop, 40)
        await house.settle()
        limit = (await house.deadlines((await _first(house)).number))["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit)
        sent = Counter(mail.message_id for mail in house.relay.mails)
        rows = await house.notifications()
        assert set(sent.values()) == {1}
        assert len({row.key for row in rows}) == len(rows)
        async with house.workshop.read() as uow:
            attempts = await uow.session.scalar(select(func.count()).select_from(DeliveryAttempt))
        assert attempts == len(sent)


@asynccontextmanager
async def _second_crew(house: House) -> AsyncIterator[None]:
    """Somebody else's claims on the same database: every desk and lane, all the time, and a second clockwork.

    dramatiq keeps one actors' loop per process, so this crew hears its bells on the test's own loop.
    """
    installation = house.installation
    workshop = installation.workshop()
    bench = Bench(workshop, installation.courier(workshop), installation.ring)
    stop = asyncio.Event()

    async def hear(desk: str, lane: Lane) -> None:
        while not stop.is_set():
            await bench.hear(desk, lane)
            await asyncio.sleep(0.05)

    crew = [asyncio.create_task(hear(desk, lane)) for desk in DESKS for lane in Lane]
    crew.append(asyncio.create_task(installation.scheduler(workshop).run(stop)))
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*crew)
        await bench.aclose()


async def test_a_server_that_takes_a_second_per_mail_and_a_short_lease_double_nothing(
    backend: Backend,
) -> None:
    async with open_house(backend, lease=timedelta(seconds=4), smtp_timeout=2.5) as house:
        house.relay.script.on("data", delay(1.0))

        async def story() -> None:
            before = {row.id for row in await house.notifications()}
            await _open_tickets(house.workshop, 15)
            await house.settle()
            rows = [row for row in await house.notifications() if row.id not in before]
            assert {row.state for row in rows} == {SENT}
            sent = Counter(mail.message_id for mail in house.relay.mails)
            assert [sent[str(row.message_id)] for row in rows] == [1] * 30

        await undisturbed(story)


async def test_one_undecodable_reply_text_leaves_the_others_recorded(backend: Backend) -> None:
    async with open_house(backend) as house:
        house.relay.script.on("dot", say(b"250 2.0.0 ok \x00\xff\xfe queued\r\n"), times=1)
        await _open_tickets(house.workshop, 10)
        await house.settle()
        rows = await house.notifications()
        assert {row.state for row in rows} == {SENT}
        async with house.workshop.read() as uow:
            outcomes = await uow.session.scalars(select(DeliveryAttempt.outcome))
            assert set(outcomes) == {"sent"}


async def test_mail_is_sent_when_the_relay_is_back(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.relay.stop()
        await house.mail(LI, "Please help", subject="Help")
        (receipt,) = await house.notifications("receipt")
        assert receipt.state is NotificationState.RETRYING
        assert receipt.reason == "connection_failed"
        await house.relay.start()
        async with asyncio.timeout(120):
            while (await house.notifications("receipt"))[0].state is not SENT:
                await house.scheduler.round()
                await asyncio.sleep(0.2)
        assert house.mails_to(LI)[0].message_id == receipt.message_id


async def test_a_first_response_accepted_just_before_the_limit_and_recorded_after_it_is_met(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(backend) as house:
        await house.mail(LI, "Please help", subject="Help")
        assignment = await house.mail_of("assignment")
        limit = (await house.deadlines())["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit - timedelta(seconds=30))
        accepted_at = limit - timedelta(milliseconds=100)
        house.clock.set(accepted_at)
        accepted, go_on = _record_late(monkeypatch)
        answer = asyncio.create_task(
            house.mail(assignment.recipient, "Hello, we are on it.", answers=assignment)
        )
        await house.relay.until(accepted.is_set)
        house.clock.set(limit + timedelta(seconds=5))
        go_on.set()
        await answer
        await house.settle()
        deadline = (await house.deadlines())["first_response"]
        assert (deadline.state, deadline.met_at) == (DeadlineState.MET, accepted_at)
        assert not await house.notifications("breach")
        assert "breached" not in await house.log_kinds()


def _record_late(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """The relay has said 250 (the first event), but the outcome is written only when the second is set."""
    write = Recorder._write
    accepted, go_on = threading.Event(), threading.Event()

    async def slowly(recorder: Recorder, outcomes: Sequence[Outcome]) -> None:
        if any(outcome.accepted_at is not None for outcome in outcomes):
            accepted.set()
            await asyncio.to_thread(go_on.wait, 60)
        await write(recorder, outcomes)

    monkeypatch.setattr(Recorder, "_write", slowly)
    return accepted, go_on


async def test_a_breach_found_late_is_still_a_breach_at_its_own_time(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(LI, "Please help", subject="Help")
        limit = (await house.deadlines())["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit + timedelta(days=3))
        deadline = (await house.deadlines())["first_response"]
        assert (deadline.state, deadline.breached_at) == (DeadlineState.BREACHED, limit)
        number = (await house.ticket()).number
        await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by="CS001")
        deadline = (await house.deadlines())["first_response"]
        assert deadline.state is DeadlineState.BREACHED, "a late answer does not undo a breach"


async def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(
    backend: Backend, tmp_path: Path
) -> None:
    script = Script()
    script.on("dot", delay(0.02))
    async with ScriptedSmtp(script) as relay:
        environ = _environment(backend, relay)
        installation = Installation(load_settings(environ))
        await installation.prepare()
        workshop = installation.workshop()
        await _open_tickets(workshop, 100)
        for kill_after in (20, 80):
            await _work_until_killed(environ, relay, kill_after, tmp_path)
        worker = await _start_worker(environ, tmp_path)
        try:
            await _until_all_sent(workshop)
        finally:
            worker.kill()
            await worker.wait()
        await _assert_honest(workshop, relay)
        await workshop.engine.dispose()
        installation.close()


def _environment(backend: Backend, relay: ScriptedSmtp) -> dict[str, str]:
    key = base64.b64encode(os.urandom(32)).decode()
    return {
        "CLOSELOOP_SECRET_KEYS": f"test:{key}",
        "CLOSELOOP_DATABASE_URL": backend.database_url,
        "CLOSELOOP_BROKER_URL": backend.broker_url,
        "CLOSELOOP_SMTP_URL": relay.url,
        "CLOSELOOP_MAIL_FROM": SUPPORT,
        "CLOSELOOP_PUBLIC_URL": PUBLIC,
        "CLOSELOOP_HOOK_TOKEN": HOOK_TOKEN,
        "CLOSELOOP_ADMIN": "root@help.example",
        "CLOSELOOP_MODE": "live",
    }


async def _start_worker(environ: Mapping[str, str], logs: Path) -> asyncio.subprocess.Process:
    with (logs / "worker.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.process",
            "4",
            "2",
            env={**os.environ, **environ},
            stdout=log,
            stderr=log,
        )


async def _work_until_killed(environ: Mapping[str, str], relay: ScriptedSmtp, mails: int, logs: Path) -> None:
    worker = await _start_worker(environ, logs)
    try:
        await relay.until(lambda: len(relay.mails) >= mails, 200)
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()


async def _until_all_sent(workshop: Workshop) -> None:
    async with asyncio.timeout(200):
        while True:
            async with workshop.read() as uow:
                unsent = await uow.session.scalar(
                    select(func.count()).select_from(Notification).where(Notification.state != SENT)
                )
            if not unsent:
                return
            await asyncio.sleep(0.2)


async def _assert_honest(workshop: Workshop, relay: ScriptedSmtp) -> None:
    """Each message arrived; one that arrived twice has the same bytes and an attempt that says `unknown`."""
    arrived = Counter(mail.message_id for mail in relay.mails)
    async with workshop.read() as uow:
        rows = list(await uow.session.scalars(select(Notification)))
        unknown = set(
            await uow.session.scalars(
                select(DeliveryAttempt.notification_id).where(DeliveryAttempt.outcome == "unknown")
            )
        )
    assert {row.message_id for row in rows} == set(arrived)
    doubled = {message_id for message_id, times in arrived.items() if times > 1}
    assert doubled <= {row.message_id for row in rows if row.id in unknown}
    for message_id in doubled:
        assert len({mail.data for mail in relay.mails if mail.message_id == message_id}) == 1
