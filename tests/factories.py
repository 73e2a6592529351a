"""A small team, its customers and their tickets, made through the steps themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, select

from models.people import Staff
from models.surveys import Survey
from models.tables import Base
from models.tickets import Ticket
from models.vocabulary import Category, DeadlineKind, Medium, Priority, Role
from tests.conftest import Backend
from tests.fakes import ManualClock
from tests.workbench import BellBook, settings_on, workshop_on
from workers import deadlines, escalations, links, surveys, tickets
from workers.directory import Contact
from workers.metrics import Metrics
from workers.people import Person, add_person, add_team, change_person, change_team
from workers.policy import Alarm
from workers.rendering import Renderer
from workers.unit_of_work import Workshop
from workers.web.app import WebParts, make_app

SUPPORT = "support@help.example"
PUBLIC = "https://help.example"
HOOK_TOKEN = "hook-token-of-the-tests-0123456789"
API_KEY = "api-key-of-the-tests-0123456789"
TWILIO_SID, TWILIO_TOKEN = "AC" + "0" * 32, "twilio-token"
KEY = {"Authorization": f"Bearer {API_KEY}"}


@asynccontextmanager
async def make_workshop(backend: Backend, clock: ManualClock, **settings: Any) -> AsyncIterator[Workshop]:
    """A workshop on the test's database, in live mode unless told otherwise; `ring` is a BellBook."""
    base: dict[str, Any] = {
        "mail_from": SUPPORT,
        "mail_domain": "help.example",
        "public_url": PUBLIC,
        "hook_token": HOOK_TOKEN,
        "api_key": API_KEY,
        "sms_url": (f"twilio://{TWILIO_SID}:{TWILIO_TOKEN}@/+15550100",),
        "mode": "live",
    }
    chosen = replace(settings_on(backend.database_url), **{**base, **settings})
    async with workshop_on(backend.database_url, settings=chosen, clock=clock, ring=BellBook()) as workshop:
        yield workshop


async def make_team(workshop: Workshop) -> None:
    """Team `support`: agents CS001 Alice and CS002 Bob, supervisor AM001 Sue, substitute AM002, head HD001.

    QA001 checks quality, AD001 is the administrator. Addresses are <number in small letters>@help.example.
    """
    people = (
        ("AD001", "Ada", Role.ADMINISTRATOR),
        ("HD001", "Henry", Role.SUPERVISOR),
        ("AM001", "Sue", Role.SUPERVISOR),
        ("AM002", "Stan", Role.SUPERVISOR),
        ("QA001", "Quinn", Role.QUALITY),
        ("CS001", "Alice", Role.AGENT),
        ("CS002", "Bob", Role.AGENT),
    )
    async with workshop.begin() as uow:
        await add_team(uow, "support", {})
        for number, name, role in people:
            person = Person(number=number, name=name, email=f"{number.lower()}@help.example", role=role)
            await add_person(uow, person)
        for number in ("CS001", "CS002", "AM001"):
            await change_person(uow, number, {"team": "support"})
        await change_team(uow, "support", {"supervisor": "AM001", "substitute": "AM002", "head": "HD001"})


async def make_ticket(
    workshop: Workshop,
    *,
    email: str | None = "li.na@customer.example",
    phone: str | None = None,
    name: str | None = "李娜",
    subject: str = "结账页面无法付款",
    description: str = "点击付款后报错 502,我的电话是 13800005678。",
    priority: Priority = Priority.MEDIUM,
    category: Category | None = Category.AFTER_SALES_TECHNICAL,
    channel: Medium = Medium.EMAIL,
) -> Ticket:
    """A ticket as a mail would open it, now; without a category nobody has confirmed what it is."""
    async with workshop.begin() as uow:
        return await tickets.open_ticket(
            uow,
            tickets.Request(
                contact=Contact(email=email, phone=phone, name=name),
                channel=channel,
                subject=subject,
                description=description,
                received_at=uow.clock.now(),
                priority=priority,
                category=category,
            ),
        )


