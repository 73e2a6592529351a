"""Fetching a mailbox: once, untouched, from when it is asked for. On Dovecot and on a scripted server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from models.vocabulary import EventState
from tests.conftest import Backend
from tests.fakes_imap import ScriptedImap
from tests.fetching import SUPPORT, count, events, fault, fetching, held, looked, until, workshop_for
from tests.imap_server import ImapServer, Mailbox
from workers.imap import keeper
from workers.intake.store import load
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio
Box = Mailbox | ScriptedImap


def mail(number: int, *, to: str = SUPPORT, more: str = "") -> bytes:
    head = f"Return-Path: <li.na@customer.example>\r\nDelivered-To: {to}\r\nReceived: from x\r\n{more}"
    return (
        f"{head}From: li.na@customer.example\r\nTo: {to}\r\nMessage-ID: <{number}@customer.example>\r\n"
        f"Subject: help {number}\r\n\r\nIt is broken, secret{number}.\r\n"
    ).encode()


@pytest.fixture(params=["dovecot", "scripted"])
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    with ExitStack() as stack:
        if request.param == "scripted":
            yield stack.enter_context(ScriptedImap())
        else:
            server: ImapServer = request.getfixturevalue("imap_for_all")
            yield server.mailbox()


async def raw_of(workshop: Workshop) -> list[bytes]:
    rows = await events(workshop)
    async with workshop.read() as uow:
        return [(await load(uow, row)).raw for row in rows]


async def test_a_new_mail_is_stored_as_it_came_and_left_as_it_was(backend: Backend, box: Box) -> None:
    box.put(mail(1))
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, box.url(), poll=3600):
            await until(lambda: looked(workshop))
            assert await count(workshop) == 0, "it was there before anybody asked for it"
            box.put(mail(2, to="Support+abc@help.example"))
            await until(lambda: count(workshop))
        (row,) = await events(workshop)
        async with workshop.read() as uow:
            event = await load(uow, row)
    assert (row.source, row.state, event.kind) == ("imap", EventState.RECEIVED, "mail")
    assert event.raw == mail(2, to="Support+abc@help.example")
    assert event.envelope == {"from": "li.na@customer.example", "to": "Support+abc@help.example"}
    assert (box.count(), box.seen()) == (2, 0)


async def test_the_same_mail_in_two_folders_read_again_or_after_new_uids_is_one_event(
    backend: Backend, box: Box
) -> None:
    box.put(mail(1), "Junk")
    box.put(mail(1))
    box.put(mail(2))
    async with workshop_for(backend) as workshop:
        url = box.url(folder="Junk", since="all")
        async with fetching(workshop, url):
            await until(lambda: looked(workshop))
        assert sorted(await raw_of(workshop)) == [mail(1), mail(2)]
        box.forget_uids()
        box.put(mail(3))
        async with fetching(workshop, url):
            await until(lambda: _is(workshop, 3))
            box.put(mail(4), "Junk")
            await until(lambda: _is(workshop, 4))
        assert sorted(await raw_of(workshop)) == [mail(number) for number in (1, 2, 3, 4)]


async def _is(workshop: Workshop, number: int) -> bool:
    return await count(workshop) == number


async def test_how_far_back_the_first_reading_goes_is_said_by_since_and_holds_for_new_uids(
    backend: Backend, box: Box
) -> None:
    now = datetime.now(UTC)
    for number, days in ((1, 400), (2, 5), (3, 1)):
        box.put(mail(number), at=now - timedelta(days=days))
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, box.url(since="7d")):
            await until(lambda: looked(workshop))
        assert await raw_of(workshop) == [mail(2), mail(3)]
        box.forget_uids()
        box.put(mail(4), at=now - timedelta(days=500))
        again = datetime.now(UTC)
        async with fetching(workshop, box.url(since="7d")):
            await until(lambda: looked(workshop, again))
            box.put(mail(5), at=now - timedelta(days=500))
            await until(lambda: _is(workshop, 3))
        assert (await raw_of(workshop))[2:] == [mail(5)], "what is put there today is new, whatever its date"


@pytest.mark.parametrize("mode", ["seen", "move"])
async def test_a_mail_is_marked_or_moved_only_once_it_is_stored(
    backend: Backend, box: Box, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = "Done" if mode == "move" else ""
    url = box.url(mode=mode, since="all", **({"to": to} if to else {}))
    box.put(mail(1))

    tried: list[object] = []

    async def fails(*given: object, **_: object) -> None:
        tried.append(given)
        raise OSError("no room")

    async with workshop_for(backend) as workshop:
        with monkeypatch.context() as broken:
            broken.setattr(keeper, "store", fails)
            broken.setattr("workers.imap.fetcher.DATABASE_PAUSE", 0.1)
            async with fetching(workshop, url):
                await until(lambda: tried)
        assert (box.count(), box.seen(), await count(workshop)) == (1, 0, 0)
        async with fetching(workshop, url):
            await until(lambda: box.count(to) == 1 if to else box.seen() == 1)
            box.put(mail(2))
            await until(lambda: box.count(to) == 2 if to else box.seen() == 2)
        assert await count(workshop) == 2
    assert box.count() == (0 if to else 2)


async def test_new_uids_below_the_old_ones_are_read(backend: Backend, box: Box) -> None:
    url = box.url(mode="move", to="Done", since="all")
    for number in (1, 2, 3):
        box.put(mail(number))
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, url):
            await until(lambda: box.count("Done") == 3)
        box.forget_uids()
        box.put(mail(4))
        async with fetching(workshop, url):
            await until(lambda: _is(workshop, 4))


async def test_what_was_stored_and_not_yet_moved_is_moved_after_a_crash(
    backend: Backend, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = box.url(mode="move", to="Done", since="all")
    box.put(mail(1))
    async with workshop_for(backend) as workshop:
        with monkeypatch.context() as broken:
            broken.setattr("workers.imap.session.Session.tidy", lambda *_: 1 / 0)
            async with fetching(workshop, url):
                await until(lambda: count(workshop))
        assert (box.count(), box.count("Done")) == (1, 0)
        async with fetching(workshop, url):
            await until(lambda: box.count("Done") == 1)
        assert (box.count(), await count(workshop)) == (0, 1)


async def test_a_wrong_password_is_tried_once_until_it_is_another(backend: Backend, box: Box) -> None:
    async with workshop_for(backend) as workshop:
        for _ in range(2):  # a restart does not knock again, either
            async with fetching(workshop, box.url(password="wrong")):
                await until(lambda: held(workshop))
                # A busy machine may time out first.
                await until(lambda: _has_fault(workshop, "authentication_failed"))
        if isinstance(box, ScriptedImap):
            assert box.asked("LOGIN") == 1
        box.put(mail(1))
        async with fetching(workshop, box.url(since="all")):
            await until(lambda: count(workshop))
            await until(lambda: looked(workshop))
        assert await fault(workshop) is None


async def test_a_folder_that_is_not_there_is_told_and_the_others_are_read(backend: Backend, box: Box) -> None:
    box.put(mail(1))
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, box.url(folder="Nowhere", since="all")):
            await until(lambda: looked(workshop))
        assert (await count(workshop), await fault(workshop)) == (1, "folder_refused")


async def test_many_mails_come_in_batches_that_leave_the_desk_room(
    backend: Backend, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MOST_WAITING", 30)
    for number in range(70):
        box.put(mail(number))
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, box.url(since="all")):
            await until(lambda: _is(workshop, 50))
        assert await count(workshop) == 50, "two batches were enough for now"
        monkeypatch.undo()
        async with fetching(workshop, box.url(since="all")):
            await until(lambda: _is(workshop, 70))
        assert sorted(await raw_of(workshop)) == sorted(mail(number) for number in range(70))


async def test_no_word_of_a_mail_or_password_gets_into_a_log(
    backend: Backend, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    box.put(mail(1))
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, box.url(since="all")):
            await until(lambda: looked(workshop))
        assert await count(workshop) == 1
    assert "secret1" not in caplog.text
    for password in ("authorization-code-1", "auth/code+1", "auth%2Fcode%2B1"):
        assert password not in caplog.text


async def test_a_server_with_an_unknown_certificate_never_sees_the_password(
    backend: Backend, imap_for_all: ImapServer
) -> None:
    mailbox = imap_for_all.mailbox()
    async with workshop_for(backend) as workshop, fetching(workshop, mailbox.url(ca="")):
        await until(lambda: _has_fault(workshop, "tls_failed"))
    assert mailbox.user not in imap_for_all.words()


async def _has_fault(workshop: Workshop, reason: str) -> bool:
    return await fault(workshop) == reason
