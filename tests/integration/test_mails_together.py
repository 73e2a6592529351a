"""Many mails in one transaction end as each would have alone: same tickets, deadlines, notices and log."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.links import Link
from models.notifications import Notification
from models.people import Customer, Staff
from models.tickets import Ticket, TicketEntry, TicketMessage
from models.vocabulary import EventState, Lane
from tests.conftest import Backend
from tests.factories import all_of, make_team, make_workshop
from tests.fakes import ManualClock
from workers import senders
from workers.ahead import Ahead
from workers.intake import together
from workers.intake.desk import work_off
from workers.intake.looking_ahead import look_ahead
from workers.intake.mail import InboundMail
from workers.intake.store import Event, store
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio

INBOX = Path(__file__).parents[2] / "ops" / "demo_inbox"
TO = "support@help.example"


def _mail(number: int, *, sender: str = "", ident: str = "", extra: str = "") -> bytes:
    sender = sender or f"c{number}@customer{number}.example"
    head = f"From: Lin {number} <{sender}>\nTo: {TO}\nSubject: question {number}\n{extra}"
    return f"{head}Message-ID: <{ident or number}@customer.example>\n\nwhere is my order {number}?\n".encode()


MIXED = (
    *(_mail(number) for number in range(6)),
    _mail(6, sender="c1@customer1.example"),  # the same customer again
    _mail(7, ident="2"),  # a copy of another one, by its id
    _mail(8, extra="Auto-Submitted: auto-replied\n"),
    _mail(9, extra="In-Reply-To: <0@customer.example>\n"),
    _mail(10, extra="Reply-To: somebody@elsewhere.example\n"),
    _mail(11, sender="alice@help.example"),
    _mail(12, sender="ad@blocked.example"),
    _mail(13, extra="Content-Type: message/rfc822\n\n" * 300),
    b"no mail at all",
    *(_mail(number, sender="machine@alarms.example").replace(b"question %d" % number, b"disk full")
      for number in range(20, 28)),
)  # fmt: skip # packed, to be read at a glance


async def _store_all(workshop: Workshop, mails: Sequence[bytes]) -> None:
    async with workshop.begin() as uow:
        for number, raw in enumerate(mails):
            await store(uow, Event("raw", f"{number:04}", "mail", raw, {"to": TO}))


async def _work_off(workshop: Workshop) -> None:
    for lane in (Lane.NORMAL, Lane.BULK):
        while await work_off(workshop, lane):
            pass


async def _told(workshop: Workshop) -> list[Any]:
    """What became of each event, in words that do not depend on ids, numbers and who was drawn."""
    tickets = {row.id: row for row in await all_of(workshop, Ticket)}
    place = {
        row.ticket_id: row.external_id
        for row in sorted(
            await all_of(workshop, IntakeEvent), key=lambda each: each.external_id, reverse=True
        )
    }
    found: list[Any] = [
        (
            row.external_id,
            row.state,
            row.kind,
            row.reason,
            place.get(row.ticket_id),
            row.due_at,
            row.lease_token,
        )
        for row in await all_of(workshop, IntakeEvent)
    ]
    for ticket in tickets.values():
        found.append(
            (place[ticket.id], "ticket", ticket.state, ticket.version, ticket.locale, ticket.received_at)
        )
    for row in await all_of(workshop, Deadline):
        found.append(
            (place[row.ticket_id], row.kind, row.generation, row.limit_at, row.due_at, str(row.alarms))
        )
    for row in await all_of(workshop, Notification):
        found.append(
            (place.get(row.ticket_id), row.kind, row.state, row.reason, row.customer_id is None, row.due_at)
        )
    for row in await all_of(workshop, TicketEntry):
        found.append((place[row.ticket_id], row.kind, row.actor))
    for model in (Link, TicketMessage):
        found += [(place[row.ticket_id], model.__tablename__) for row in await all_of(workshop, model)]
    found.append(("customers", len(await all_of(workshop, Customer))))
    return sorted(found, key=str)


async def _outcome(backend: Backend, mails: Sequence[bytes]) -> list[Any]:
    async with make_workshop(backend, ManualClock()) as workshop:
        await make_team(workshop)
        async with workshop.begin() as uow:
            supervisor = (await uow.session.scalars(select(Staff).where(Staff.number == "AM001"))).one()
            await senders.block(uow, "@blocked.example", "advertising", by=supervisor)
        await _store_all(workshop, mails)
        await _work_off(workshop)
        numbers = [row.number for row in await all_of(workshop, Ticket)]
        assert len(set(numbers)) == len(numbers)
        return await _told(workshop)


@pytest.fixture
def beside(tmp_path: Path, migrated_sqlite: Path) -> Backend:
    """Another fresh database, to compare with."""
    path = tmp_path / "beside.db"
    shutil.copy(migrated_sqlite, path)
    return Backend("beside", f"sqlite+aiosqlite:///{path}", "")


async def test_mails_end_together_as_they_would_have_alone(
    backend: Backend, beside: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = [*MIXED, *(path.read_bytes() for path in sorted(INBOX.glob("*.eml")))]
    with monkeypatch.context() as patch:
        patch.setattr(together, "FEWEST", 10_000)
        alone = await _outcome(beside, mails)
    assert await _outcome(backend, mails) == alone


async def test_strangers_mails_are_written_by_few_statements(backend: Backend) -> None:
    async with make_workshop(backend, ManualClock()) as workshop:
        await make_team(workshop)
        await _store_all(workshop, [_mail(number) for number in range(20)])
        said: Counter[str] = Counter()

        def count(_: Any, __: Any, statement: str, *___: Any) -> None:
            said[" ".join(statement.split()[:3])] += 1

        event.listen(workshop.engine.sync_engine, "before_cursor_execute", count)
        assert await work_off(workshop, Lane.NORMAL) == 20
        # On SQLite numbers are drawn in the same transaction, five at once, which writes what is there.
        assert said["INSERT INTO tickets"] <= 4
        assert said["INSERT INTO notifications"] <= 5
        assert sum(said.values()) < 100
        assert len(await all_of(workshop, Ticket)) == 20


async def test_who_was_faster_spoils_nothing(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked up is out of date when it is written: a customer and a copy are there already."""
    real, spoilt = look_ahead, []

    async def out_of_date(uow: UnitOfWork, mails: Sequence[InboundMail]) -> Ahead:
        found = await real(uow, mails)
        known = {("customers", each) for each in found.customers}
        ids = {("ticket_messages", uow.vault.lookup("message-id", mail.message_id)) for mail in mails}
        spoilt.append(len(known))
        return replace(found, customers={}, absent=found.absent | known | ids)

    async with make_workshop(backend, ManualClock()) as workshop:
        await make_team(workshop)
        await _store_all(workshop, [_mail(number) for number in range(4)])
        await _work_off(workshop)
        monkeypatch.setattr(together, "look_ahead", out_of_date)
        copies = [_mail(2).replace(b"where", b"Where"), _mail(30, sender="c1@customer1.example")]
        await _store_all(workshop, [b""] * 4 + [*copies, *(_mail(number) for number in range(31, 35))])
        await _work_off(workshop)
        assert spoilt[0] == 2
        states = Counter((row.state, row.reason) for row in await all_of(workshop, IntakeEvent))
        assert states == {(EventState.DONE, None): 9, (EventState.DONE, "copy"): 1}
        assert len(await all_of(workshop, Customer)) == 8
        assert len(await all_of(workshop, Ticket)) == 9
