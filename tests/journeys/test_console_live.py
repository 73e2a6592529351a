"""The live queue in the console: what is due next, what is late, who has it, and who may see whose."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from models.deadlines import Deadline
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Priority
from tests.conftest import Backend
from tests.factories import PUBLIC, Desk, make_desk, make_ticket
from tests.small_world import COOKIE
from workers.access import open_session

pytestmark = pytest.mark.anyio
LIVE = "/console/live"


async def browser(desk: Desk, number: str) -> httpx.AsyncClient:
    """A browser in which this member of staff is signed in, in English."""
    async with desk.workshop.begin() as uow:
        person = (await uow.session.scalars(select(Staff).where(Staff.number == number))).one()
        token, _ = await open_session(uow, person, "tests")
    cookies = {COOKIE: token}
    headers = {"Accept-Language": "en"}
    return httpx.AsyncClient(transport=desk.web._transport, base_url=PUBLIC, cookies=cookies, headers=headers)


async def given_to(desk: Desk, ticket: Ticket, number: str) -> str:
    """The ticket is this person's; gives its number."""
    async with desk.workshop.begin() as uow:
        person = (await uow.session.scalars(select(Staff).where(Staff.number == number))).one()
        held = await uow.session.get_one(Ticket, ticket.id)
        held.handler_id, held.team_id = person.id, person.team_id
    return ticket.number


def tiles(page: str) -> dict[str, int]:
    """The figures at the top, by their words."""
    return {name: int(value) for name, value in re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", page)}


def table(page: str, caption: str) -> list[str]:
    """The numbers of the tickets in a table, in order."""
    found = re.search(rf'<caption class="unseen">{caption}</caption>.*?</table>', page, re.S)
    return re.findall(r">(CS\d{9,})<", found[0]) if found else []


async def test_what_is_due_next_comes_first_and_everybody_sees_what_they_may(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        late = await given_to(
            desk, await make_ticket(desk.workshop, priority=Priority.URGENT, email="a@c.example"), "CS001"
        )
        desk.clock.advance(timedelta(minutes=100))
        urgent = await given_to(
            desk, await make_ticket(desk.workshop, priority=Priority.URGENT, email="b@c.example"), "CS002"
        )
        await make_ticket(desk.workshop, priority=Priority.LOW, email="c@c.example")
        desk.clock.advance(timedelta(minutes=65))
        async with (
            await browser(desk, "AM001") as lead,
            await browser(desk, "CS002") as bob,
            await browser(desk, "QA001") as quality,
        ):
            page = (await quality.get(f"{LIVE}?team=*")).text
            shown = tiles(page)
            assert (shown["Overdue"], shown["Due within the hour"]) == (1, 1)
            assert sum(shown[each] for each in ("To assign", "In progress", "Awaiting feedback")) == 3
            assert table(page, "Overdue") == [late]
            assert table(page, "Due within the hour") == [urgent]
            assert re.search(rf"{late}.*?Alice CS001", page, re.S)
            own = (await bob.get(LIVE)).text
            assert late not in own
            assert (tiles(own)["Overdue"], table(own, "Due within the hour")) == (0, [urgent])
            assert "Alice" not in own
            mine = (await lead.get(LIVE)).text
            assert 'value="support" selected' in mine, "a supervisor looks at the own team first"
            assert table(mine, "Overdue") == [late]

            wrong = await lead.get(f"{LIVE}?team=nowhere&every=1")
            assert wrong.status_code == 422
            assert "There is no such team" in wrong.text
            assert 'aria-describedby="every-error"' in wrong.text
            assert 'http-equiv="refresh"' not in (await lead.get(LIVE)).text
            again = (await lead.get(f"{LIVE}?every=60")).text
            assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in again


async def test_a_clock_that_stands_still_is_not_due_and_a_ticket_counts_once(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        still = await make_ticket(desk.workshop, priority=Priority.URGENT, email="a@c.example")
        both = await make_ticket(desk.workshop, priority=Priority.URGENT, email="b@c.example")
        async with desk.workshop.begin() as uow:
            paused = update(Deadline).where(Deadline.ticket_id == still.id).values(paused_at=uow.clock.now())
            await uow.session.execute(paused)
        desk.clock.advance(timedelta(hours=9))
        async with desk.workshop.read() as uow:
            kinds = await uow.session.scalars(
                select(Deadline.kind).where(
                    Deadline.ticket_id == both.id, Deadline.limit_at <= uow.clock.now()
                )
            )
            assert {DeadlineKind.FIRST_RESPONSE, DeadlineKind.PLAN} <= set(kinds)
        async with await browser(desk, "AD001") as admin:
            page = (await admin.get(LIVE)).text
            assert tiles(page)["Overdue"] == 1
            assert table(page, "Overdue") == [both.number]


async def test_names_are_words_and_never_markup(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        ticket = await make_ticket(desk.workshop, subject="<svg onload=alert(1)>", priority=Priority.URGENT)
        await desk.api("PATCH", "/staff/CS001", json={"name": "<b>Eve</b>"})
        await given_to(desk, ticket, "CS001")
        desk.clock.advance(timedelta(hours=3))
        async with await browser(desk, "AD001") as admin:
            page = (await admin.get(LIVE)).text
        assert "&lt;b&gt;Eve" in page
        assert "<b>Eve" not in page
        assert "<svg onload" not in page