async def resolve_ticket(workshop: Workshop, ticket: Ticket) -> None:
    """Its handler answers by phone and gives the result."""
    async with workshop.begin() as uow:
        held = await tickets.ticket_by_id(uow, ticket.id)
        handler = await uow.session.get_one(Staff, held.handler_id)
        if held.first_response_at is None:
            await tickets.record_first_response(uow, held, handler, Medium.PHONE)
        await tickets.resolve(uow, held, handler, "证书过期", "已更换证书", "请清除缓存")


async def make_survey(workshop: Workshop, clock: ManualClock, ticket: Ticket) -> Survey:
    """The ticket resolved, an hour passed, and its survey sent."""
    await resolve_ticket(workshop, ticket)
    clock.advance(timedelta(hours=1))
    async with workshop.begin() as uow:
        held = await tickets.ticket_by_id(uow, ticket.id)
        (row,) = await deadlines.open_ones(uow, held, [DeadlineKind.SURVEY_INVITATION])
        await surveys.invite(uow, row, Alarm(clock.now(), "invite", ()))
    async with workshop.read() as uow:
        return (await uow.session.scalars(select(Survey).where(Survey.ticket_id == ticket.id))).one()


async def make_link(
    workshop: Workshop,
    purpose: str,
    subject: UUID,
    *,
    ticket: Ticket | None = None,
    staff: str | None = None,
    hours: int = 72,
    single_use: bool = True,
) -> str:
    """Mint a link as a rendered mail would, for the member of staff `staff` or for the customer; its path."""
    async with workshop.begin() as uow:
        person = await uow.session.scalar(select(Staff.id).where(Staff.number == staff)) if staff else None
        holder = links.Holder(
            ticket_id=ticket.id if ticket else None,
            staff_id=person,
            customer_id=ticket.customer_id if ticket and person is None else None,
        )
        wanted = escalations.link(purpose, subject, hours=hours, single_use=single_use)
        url, row = links.mint(uow.vault, PUBLIC, uow.clock.now(), wanted, holder)
        uow.session.add(row)
    return url.removeprefix(PUBLIC)


async def count_rows(workshop: Workshop) -> Mapping[str, int]:
    """How many rows each table has: what was only looked at must not change it."""
    async with workshop.read() as uow:
        return {
            name: await uow.session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
        }


async def all_of(workshop: Workshop, model: type[Base], *where: Any) -> list[Any]:
    """The rows of one table, by id: as they were made."""
    async with workshop.read() as uow:
        key = model.__table__.primary_key
        return list(await uow.session.scalars(select(model).where(*where).order_by(*key)))


@dataclass
class Desk:
    """A service desk behind its web door: the team of `make_team`, a clock to move, and a client."""

    workshop: Workshop
    clock: ManualClock
    web: httpx.AsyncClient

    async def api(
        self, method: str, path: str, *, by: str = "", expect: int = 200, **request: Any
    ) -> httpx.Response:
        """Call /api/v1<path> with the key, acting as `by`; fails unless the status is `expect`."""
        headers = {**KEY, **({"X-Acting-Staff": by} if by else {}), **request.pop("headers", {})}
        answer = await self.web.request(method, f"/api/v1{path}", headers=headers, **request)
        assert answer.status_code == expect, f"{answer.status_code}: {answer.text[:800]}"
        return answer


@asynccontextmanager
async def make_desk(backend: Backend, **settings: Any) -> AsyncIterator[Desk]:
    """A desk with its team on the test's database."""
    clock = ManualClock()
    async with make_workshop(backend, clock, **settings) as workshop:
        await make_team(workshop)
        parts = WebParts(workshop, Renderer(), workshop.settings, Metrics())
        transport = httpx.ASGITransport(make_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://inside:8000") as web:
            yield Desk(workshop, clock, web)
