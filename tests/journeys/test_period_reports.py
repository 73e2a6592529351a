"""Supervisors get the report of the week by mail: once, about own teams, with its figures (A9, D6, E1)."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select, update

from models.deadlines import Errand
from models.notifications import Notification
from models.vocabulary import NotificationState
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import ADMIN, House, open_house, text_of
from workers.policy import Policy, load_policy, parse_policy

pytestmark = pytest.mark.anyio

CAROL, DORA = "carol@help.example", "dora@help.example"
REPORT_TIME = datetime(2026, 3, 9, 0, 30, tzinfo=UTC)
"""Monday, 08:30 in Shanghai: the first report after the stories' beginning, about 2 to 8 March."""
WEEK = "周报 2026年3月2日至3月8日"
DAY = timedelta(days=1)


def with_reports(text: str) -> Policy:
    """The ready-made policy with lines of `[reports]`."""
    return parse_policy(f"{load_policy('support-response').version_text}\n[reports]\n{text}\n")


async def ask(house: House, who: str, category: str = "after_sales_technical") -> str:
    """A customer writes; gives the number."""
    body = {
        "contact": {"email": f"{who}@shop.example", "name": "李雷明"},
        "subject": "",
        "description": "打印机脱机",
        "priority": "high",
        "category": category,
    }
    made: dict[str, Any] = await house.api("POST", "/tickets", body)
    return str(made["number"])


async def second_team(house: House) -> None:
    """Complaints have a team of their own; Dora leads it."""
    await house.api("POST", "/teams", {"name": "customer_relations", "supervisor": "HD001"})
    body = {"number": "CR001", "name": "Emil", "email": "emil@help.example", "team": "customer_relations"}
    await house.api("POST", "/staff", body)


def html_of(mail: CaughtMail) -> str:
    """The HTML of a mail."""
    body = mail.message.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def files_of(mail: CaughtMail) -> dict[str, bytes]:
    """What is attached, by name."""
    return {str(part.get_filename()): _bytes(part) for part in mail.message.iter_attachments()}


def _bytes(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


async def test_on_monday_each_supervisor_gets_one_report_about_own_teams(backend: Backend) -> None:
    async with open_house(backend) as house:
        await second_team(house)
        mine, other = await ask(house, "anna"), await ask(house, "berta", "complaint")
        await house.pass_time(until=REPORT_TIME - timedelta(minutes=1))
        assert await house.notifications("period_report") == []
        await house.pass_time(until=REPORT_TIME)

        (carols,), (doras,), (alls,) = (house.mails_to(who, WEEK) for who in (CAROL, DORA, ADMIN))
        assert mine in text_of(carols)
        assert other not in text_of(carols)
        assert other in text_of(doras)
        assert mine not in text_of(doras)
        assert mine in text_of(alls)
        assert other in text_of(alls)
        assert "本期收到 1 件请求" in text_of(carols)
        assert "件数太少，不与上期比较" in text_of(carols)
        assert "李雷明" not in text_of(alls) + html_of(alls)
        assert "Subject" in carols.message
        assert carols.message["Auto-Submitted"] == "auto-generated"

        # What the API tells is what the mail told.
        told = await _frozen(house, CAROL)
        asked = await house.api("GET", "/reports/weekly?for=SV001")
        assert asked["chapters"] == told["chapters"]
        assert (asked["first_day"], asked["teams"]) == ("2026-03-02", ["support"])

        # The errands run again, as after a worker that was killed before it could say that it was done.
        async with house.workshop.begin() as uow:
            again = (
                update(Errand).where(Errand.kind == "report").values(due_at=house.clock.now(), done_at=None)
            )
            await uow.session.execute(again)
        await house.settle()
        assert len(await house.notifications("period_report")) == 3
        assert [len(house.mails_to(who, WEEK)) for who in (CAROL, DORA, ADMIN)] == [1, 1, 1]

        # A week on there is the next one, and what the first one told stays as it was.
        await house.pass_time(until=REPORT_TIME + 7 * DAY)
        assert len(house.mails_to(CAROL, "周报")) == 2
        assert (await _frozen(house, CAROL))["chapters"] == told["chapters"]


async def _frozen(house: House, address: str) -> dict[str, Any]:
    """The figures that the oldest report to somebody was made of."""
    hashed = house.workshop.vault.lookup("email", address)
    row = next(each for each in await house.notifications("period_report") if each.recipient_hash == hashed)
    async with house.workshop.read() as uow:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
        facts: dict[str, Any] = sealer.json(row.facts_sealed, "notifications.facts")
    found: dict[str, Any] = facts["document"]
    return found


async def test_whoever_stands_in_gets_the_report_of_an_absent_supervisor(backend: Backend) -> None:
    async with open_house(backend) as house:
        absence = {
            "starts_at": "2026-03-08T00:00:00Z",
            "ends_at": "2026-03-12T00:00:00Z",
            "substitute": "HD001",
        }
        await house.api("POST", "/staff/SV001/absences", absence)
        await ask(house, "anna")
        await house.pass_time(until=REPORT_TIME)
        assert house.mails_to(CAROL, WEEK) == []
        (mail,) = house.mails_to(DORA, WEEK)
        assert "Carol 不在岗，由您代收" in text_of(mail)
        async with house.workshop.read() as uow:
            query = select(Notification).where(Notification.reason == "absent_passed_on")
            (silent,) = (await uow.session.scalars(query)).all()
        assert silent.state is NotificationState.SUPPRESSED


async def test_readers_choose_what_they_get_and_in_which_form(backend: Backend) -> None:
    policy = with_reports(
        'attach = "xlsx"\nmonthly = "none"\n[reports.for.SV001]\nlocale = "en"\n'
        '[reports.for.AD001]\nsend = ["quarterly"]'
    )
    async with open_house(backend, policy=policy) as house:
        number = await ask(house, "anna")
        await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by="CS001")
        await ask(house, "berta")
        await house.pass_time(until=REPORT_TIME)
        assert house.mails_to(ADMIN, WEEK) == []
        (mail,) = house.mails_to(CAROL, "Weekly report")
        (name,) = files_of(mail)
        assert name == "weekly-2026-03-02.xlsx"
        book = load_workbook(io.BytesIO(files_of(mail)[name]))
        figures = {row[0]: row[1] for row in book["Figures at a glance"].iter_rows(values_only=True)}
        assert figures["Requests received"] == 2
        asked = await house.api("GET", "/reports/weekly?for=SV001")
        tables = {table["code"]: table["rows"] for table in asked["chapters"][0]["tables"]}
        ranges = list(book["How long first responses took"].iter_rows(min_row=2, values_only=True))
        assert [row[1] for row in ranges] == [row[1] for row in tables["response_times"]]
        assert sum(row[1] for row in ranges) == 1

        # The chart is in the mail, has words for who sees none, and its figures stand below it.
        html = html_of(mail)
        shown = [part["Content-ID"] for part in mail.message.walk() if part.get_content_type() == "image/png"]
        assert shown
        assert all(f"cid:{ident.strip('<>')}" in html for ident in shown)
        assert 'alt="How long first responses took: ' in html
        assert "up to 10 min" in html

        # In the console stands what was sent, as it was made.
        page = await house.api("GET", "/reports/weekly?for=HD001", expect=404)
        assert "supervisor" in page["detail"]
