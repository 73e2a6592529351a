"""A customer is erased while mail is in flight and deadlines run; what is left works on and names nobody."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from models.communications import Communication
from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.keys import DataKey
from models.people import Customer
from models.privacy import Erasure
from models.surveys import SurveyAnswer
from models.tables import Base
from models.tickets import TicketEntry
from models.vocabulary import EventState
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.factories import count_rows
from tests.fakes_smtp import CaughtMail
from tests.house import House, link_in, open_house
from workers.cli.dossier import find_dossier
from workers.cli.opening import find_settings, workshop_of
from workers.directory import Contact
from workers.directory.customers import find_or_make_customer
from workers.errors import Conflict, NotFound
from workers.intake.store import Event, store
from workers.privacy import erasing
from workers.privacy.erasing.parts import PARTS, STAYS
from workers.privacy.erasing.subject import REASON
from workers.purge import purge
from workers.text import ERASED
from workers.tickets.auditing import audit_batch

pytestmark = pytest.mark.anyio
LI = "li.na@customer.example"
REMOVED = (
    "customers.email_hash",
    "customers.name_sealed",
    "data_keys",
    "data_keys (of raw events)",
    "deadlines",
    "delivery_attempts.text",
    "followups (ended)",
    "intake_bodies",
    "intake_bodies (not read yet)",
    "links",
    "notification_bodies",
    "notifications (withdrawn)",
    "notifications.recipient_hash",
    "ticket_messages",
    "tickets (closed)",
    "tickets.subject_hash",
    "communications (closed)",
)


async def test_an_erased_customer_is_nobody_and_everything_else_works_on(backend: Backend) -> None:
    async with open_house(backend) as house:
        first, second, thread = await _two_requests(house)
        code = (await house.api("GET", f"/tickets/{first}"))["customer"]["code"]
        for by in ("CS001", "SV001"):
            await house.api("POST", f"/customers/{code}/erase", {}, by=by, expect=403)
        before = await count_rows(house.workshop)
        dry = await house.api("POST", f"/customers/{code}/erase", {})
        after = await count_rows(house.workshop)
        noted = {"audit_entries": after["audit_entries"]}  # that somebody has counted
        assert (dry["number"], after) == (None, {**before, **noted})

        certificate = await _erased_once_by_two(house, code)
        assert {name for name in REMOVED if not certificate["removed"].get(name)} == set()
        assert certificate["removed"] == dry["removed"]
        assert certificate["tickets"] == [first, second]
        await house.api("POST", f"/customers/{code}/erase", {"confirm": True}, expect=409)
        with pytest.raises(NotFound):  # nobody has that address any more
            await erasing.erase(house.workshop, LI)
        read = await house.api("GET", f"/erasures/{code}")
        assert (read["number"], "删除证明" in read["text"]) == (certificate["number"], True)
        assert [one["customer"] for one in (await house.api("GET", "/erasures"))["items"]] == [code]

        await _nothing_opens(house, code)
        await _all_still_works(house, code, first, second)
        sent = len(house.relay.mails)
        await house.pass_time(timedelta(days=5))
        late = [mail for mail in house.relay.mails[sent:] if first in str(mail.message) + str(mail.recipient)]
        assert not [mail for mail in house.relay.mails[sent:] if mail.recipient == LI] + late

        await house.mail(LI, "Hello, it is me again", answers=thread)
        again = (await house.ticket()).number
        assert again not in (first, second)
        assert (await house.api("GET", f"/tickets/{again}"))["customer"]["code"] != code
        await _only_this_was_allowed(house)


async def _two_requests(house: House) -> tuple[str, str, CaughtMail]:
    """One that was resolved and rated badly, one whose clocks run, a talk, a mail nobody has read."""
    await house.mail(LI, "付款页面白屏，我是李娜，电话 13800005678", subject="Payment page", name="李娜")
    first = (await house.ticket()).number
    receipt = house.mails_to(LI)[0]
    result = {"cause": "certificate", "solution": "renewed", "precautions": "none"}
    handler = (await house.mail_of("assignment")).recipient
    await house.api("POST", f"/tickets/{first}/accept", {}, by=handler)
    await house.api("POST", f"/tickets/{first}/resolve", result, by=handler)
    await house.pass_time(timedelta(hours=24))
    page = link_in(await house.mail_of("csat_invitation", to=LI), "s")
    await house.tap(page, {"overall": "1", "speed": "1", "comment": "李娜很生气"})
    talk = {
        "channel": "phone",
        "customer": LI,
        "description": "李娜 called",
        "ticket": first,
        "next_action": "ring back",
        "next_at": (house.clock.now() + timedelta(days=1)).isoformat(),
    }
    await house.api("POST", "/communications", talk, by=handler)
    await house.mail(LI, "Another question, 身份证 11010119900307721X", subject="Something else")
    second = (await house.ticket()).number
    await house.pass_time(timedelta(hours=20))  # its first response is breached, and stays so
    assignment = await house.mail_of("assignment")
    await house.mail(assignment.recipient, "We are looking into it.", answers=assignment)  # held for a moment
    raw = f"From: Li Na <{LI}>\nSubject: unread\n\nme again".encode()
    async with house.workshop.begin() as uow:
        await store(uow, Event("raw", "unread", "mail", raw, {"from": LI}), poison="held back by the test")
    return first, second, receipt


async def _erased_once_by_two(house: House, code: str) -> dict[str, Any]:
    """Two administrators at once: one erases, the other hears that it is done."""
    found = await asyncio.gather(
        erasing.erase(house.workshop, code, why="DSR-17 13800005678"),
        erasing.erase(house.workshop, code, why="DSR-17 13800005678"),
        return_exceptions=True,
    )
    (done,) = [one for one in found if isinstance(one, Erasure)]
    (refused,) = [one for one in found if isinstance(one, Conflict)]
    assert done.number in refused.hint
    assert "13800005678" not in done.certificate["why"]
    return done.certificate


async def _nothing_opens(house: House, code: str) -> None:
    async with house.workshop.read() as uow:
        row = (await uow.session.scalars(select(Customer).where(Customer.code == code))).one()
        assert (row.email_hash, row.phone_hash, row.name_sealed, row.masked) == (None, None, None, ERASED)
        alive = select(DataKey.id).where(DataKey.id == row.data_key_id, DataKey.wrapped.is_not(None))
        assert await uow.session.scalar(alive) is None
        unread = select(IntakeEvent).where(IntakeEvent.external_id == "unread")
        assert (await uow.session.scalars(unread)).one().state is EventState.REJECTED
        open_ones = select(func.count()).select_from(Deadline).where(Deadline.due_at.is_not(None))
        assert await uow.session.scalar(open_ones) == 0
        assert await uow.session.scalar(select(Communication.next_at)) is None


async def _all_still_works(house: House, code: str, first: str, second: str) -> None:
    """Lists, single views, exports, explain, purge and verdicts: none fails, none names anybody."""
    shown = await house.api("GET", f"/tickets/{first}")
    assert (shown["subject"], shown["customer"]["masked"]) == (ERASED, ERASED)
    assert {"words": ERASED} in [entry["words"] for entry in shown["log"]]
    assert shown["rated_at"] is not None
    left = await house.api("GET", f"/tickets/{second}")
    assert (left["state"], left["close_reason"], left["overdue_count"] > 0) == ("closed", REASON, True)
    case = (await house.api("GET", "/followups"))["items"][0]
    assert case["state"] == "ended"
    lists = "tickets notifications surveys communications attention intake suppressions deadlines"
    paths = [*lists.split(), "reports/overdue", f"customers/{code}", f"followups/{case['id']}"]
    paths += [f"surveys/{row['number']}" for row in (await house.api("GET", "/surveys"))["items"]]
    texts = [str(await house.api("GET", f"/{path}")) for path in paths]
    for row in (await house.api("GET", "/notifications"))["items"]:
        texts.append(str(await house.api("GET", f"/notifications/{row['id']}/timeline")))
    async with house.workshop.read() as uow:
        texts += [str(await find_dossier(uow, first)), str(await find_dossier(uow, second))]
        assert [one.differences for one in await audit_batch(uow)] == [(), ()]
    text = "\n".join(texts)
    assert [word for word in ("李娜", "li.na", "0005678", "721X", "白屏") if word in text] == []
    await purge(house.workshop)
    await house.api("POST", f"/tickets/{first}/progress", {"text": "x"}, by="SV001", expect=409)
    await house.api("POST", "/tickets", {"contact": {"code": code}, "description": "y"}, expect=404)


async def _only_this_was_allowed(house: House) -> None:
    """The database lets nobody change a log, an answer or a certificate, nor bring a key back."""
    changes = (
        update(TicketEntry).values(words_sealed=None),
        update(SurveyAnswer).values(words_sealed=None),
        update(Erasure).values(number="x"),
        update(DataKey).where(DataKey.wrapped.is_(None)).values(wrapped=b"again"),
        Base.metadata.tables["data_keys"].delete().where(DataKey.wrapped.is_(None)),
        Base.metadata.tables["erasures"].delete(),
    )
    for change in changes:
        with pytest.raises(IntegrityError):
            async with house.workshop.begin() as uow:
                await uow.session.execute(change)


def test_each_table_that_leads_to_a_customer_has_its_part() -> None:
    personal = {
        name
        for name, table in Base.metadata.tables.items()
        if any(
            column.name.endswith(("customer_id", "data_key_id", "_sealed", "_hash"))
            for column in table.columns
        )
    }
    named = {name for part in PARTS for name in part.tables} | STAYS.keys()
    assert personal - named == set(), "say in workers/privacy/erasing/parts.py what an erasure does to these"
    assert named - Base.metadata.tables.keys() == set()


def test_the_commands_count_first_erase_when_told_and_print_the_certificate_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    assert closeloop("migrate").code == 0
    assert closeloop("erase", LI).code == 1, "nobody yet"
    assert closeloop("erase", "li.na").code == 2, "no part of an address finds anybody"
    asyncio.run(_meet(tmp_path / "data"))
    counted = closeloop("erase", LI)
    assert "客户编号: C" in counted.out
    assert "nothing was changed" in counted.err
    assert closeloop("erasures", "--json").json == []
    done = closeloop("erase", LI, "--yes", "--why", "DSR-17", "--json").json
    assert done["removed"]["customers.email_hash"] == 1
    again = closeloop("erasures", done["number"])
    assert done["number"] in again.out
    assert closeloop("erase", done["customer"], "--yes").code == 1


async def _meet(data: Path) -> None:
    async with workshop_of(find_settings(data)) as workshop, workshop.begin() as uow:
        await find_or_make_customer(uow, Contact(email=LI, name="李娜"))
