"""A team in another country: its tickets go by its calendar, and one that is handed on is planned anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import Backend
from tests.house import House, open_house, text_of
from workers.policy import Policy, load_policy, parse_policy
from workers.tickets.auditing import audit_batch

pytestmark = pytest.mark.anyio

BERLIN = ZoneInfo("Europe/Berlin")
CALENDARS = """
[calendars.berlin]
zone = "Europe/Berlin"
holidays = "DE"
[calendars.berlin.hours]
monday = ["09:00-17:00"]
tuesday = ["09:00-17:00"]
wednesday = ["09:00-17:00"]
thursday = ["09:00-17:00"]
friday = ["09:00-17:00"]

[[calendar_for]]
team = "product"
calendar = "berlin"
"""


def policy() -> Policy:
    return parse_policy(load_policy("support-response").version_text + CALENDARS)


def berlin(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of March 2026 in Berlin; the story begins on Monday the 2nd at 03:00 there."""
    return datetime(2026, 3, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


async def _open(house: House, category: str) -> str:
    body = {
        "contact": {"email": "lilei@shop.example", "name": "Li Lei"},
        "subject": "Order",
        "description": "It has not arrived.",
        "priority": "medium",
        "category": category,
    }
    return str((await house.api("POST", "/tickets", body))["number"])


async def test_a_ticket_goes_by_the_calendar_of_the_team_that_has_it(backend: Backend) -> None:
    async with open_house(backend, policy=policy()) as house:
        await house.api("POST", "/teams", {"name": "product"})
        person = {"role": "agent", "team": "product", "email": "paul@help.example", "name": "Paul"}
        await house.api("POST", "/staff", {"number": "PR001", **person})
        lead = {"role": "supervisor", "team": "product", "email": "petra@help.example", "name": "Petra"}
        await house.api("POST", "/staff", {"number": "PR002", **lead})
        await house.api("PATCH", "/teams/product", {"supervisor": "PR002"})

        # By the rules of the policy one goes to Berlin at once; its customer reads Berlin's hours.
        there = await _open(house, "pre_sales")
        assert (await house.deadlines(there))["first_response"].limit_at == berlin(2, 17)
        await house.settle()
        (receipt,) = house.mails_to("lilei@shop.example", f"[{there}]")
        assert "09:00–17:00" in text_of(receipt)

        # Another one begins here, waits for its customer, and is handed on.
        number = await _open(house, "other")
        assert (await house.deadlines(number))["first_response"].limit_at == datetime(
            2026, 3, 2, 10, tzinfo=UTC
        )
        handler = (await house.api("GET", f"/tickets/{number}"))["handler"]
        await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
        await house.api("POST", f"/tickets/{number}/wait", {"question": "Which one?"}, by=handler)
        body = {"to": "PR001", "reason": "knows more"}
        await house.api("POST", f"/tickets/{number}/transfer", body, by="SV001")
        moved = await house.deadlines(number)
        assert moved["first_response"].limit_at == berlin(2, 17)
        lines = {entry.kind: entry.facts for entry in await house.log(number)}
        assert lines["received"]["calendar"] == ""
        assert (lines["replanned"]["because"], lines["replanned"]["calendar"]) == ("transferred", "berlin")
        await house.pass_time(until=berlin(2, 12))
        await house.api("POST", f"/tickets/{number}/resume", {}, by="PR001")

        # Both are overdue when Berlin closes; their ladder goes on when Berlin opens again.
        await house.pass_time(until=berlin(2, 16, 30))
        await house.pass_time(until=berlin(2, 17))
        assert {entry.kind for entry in await house.log(there)} >= {"warned", "breached"}
        ladder = (await house.deadlines(there))["escalation"]
        assert [alarm["at"] for alarm in ladder.alarms] == [
            berlin(3, hour, minute).isoformat() for hour, minute in ((9, 30), (11, 0), (13, 0))
        ]

        # One that is handed on while its ladder is climbed: what is left of it goes by the new calendar.
        body = {"to": "CS001", "reason": "back to where the customer is"}
        await house.api("POST", f"/tickets/{there}/transfer", body, by="SV001")
        ladder = (await house.deadlines(there))["escalation"]
        shanghai = datetime(2026, 3, 3, 1, tzinfo=UTC)  # 09:00 there
        assert [datetime.fromisoformat(alarm["at"]) for alarm in ladder.alarms] == [
            shanghai + timedelta(hours=hours) for hours in (0.5, 2, 4)
        ]

        # Who is on duty is looked for outside the hours of each team.
        for team in ("support", "product"):
            duty = {"staff": "PR001" if team == "product" else "CS001", "team": team}
            begins, ends = berlin(2, 18), berlin(2, 19)
            times = {"starts_at": begins.isoformat(), "ends_at": ends.isoformat()}
            await house.api("POST", "/duties", duty | times)
        gaps = (await house.api("GET", "/duties?days=1"))["gaps"]
        first = {gap["team"]: gap["ends_at"] for gap in reversed(gaps) if gap["starts_at"] > ends.isoformat()}
        last = {gap["team"]: datetime.fromisoformat(gap["ends_at"]) for gap in gaps}
        assert last["product"] == berlin(3, 9), (first, gaps)
        assert last["support"] != berlin(3, 9)

        async with house.workshop.read() as uow:
            audited = await audit_batch(uow)
        assert [(one.number, one.differences) for one in audited if one.differences or not one.known] == []
