"""Backups: taken while others write, the same for both databases, unreadable without their keys."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from models.keeping import Chore
from models.notifications import DeliveryAttempt, Notification
from models.people import Customer
from models.vocabulary import NotificationState
from tests.conftest import MIGRATED, Backend
from tests.factories import all_of, make_team, make_ticket, make_workshop
from tests.fakes import ManualClock
from tests.house import House, open_house, text_of
from tests.servers import PostgresServer
from tests.workbench import settings_on
from workers import keeping
from workers.attention import What, look_around
from workers.errors import Conflict, InvalidInput
from workers.keeping.archive import Broken, Kept
from workers.keeping.belongings import put_back
from workers.keeping.envelope import sealed_to, sealed_with
from workers.keeping.folder import free_name
from workers.keeping.schedule import Backups
from workers.metrics import Metrics
from workers.privacy.erasing import erase
from workers.rendering import Renderer
from workers.settings import Settings
from workers.tickets import ticket_by_number
from workers.unit_of_work import Workshop
from workers.web.app import WebParts, make_app

pytestmark = pytest.mark.anyio
LI_NA = "li.na@shop.example"
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)


@pytest.fixture
def empty(backend: Backend, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A second database of the same kind, with tables that are empty."""
    if not backend.broker_url:
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "second.db")
        yield replace(backend, database_url=f"sqlite+aiosqlite:///{tmp_path / 'second.db'}")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"second_{uuid.uuid4().hex}"
    server.create(name, template=MIGRATED)
    yield replace(backend, database_url=server.url(name))
    server.drop(name)


