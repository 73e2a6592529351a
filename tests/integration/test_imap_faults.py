"""What goes wrong with a mailbox: nothing is lost or doubled, nobody hammers or waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from models.mailboxes import Mailbox
from models.vocabulary import EventState
from tests.conftest import Backend
from tests.fakes_imap import Action, ScriptedImap, bye, cut, drip, garble, hang, no, say
from tests.fetching import box_row, count, events, fault, fetching, held, looked, until, workshop_for
from tests.integration.test_imap import mail, raw_of
from workers.imap import faults, fetcher, wire
from workers.imap.faults import AUTHENTICATION, pause_after
from workers.imap.keeper import Keeper, LeaseLost
from workers.settings.imap_url import parse_imap_urls
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedImap]:
    """A server that is asked again soon after a fault."""
    monkeypatch.setattr(faults, "USUAL", (0.1, 0.2))
    monkeypatch.setitem(faults.LONG, faults.THROTTLED, (0.1, 0.2))
    monkeypatch.setitem(faults.LONG, faults.NO_FOLDER, (0.1, 0.2))
    monkeypatch.setattr(fetcher, "TRY_EVERY", 0.2)
    with ScriptedImap() as server:
        yield server


@pytest.mark.parametrize(
    ("step", "action", "reason"),
    [
        ("BODY", cut(after=0), "connection_lost"),
        ("BODY", cut(after=150), "connection_lost"),
        ("BODY", bye("[UNAVAILABLE] going down"), "server_said_bye"),
        ("BODY", garble(b"* 1 FETCH (UID what BODY[] {5}\r\nshort)\r\n"), "malformed_answer"),
        ("BODY", garble(b"* 1 FETCH (UID 1 BODY[] {5}\r\nshort\r\n"), "malformed_answer"),
        ("BODY", garble(b""), "not_given"),
        ("SEARCH", say(b"\xff\x00 what is this\r\n"), "malformed_answer"),
        ("SEARCH", no("[LIMIT] too many requests"), "throttled"),
        ("FETCH", no("[SERVERBUG] internal error"), "refused"),
        ("LOGIN", no("[UNAVAILABLE] temporary failure"), "throttled"),
        ("LOGIN", bye("too many connections"), "throttled"),
        ("LOGIN", cut(), "connection_lost"),
        ("EXAMINE", no("Unsafe Login"), "folder_refused"),
        ("IDLING", cut(), "connection_lost"),
        ("IDLING", bye("Autologout"), "server_said_bye"),
        ("IDLE", no("not now"), "refused"),
    ],
)
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_after_a_fault_it_goes_on_where_it_was(
    backend: Backend, server: ScriptedImap, step: str, action: Action, reason: str
) -> None:
    told: list[str] = []
    failed = Keeper.failed

    async def telling(self: Keeper, why: str) -> timedelta:
        told.append(why)
        return await failed(self, why)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Keeper, "failed", telling)
        server.put(mail(1))
        server.on(step, action, times=2)
        async with workshop_for(backend) as workshop:
            async with fetching(workshop, server.url(since="all")):
                await until(lambda: len(told) >= 2)
                await until(lambda: looked(workshop))
                server.put(mail(2))
                await until(lambda: _is(workshop, 2))
                await until(lambda: _is_well(workshop))
            assert await raw_of(workshop) == [mail(1), mail(2)]
    assert told == [reason] * 2


async def _is(workshop: object, number: int) -> bool:
    return await count(workshop) == number  # type: ignore[arg-type]  # a workshop


async def _is_well(workshop: object) -> bool:
    return await fault(workshop) is None  # type: ignore[arg-type]  # a workshop


@pytest.mark.parametrize("action", [hang(), drip(0.3)], ids=["silent", "dripping"])
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_a_server_that_hangs_is_left(
    backend: Backend, server: ScriptedImap, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "READ_SECONDS", 0.5)
    monkeypatch.setattr("workers.imap.walk.PATIENCE", 1.0)
    server.put(mail(1))
    server.on("SEARCH", action)
    async with workshop_for(backend) as workshop, fetching(workshop, server.url(since="all")):
        assert await until(lambda: fault(workshop)) == "timed_out"
        server.clear()
        await until(lambda: count(workshop))


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_where_idle_is_not_offered_or_not_kept_the_mailbox_is_polled(
    backend: Backend, server: ScriptedImap
) -> None:
    async with workshop_for(backend) as workshop:
        server.deaf = True
        async with fetching(workshop, server.url(), idle_seconds=0.6):
            await until(lambda: looked(workshop))
            server.put(mail(1))
            await until(lambda: _is(workshop, 1))
        assert server.asked("IDLE") > 0
        server.capabilities = ("IMAP4rev1",)
        server.commands.clear()
        async with fetching(workshop, server.url()):
            server.put(mail(2))
            await until(lambda: _is(workshop, 2))
        assert (server.asked("IDLE"), server.asked("ID ")) == (0, 0)


@pytest.mark.parametrize("moment", ["before", "with"])
@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_news_that_come_with_the_go_ahead_of_idle_are_heard(
    backend: Backend, server: ScriptedImap, moment: str
) -> None:
    def comes(talk: Any, tag: bytes, _: bytes) -> None:
        server.put(mail(1))
        talk.known = 1
        news = b"* 1 EXISTS\r\n"
        talk.send(news + b"+ idling\r\n" if moment == "before" else b"+ idling\r\n" + news)
        assert talk.lines.readline() == b"DONE\r\n"
        talk.send(tag + b" OK\r\n")

    server.on("IDLE", comes, times=1)
    async with workshop_for(backend) as workshop, fetching(workshop, server.url()):
        await until(lambda: _is(workshop, 1))


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_a_mailbox_that_asks_who_we_are_is_told_nothing_of_its_owner(
    backend: Backend, server: ScriptedImap
) -> None:
    server.needs_id = True
    server.put(mail(1))
    async with workshop_for(backend) as workshop, fetching(workshop, server.url(since="all")):
        await until(lambda: count(workshop))
    (told,) = [line for line in server.commands if line.startswith("ID ")]
    assert '"name" "closeloop"' in told
    assert "@" not in told


async def test_a_mail_that_is_too_large_is_kept_as_its_headers_for_a_person_to_see(
    backend: Backend, server: ScriptedImap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.imap.walk.SIZE_LIMIT", 20_000)
    monkeypatch.setattr(wire, "LARGEST", 30_000)
    server.put(mail(1), size=50_000_000)
    server.put(mail(2) + b"x" * 40_000, size=100)  # says it is small
    server.put(mail(3))
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, server.url(since="all")):
            await until(lambda: _is(workshop, 3))
        rows = await events(workshop)
        stored = await raw_of(workshop)
    assert [row.state for row in rows] == [EventState.POISON, EventState.POISON, EventState.RECEIVED]
    assert [(row.reason or "")[:6] for row in rows] == ["larger", "larger", ""]
    assert [row.due_at is None for row in rows] == [True, True, False]
    assert stored[0] == mail(1).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert stored[2] == mail(3)


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_a_mail_that_cannot_be_had_does_not_block_those_behind_it(
    backend: Backend, server: ScriptedImap
) -> None:
    for number in (1, 2, 3):
        server.put(mail(number))
    server.broken.add(2)
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, server.url(since="all")):
            await until(lambda: _is(workshop, 3))
        rows = await events(workshop)
    assert [row.state for row in rows] == [EventState.RECEIVED, EventState.POISON, EventState.RECEIVED]
    assert rows[1].reason == "the mailbox does not give it out"


async def test_one_of_several_fetches_and_another_takes_over_when_it_dies(
    backend: Backend, server: ScriptedImap, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, take = [0], Keeper.take

    async def counted(self: Keeper) -> bool:
        taken = await take(self)
        refused[0] += not taken
        return taken

    monkeypatch.setattr(Keeper, "take", counted)
    # Long enough for a busy machine to renew it in time.
    async with workshop_for(backend) as one, workshop_for(backend, one.settings) as two:
        async with fetching(one, server.url(), lease=600) as first:
            await until(lambda: looked(one))
            async with fetching(two, server.url(), lease=600):
                await until(lambda: refused[0] >= 5)
                assert server.connections == 1, "the second one waits"
                with monkeypatch.context() as dead:

                    async def nothing(_: Keeper) -> None:
                        """What is killed says nothing."""

                    dead.setattr(Keeper, "release", nothing)
                    first.cancel()
                    await asyncio.wait([first])
                assert await held(two)
                await _over(two)
                server.put(mail(1))
                await until(lambda: count(two))
        assert server.connections == 2
        row = await box_row(two)
        assert row is not None
        assert row.lease_token is None, "who stops in order makes room at once"


async def _over(workshop: Workshop) -> None:
    """The lease was not renewed in time."""
    async with workshop.begin() as uow:
        past = uow.clock.machine() - timedelta(seconds=1)
        await uow.session.execute(update(Mailbox).values(leased_until=past))


async def test_who_has_lost_the_lease_stores_nothing_more(backend: Backend, server: ScriptedImap) -> None:
    (box,) = parse_imap_urls(server.url())
    async with workshop_for(backend) as workshop:
        one, two = (Keeper(workshop, box, timedelta(minutes=1)) for _ in range(2))
        assert await one.take()
        assert not await two.take()
        position = await one.position("INBOX", 1, 1)
        await _over(workshop)
        assert await two.take()
        with pytest.raises(LeaseLost):
            await one.keep(position, (), 5)
        with pytest.raises(LeaseLost):
            await one.renew()
        assert (await two.position("INBOX", 1, 1)).last_uid == 0


async def test_a_mail_that_waited_while_nobody_fetched_counts_from_when_it_came(
    backend: Backend, server: ScriptedImap
) -> None:
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, server.url()):
            await until(lambda: looked(workshop))
        async with workshop.begin() as uow:
            row = await box_row(workshop)
            assert row is not None
            held = await uow.session.merge(row)
            held.looked_at = datetime.now(UTC) - timedelta(hours=3)
        server.put(mail(1), at=datetime.now(UTC) - timedelta(hours=2))
        server.put(mail(2), at=datetime.now(UTC) - timedelta(hours=9))
        async with fetching(workshop, server.url()):
            await until(lambda: _is(workshop, 2))
        waited = [datetime.now(UTC) - row.received_at for row in await events(workshop)]
    assert timedelta(hours=1.9) < waited[0] < timedelta(hours=2.1)
    assert timedelta(hours=2.9) < waited[1] < timedelta(hours=3.1), "not before our last look"


def test_a_refused_login_is_tried_again_ever_later_up_to_an_hour() -> None:
    waits = [pause_after(AUTHENTICATION, failures).total_seconds() / 60 for failures in range(1, 8)]
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert pause_after("connection_lost", 1) == timedelta(seconds=5)
    assert pause_after("connection_lost", 1000) == timedelta(minutes=5)
