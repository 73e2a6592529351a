"""What a provider tells later of an SMS: one word for one fault; a bad moment is no reason to suppress."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from models.base import new_id
from models.notifications import DeliveryAttempt, Notification, Receipt, Suppression
from models.vocabulary import Lane, Medium, NotificationState
from tests.conftest import Backend
from tests.factories import all_of, make_team, make_ticket, make_workshop
from tests.fakes import ManualClock
from workers.channels.port import Verdict
from workers.channels.sms.codes import LATER, coded, receipt_reason, verdict_of
from workers.intake.desk import work_off
from workers.intake.providers.sms.port import SmsStatus
from workers.intake.store import Event, store
from workers.suppressions import reason_for
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio

SAID = [
    ("twilio", "30005", "unknown_recipient", "hard_bounce"),
    ("twilio", "30003", "unreachable_recipient", None),
    ("vonage", "3", "unknown_recipient", "hard_bounce"),
    ("vonage", "2", "unreachable_recipient", None),
    ("plivo", "200", "opted_out", "stop"),
    ("plivo", "080", "unreachable_recipient", None),
    ("bird", "1", "unknown_recipient", "hard_bounce"),
    ("bird", "34", "carrier_trouble", None),
    ("aliyun", "USER_REJECT", "opted_out", "stop"),
    ("aliyun", "MOBILE_NOT_ON_SERVICE", "unreachable_recipient", None),
    ("tencent", "MK:0001", "unknown_recipient", "hard_bounce"),
    ("tencent", "UNDELIV", "unreachable_recipient", None),
]


async def _sent_sms(workshop: Workshop, number: int) -> tuple[UUID, str]:
    """An SMS that a provider took; its row and its id there."""
    ticket = await make_ticket(workshop, email=None, phone=f"+8613800000{number:03d}", channel=Medium.SMS)
    where = (Notification.ticket_id == ticket.id, Notification.channel == Medium.SMS)
    ident = f"id-{number}"
    async with workshop.begin() as uow:
        (found,) = await all_of(workshop, Notification, *where)
        row = await uow.session.get_one(Notification, found.id)
        row.state, row.sent_at, row.due_at = NotificationState.SENT, uow.clock.now(), None
        uow.session.add(
            DeliveryAttempt(
                notification_id=row.id, lease_token=new_id(), started_at=uow.clock.now(), outcome="sent",
                provider_id=ident,
            )
        )  # fmt: skip # packed, to be read at a glance
    return row.id, ident


async def test_a_receipt_says_why_and_suppresses_by_that_only(backend: Backend) -> None:
    clock = ManualClock()
    async with make_workshop(backend, clock) as workshop:
        await make_team(workshop)
        told: dict[UUID, tuple[str, str | None]] = {}
        for number, (provider, code, reason, suppressed) in enumerate(SAID):
            row, ident = await _sent_sms(workshop, number)
            told[row] = (reason, suppressed)
            status = SmsStatus(ident, "undelivered", code)
            async with workshop.begin() as uow:
                await store(uow, Event(provider, status.key, "receipt", b"", status.envelope()))
        clock.advance(timedelta(seconds=1))
        for lane in (Lane.NORMAL, Lane.URGENT):
            while await work_off(workshop, lane):
                pass
        rows = {row.id: row for row in await all_of(workshop, Notification)}
        receipts = {row.notification_id: row.reason for row in await all_of(workshop, Receipt)}
        held = {row.address_hash: row.reason for row in await all_of(workshop, Suppression)}
    for key, (reason, suppressed) in told.items():
        assert (rows[key].state, rows[key].reason) == (NotificationState.BOUNCED, reason)
        assert receipts[key] == reason
        assert held.get(rows[key].recipient_hash) == suppressed, reason


def test_a_code_that_no_table_knows_keeps_its_number() -> None:
    assert receipt_reason("twilio", "39999", "undelivered") == "twilio_39999"
    assert receipt_reason("tencent", "SME:7", "undelivered") == "tencent_sme_7"
    assert receipt_reason("plivo", "", "undelivered") == "undelivered"
    assert receipt_reason("http", "E 1", "failed") == "http_e_1"
    assert len(coded("aliyun", "X" * 90)) == 48


def test_what_is_for_later_says_nothing_of_the_number() -> None:
    assert {reason_for(reason) for reason in LATER} == {None}
    assert verdict_of("out_of_credit") is Verdict.RETRY
    assert verdict_of("opted_out") is Verdict.REJECTED