@pytest.fixture
def bare(backend: Backend, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A second database of the same kind, without any table."""
    if not backend.broker_url:
        yield replace(backend, database_url=f"sqlite+aiosqlite:///{tmp_path / 'bare.db'}")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"bare_{uuid.uuid4().hex}"
    server.create(name)
    yield replace(backend, database_url=server.url(name))
    server.drop(name)


def elsewhere(settings: Settings, place: Backend, **more: object) -> Settings:
    """The same installation on another database."""
    return replace(settings, database_url=place.database_url, **more)  # type: ignore[arg-type]  # the given fields are of the settings


async def words_of(workshop: Workshop, number: str) -> tuple[str, str]:
    """Subject and description of a ticket, opened."""
    async with workshop.read() as uow:
        ticket = await ticket_by_number(uow, number)
        sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
        return (
            sealer.text(ticket.subject_sealed, "tickets.subject"),
            sealer.text(ticket.description_sealed, "tickets.description"),
        )


async def test_a_backup_under_load_is_restored_and_the_loop_goes_on(
    backend: Backend, bare: Backend, tmp_path: Path
) -> None:
    async with open_house(backend, settings={"data": tmp_path / "first"}) as house:
        await house.mail(LI_NA, "结账页面打不开。", subject="无法付款")
        number = (await house.ticket()).number
        handler = (await house.mail_of("assignment")).recipient
        await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
        await house.mail(handler, "我们在看。", answers=await house.mail_of("assignment"))
        before = await words_of(house.workshop, number)
        stop = asyncio.Event()
        load = asyncio.create_task(_keep_writing(house, stop))
        settings = house.workshop.settings
        made = await keeping.make_backup(settings, tmp_path / "kept", NOW)
        stop.set()
        assert await load > 0
    assert keeping.verify(made.path).tables["tickets"] >= 1
    moved = elsewhere(settings, bare, data=tmp_path / "second")
    found = await keeping.restore(moved, made.path, NOW)
    assert found.rows == made.rows
    # The restored one, backed up again, is the same.
    again = await keeping.make_backup(moved, tmp_path / "again", NOW)
    assert keeping.verify(again.path).tables == keeping.verify(made.path).tables
    keys = {"secret_keys": settings.secret_keys}
    async with open_house(bare, settings=keys, furnished=True) as house:
        assert await words_of(house.workshop, number) == before
        await house.settle()
        result = {"cause": "证书过期", "solution": "已更换", "precautions": "清除缓存"}
        await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)
        assert "已更换" in text_of(await house.mail_of("result_feedback", to=LI_NA))
        await house.mail(LI_NA, "还有一个问题。", subject="发票")
        newest = await house.ticket()
        assert newest.number > number
        assert newest.customer_id == (await house.ticket(number)).customer_id


async def _keep_writing(house: House, stop: asyncio.Event) -> int:
    count = 0
    while not stop.is_set():
        await make_ticket(house.workshop, email=f"c{count}@shop.example", phone=None)
        count += 1
    return count


@asynccontextmanager
async def small(backend: Backend, folder: Path, **more: object) -> AsyncIterator[Workshop]:
    """A team with one ticket."""
    async with make_workshop(backend, ManualClock(), data=folder, **more) as workshop:
        await make_team(workshop)
        await make_ticket(workshop)
        yield workshop


async def test_a_restore_wants_an_empty_database_and_the_keys_of_the_backup(
    backend: Backend, empty: Backend, tmp_path: Path
) -> None:
    async with small(backend, tmp_path / "first") as workshop:
        settings = workshop.settings
        made = await keeping.make_backup(settings, tmp_path / "kept", NOW)
    with pytest.raises(Conflict, match="not empty"):
        await keeping.restore(settings, made.path, NOW)
    strange = elsewhere(settings_on(empty.database_url), empty, data=tmp_path / "third")
    with pytest.raises(InvalidInput, match="not the one by which"):
        await keeping.restore(strange, made.path, NOW)
    # Nothing was left behind by either: it can be done right.
    right = elsewhere(settings, empty, data=tmp_path / "third")
    assert (await keeping.restore(right, made.path, NOW)).tables["tickets"] == 1
    with pytest.raises(Conflict, match="not empty"):
        await keeping.restore(right, made.path, NOW)


async def test_what_was_being_sent_is_of_unknown_fate_and_held_mode_lets_nothing_leave(
    backend: Backend, empty: Backend, tmp_path: Path
) -> None:
    async with small(backend, tmp_path / "first") as workshop:
        rows = await all_of(workshop, Notification)
        sending, waiting = rows[0].id, {row.id for row in rows[1:] if row.due_at}
        assert waiting
        async with workshop.begin() as uow:
            lease = {"lease_token": uuid.uuid4(), "free_at": uow.clock.machine() + timedelta(hours=1)}
            change = {"state": NotificationState.SENDING, "due_at": uow.clock.now(), "tries": 1, **lease}
            await uow.session.execute(update(Notification).where(Notification.id == sending).values(change))
            token, at = lease["lease_token"], uow.clock.now()
            uow.session.add(DeliveryAttempt(notification_id=sending, lease_token=token, started_at=at))
        settings = workshop.settings
        made = await keeping.make_backup(settings, tmp_path / "kept", NOW)
    held = elsewhere(settings, empty, data=tmp_path / "second", mode="test")
    found = await keeping.restore(held, made.path, NOW, held=True)
    assert (found.under_way, found.held) == (1, len(waiting))
    async with make_workshop(empty, ManualClock(), secret_keys=settings.secret_keys) as workshop:
        after = {row.id: row for row in await all_of(workshop, Notification)}
        assert (after[sending].state, after[sending].reason) == (NotificationState.UNKNOWN, "worker_lost")
        assert {row.id for row in after.values() if row.reason == "restored"} == waiting
        assert not [row for row in after.values() if row.due_at or row.lease_token]
        (attempt,) = await all_of(workshop, DeliveryAttempt)
        assert attempt.outcome == "unknown"


async def test_without_held_mode_a_message_under_way_goes_again_as_the_same(
    backend: Backend, empty: Backend, tmp_path: Path
) -> None:
    async with open_house(backend, settings={"data": tmp_path / "first"}) as house:
        await house.mail(LI_NA, "打不开。")
        (receipt,) = await house.notifications("receipt")
        async with house.workshop.begin() as uow:  # as if its worker were at it when the backup is taken
            late = {"lease_token": uuid.uuid4(), "free_at": uow.clock.machine() + timedelta(hours=1)}
            under_way = {"state": NotificationState.SENDING, "due_at": uow.clock.now(), **late}
            await uow.session.execute(
                update(Notification).where(Notification.id == receipt.id).values(under_way)
            )
            mine = DeliveryAttempt.notification_id == receipt.id
            await uow.session.execute(
                update(DeliveryAttempt).where(mine).values(outcome=None, finished_at=None)
            )
        settings = house.workshop.settings
        made = await keeping.make_backup(settings, tmp_path / "kept", NOW)
    assert (await keeping.restore(elsewhere(settings, empty), made.path, NOW)).under_way == 1
    async with open_house(empty, settings={"secret_keys": settings.secret_keys}, furnished=True) as house:
        await house.settle()
        (mail,) = house.mails_to(LI_NA)
        assert mail.message_id == receipt.message_id
        outcomes = [each.outcome for each in await all_of(house.workshop, DeliveryAttempt)]
        assert outcomes.count("unknown") == 1


async def test_who_was_erased_after_the_backup_is_erased_again(
    backend: Backend, empty: Backend, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    async with small(backend, tmp_path / "first") as workshop:
        settings = workshop.settings
        await make_ticket(workshop, email="other@shop.example", name="王芳")
        made = await keeping.make_backup(settings, kept, NOW)
        gone, stays = sorted(await all_of(workshop, Customer), key=lambda one: one.code)
        await erase(workshop, gone.code)
        backups = Backups(replace(settings, backup_dir=kept), workshop.clock)
        await backups.round()
    listed = (kept / "erased.list").read_text()
    assert gone.id.hex not in listed
    assert gone.code not in listed
    moved = elsewhere(settings, empty, data=tmp_path / "second")
    await keeping.restore(moved, made.path, NOW)
    async with make_workshop(empty, ManualClock(), secret_keys=settings.secret_keys) as workshop:
        erased = keeping.read_erased(kept / "erased.list")
        assert await keeping.erase_again(workshop, erased) == [gone.code]
        assert await keeping.erase_again(workshop, erased) == []
        rows = {row.code: row.erased_at is not None for row in await all_of(workshop, Customer)}
        assert rows == {gone.code: True, stays.code: False}


async def test_backups_are_taken_by_themselves_once_and_old_ones_go(backend: Backend, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    async with small(backend, tmp_path / "first", backup_dir=kept, backup_keep=2) as workshop:
        clock = workshop.clock
        assert isinstance(clock, ManualClock)
        both = [Backups(workshop.settings, clock) for _ in range(2)]
        for day in range(4):
            await asyncio.gather(*(each.round() for each in both))
            assert len(keeping.backups_in(kept)) == min(day + 1, 2)
            clock.advance(timedelta(days=1, seconds=1))
        (chore,) = await all_of(workshop, Chore, Chore.name == "backup")
        assert chore.done_at == keeping.backups_in(kept)[0].at


def test_of_two_backups_of_one_second_the_later_one_is_the_newest(tmp_path: Path) -> None:
    at = datetime(2024, 5, 20, 6, 30, tzinfo=UTC)
    names = []
    for _ in range(11):
        names.append(free_name(tmp_path, at, "0039"))
        names[-1].touch()
    assert [found.path for found in keeping.backups_in(tmp_path)] == names[::-1]
    assert keeping.rotate(tmp_path, 1, at, 30) == names[-2::-1]


async def test_a_backup_that_fails_is_noted_and_tried_again(backend: Backend, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("here is a file, where a folder should be")
    async with small(backend, tmp_path / "first", backup_dir=kept) as workshop:
        clock = workshop.clock
        assert isinstance(clock, ManualClock)
        backups = Backups(workshop.settings, clock)
        for _ in range(2):  # the second look comes too early for another try
            await backups.round()
        (chore,) = await all_of(workshop, Chore, Chore.name == "backup")
        assert (chore.fault, chore.failures, chore.done_at) == ("folder_refused", 1, None)
        assert await told(workshop) == (["folder_refused"], b"closeloop_backup_failures 1.0")
        clock.advance(timedelta(hours=1))
        kept.unlink()
        await backups.round()
        (chore,) = await all_of(workshop, Chore, Chore.name == "backup")
        assert (chore.fault, chore.failing_since, chore.failures) == (None, None, 0)
        assert await told(workshop) == ([], b"closeloop_backup_failures 0.0")
        clock.advance(timedelta(days=3))
        assert (await told(workshop))[0] == ["backup_late"]


async def told(workshop: Workshop) -> tuple[list[str | None], bytes]:
    """Why people should look after backups, and what Prometheus is told."""
    async with workshop.read() as uow:
        _, items = await look_around(uow, None, 5, [What.BACKUP])
    parts = WebParts(workshop, Renderer(), workshop.settings, Metrics())
    transport = httpx.ASGITransport(make_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as web:
        lines = (await web.get("/metrics")).content.splitlines()
    figure = next(line for line in lines if line.startswith(b"closeloop_backup_failures"))
    return [item.reason for item in items], figure


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_a_damaged_backup_is_refused_wherever_it_is_damaged(backend: Backend, tmp_path: Path) -> None:
    async with small(backend, tmp_path / "first") as workshop:
        made = await keeping.make_backup(workshop.settings, tmp_path / "kept", NOW)
    whole, plain = made.path.read_bytes(), gzip.decompress(made.path.read_bytes())
    lines = plain.splitlines(keepends=True)
    place = next(n for n, text in enumerate(lines) if text.startswith(b'{"table":"tickets"')) + 1
    harmed = {
        "cut off": whole[: len(whole) // 2],
        "without its end": gzip.compress(b"".join(lines[:-1])),
        "a row changed": gzip.compress(plain.replace(b"CS2026", b"CS2027", 1)),
        "a row less": gzip.compress(b"".join(lines[:place] + lines[place + 1 :])),
        "a row twice": gzip.compress(b"".join(lines[:place] + lines[place : place + 1] + lines[place:])),
        "something behind": gzip.compress(plain + b"[1]\n"),
        "no backup": b"PK" + os.urandom(100),
        "of another time": gzip.compress(plain.replace(b'"closeloop-backup":1', b'"closeloop-backup":9')),
        "empty": b"",
    }
    assert keeping.verify(made.path).tables["tickets"] == 1
    for name, data in harmed.items():
        file = tmp_path / "harmed.backup"
        file.write_bytes(data)
        with pytest.raises(Broken):
            print(name, keeping.verify(file))
    assert made.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_files_come_back_only_where_they_belong(backend: Backend, tmp_path: Path) -> None:
    data = tmp_path / "first"
    (data / "templates" / "email").mkdir(parents=True)
    (data / "templates" / "email" / "own.txt").write_text("ours")
    (data / "secrets.env").write_text("CLOSELOOP_API_KEY=unicorn-key")
    async with small(backend, data) as workshop:
        made = await keeping.make_backup(workshop.settings, tmp_path / "kept", NOW)
        settings = workshop.settings
    assert b"unicorn-key" not in gzip.decompress(made.path.read_bytes())
    second = replace(settings, data=tmp_path / "second", database_url=f"sqlite+aiosqlite:///{tmp_path}/2.db")
    await keeping.restore(second, made.path, NOW)
    assert (tmp_path / "second" / "templates" / "email" / "own.txt").read_text() == "ours"
    for name in ("../outside.txt", "/etc/passwd", "templates/../../outside.txt", "secrets.env"):
        with pytest.raises(InvalidInput):
            put_back(tmp_path / "second", Kept(name, b"x"))


def test_keys_open_by_what_they_were_sealed_for_and_by_nothing_else() -> None:
    private, public = keeping.new_pair()
    other, _ = keeping.new_pair()
    for sealed, right, wrong in (
        (sealed_to(public, b"secret"), {"private_key": private}, {"private_key": other}),
        (
            sealed_with("correct horse battery", b"secret"),
            {"passphrase": "correct horse battery"},
            {"passphrase": "x"},
        ),
    ):
        assert b"secret" not in sealed
        assert keeping.opened(sealed, **right) == b"secret"
        for bad in (wrong, {}, {"private_key": "nonsense", "passphrase": "y"}):
            with pytest.raises(InvalidInput):
                keeping.opened(sealed, **bad)
        with pytest.raises(InvalidInput):
            keeping.opened(sealed[:-9] + b"A" + sealed[-8:], **right)
    for nothing in (b"", b"{}", b"[]", b'{"closeloop-keys":1,"by":"key"}'):
        with pytest.raises(InvalidInput):
            keeping.opened(nothing, passphrase="x")
