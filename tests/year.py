"""A year of a service desk, made up: everything that starts, moves, stops, meets or misses a clock, in any
order, with checks and receipts that come late. Driven through the steps themselves, by a seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Category, Lane, Medium, NotificationState, Priority, TicketState
from tests.fakes import ManualClock
from workers import alarms, escalations, tickets
from workers.actors import HANDLERS
from workers.directory import Contact
from workers.errors import CloseloopError
from workers.in_force import put_in_force
from workers.policy import Policy, load_policy, parse_policy
from workers.tickets.auditing import Audited, audit_batch
from workers.tickets.replanning import replan_batch
from workers.unit_of_work import UnitOfWork, Workshop

PACE = timedelta(days=365) / 100_000
PER_TRANSACTION = 12

CALENDARS = """
[calendars.product]
zone = "Europe/Berlin"
holidays = "DE"
[calendars.product.hours]
monday = ["07:00-12:00", "13:00-20:00"]
tuesday = ["07:00-12:00", "13:00-20:00"]
friday = ["22:00-06:00"]

[calendars.vip]
holidays = "none"
around_the_clock = ["urgent", "high"]
[calendars.vip.hours]
monday = ["00:00-24:00"]
thursday = ["08:00-21:00"]
sunday = ["00:00-24:00"]

[[calendar_for]]
team = "product"
calendar = "product"

[[calendar_for]]
customer_level = "vip"
calendar = "vip"

[[calendar_for]]
customer_level = "vip"
team = "product"
calendar = "vip"
"""

Act = Callable[["Year", UnitOfWork, Ticket, Staff], Awaitable[None]]


def policies() -> list[Policy]:
    """The ready-made ones and drafts that differ in what pauses, in limits by category, in which clocks, and
    in whose calendar holds.
    """
    text = load_policy("support-response").version_text
    other = text.replace('medium = "8h"', 'medium = "4h"').replace('pauses = ["resolution"]', "pauses = []")
    table = '[[category_limits]]\ncategory = "complaint"\nplan = { medium = "2h", low = "6h" }\n\n[warnings]'
    both = text.replace('pauses = ["resolution"]', 'pauses = ["plan", "resolution"]')
    elsewhere = both.replace('medium = "8h"', 'medium = "working:20h"') + CALENDARS
    drafts = (text, elsewhere, other, both.replace("\n[warnings]", f"\n{table}"))
    return [parse_policy(each) for each in drafts] + [
        load_policy("after-sales", zone="Europe/Berlin"),
        load_policy("response-tracking"),
    ]


@dataclass
class Year:
    """`take(events)` lets as many things happen from the clock's time on; 100,000 of them make a year."""

    workshop: Workshop
    clock: ManualClock
    seed: int = 1
    pace: timedelta = PACE
    least: int = 25  # so many tickets are open at least
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._open: list[UUID] = []
        self._closed: list[UUID] = []
        self._sent: dict[UUID, list[tuple[UUID, datetime]]] = {}
        self._staff: list[Staff] = []
        self._policies = policies()

    async def take(self, events: int) -> None:
        """Let `events` things happen; a step that refuses (a conflict) is no event and is not counted."""
        async with self.workshop.read() as uow:
            self._staff = list(await uow.session.scalars(select(Staff).where(Staff.role != "quality")))
        pace = self.pace.total_seconds()
        changes = max(2, events // 4000)
        changed = 0
        while self.done.total() < events:
            if self.done.total() * changes >= changed * events:
                await self._change_policy(changed)
                changed += 1
            async with self.workshop.begin() as uow:
                for _ in range(PER_TRANSACTION):
                    self.clock.advance(timedelta(seconds=self.chance.expovariate(1 / pace)))
                    await self._one(uow)
            if self.chance.random() < 0.5:
                await self._checks()
        await self._checks()

    async def audit(self) -> list[Audited]:
        """Every ticket, recomputed from its log and compared."""
        found: list[Audited] = []
        while True:
            async with self.workshop.read() as uow:
                batch = await audit_batch(uow, after=found[-1].ticket_id if found else None)
            if not batch:
                return found
            found += batch

    async def _checks(self) -> None:
        for lane in (Lane.URGENT, Lane.NORMAL):
            while await alarms.fire(self.workshop, lane, HANDLERS) == alarms.BATCH:
                pass

    async def _one(self, uow: UnitOfWork) -> None:
        if len(self._open) < self.least or self.chance.random() < 0.04:
            await self._receive(uow)
            return
        from_closed = self._closed and self.chance.random() < 0.15
        ident = self.chance.choice(self._closed[-60:] if from_closed else self._open)
        names = list(ACTS)
        name = self.chance.choices(names, [ACTS[each][0] for each in names])[0]
        try:
            async with uow.session.begin_nested():
                ticket = await tickets.ticket_by_id(uow, ident)
                await ACTS[name][1](self, uow, ticket, await self._somebody(uow, ticket))
                await uow.session.flush()
            self.done[name] += 1
        except CloseloopError:
            uow.session.expire_all()
            ticket = await tickets.ticket_by_id(uow, ident)
        self._sort(ticket)

    def _sort(self, ticket: Ticket) -> None:
        """What has its result, or is closed, is picked less often."""
        over = ticket.state not in (TicketState.TO_ASSIGN, TicketState.IN_PROGRESS)
        over = over and ticket.close_reason is None  # what is no request may be one after all
        for pile, kept in ((self._open, False), (self._closed, True)):
            if ticket.id in pile and over is not kept:
                pile.remove(ticket.id)
                (self._open if kept else self._closed).append(ticket.id)

    async def _somebody(self, uow: UnitOfWork, ticket: Ticket) -> Staff:
        if ticket.handler_id is not None and self.chance.random() < 0.8:
            return await uow.session.get_one(Staff, ticket.handler_id)
        return await uow.session.get_one(Staff, self.chance.choice(self._staff).id)

    async def _receive(self, uow: UnitOfWork) -> None:
        chance, number = self.chance, self.chance.randrange(40)
        ticket = await tickets.open_ticket(
            uow,
            tickets.Request(
                contact=Contact(
                    email=f"customer{number}@else.example", level="vip" if number % 3 == 0 else None
                ),
                channel=Medium.EMAIL,
                subject=f"matter {self.done.total()}",
                description="please help",
                received_at=self.clock.now() - timedelta(seconds=chance.randrange(90)),
                priority=chance.choice([None, *Priority]),
                category=chance.choice([None, *Category]),
            ),
        )
        self._open.append(ticket.id)
        self.done["open"] += 1

    async def _change_policy(self, place: int) -> None:
        policy = self._policies[place % len(self._policies)]
        async with self.workshop.begin() as uow:
            change = await put_in_force(uow.session, policy, uow.clock, made_by="year", reason=None)
        after = None
        while True:
            async with self.workshop.begin() as uow:
                done = await replan_batch(uow, change.version_id, change.number, after=after)
            assert not any(each.failed for each in done)
            if not done:
                break
            after = done[-1].ticket_id
        self.workshop.policies.version_id = None  # looked up anew, as another process would within a second
        self.done["policy"] += 1

    # -- what happens to a ticket --------------------------------------------------------------------------

    async def priority(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """Triage by a person."""
        priority = self.chance.choice([None, *Priority])
        category = self.chance.choice([None, *Category])
        await tickets.triage(uow, ticket, by, priority=priority, category=category)

    async def transfer(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """To anybody."""
        to = await uow.session.get_one(Staff, self.chance.choice(self._staff).id)
        await tickets.transfer(uow, ticket, by, to, "knows more")

    async def accept(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """With the usual time or an earlier one."""
        latest = await tickets.latest_resolution(uow, ticket, self.clock.now())
        part = self.chance.choice([None, 0.5])
        now = self.clock.now()
        await tickets.accept(uow, ticket, by, now + (latest - now) * part if part else None)

    async def extend(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """More time; a supervisor approves it, or declines, perhaps much later (see `decide`)."""
        until = self.clock.now() + timedelta(hours=self.chance.randrange(1, 200))
        await tickets.extend(uow, ticket, by, "needs a part", until)

    async def decide(self, uow: UnitOfWork, ticket: Ticket, _: Staff) -> None:
        """On the last request of the ticket."""
        asked = await uow.session.scalar(
            select(TicketEntry)
            .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "escalation_requested")
            .order_by(TicketEntry.id.desc())
            .limit(1)
        )
        lead = next(each for each in self._staff if each.number == "AM001")
        lead = await uow.session.get_one(Staff, lead.id)
        if asked is not None:
            approved = self.chance.random() < 0.7
            await tickets.decide_request(uow, ticket, lead, asked.id, approved=approved)

    async def plan(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """The handling plan."""
        await tickets.progress(uow, ticket, by, "we replace it", plan=True)

    async def phone(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """A call that connected."""
        await tickets.record_first_response(uow, ticket, by, Medium.PHONE)

    async def answer(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """Words to the customer: when they are accepted is heard of later."""
        queued = await tickets.answer(uow, ticket, by, "we look into it")
        if queued is not None:
            await uow.session.flush()
            self._sent.setdefault(ticket.id, []).append((queued.id, self.clock.now()))

    async def accepted(self, uow: UnitOfWork, ticket: Ticket, _: Staff) -> None:
        """An answer was accepted, some time between its writing and now."""
        message, at = await self._message(uow, ticket, NotificationState.QUEUED)
        message.state, message.sent_at, message.due_at = NotificationState.SENT, at, None
        await tickets.message_accepted(uow, ticket, message, at)

    async def bounced(self, uow: UnitOfWork, ticket: Ticket, _: Staff) -> None:
        """An answer that was accepted came back."""
        message, _at = await self._message(uow, ticket, NotificationState.SENT)
        message.state = NotificationState.BOUNCED
        await tickets.message_bounced(uow, ticket, message, "unknown_recipient")

    async def _message(
        self, uow: UnitOfWork, ticket: Ticket, state: NotificationState
    ) -> tuple[Notification, datetime]:
        for ident, written_at in self.chance.sample(
            self._sent.get(ticket.id, []), len(self._sent.get(ticket.id, []))
        ):
            message = await uow.session.get(Notification, ident)
            if message is not None and message.state is state:
                waited = (self.clock.now() - written_at) * self.chance.choice([0, 0.01, 0.3, 1])
                return message, written_at + waited
        raise CloseloopError("there is no such message")

    async def wait(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """For the customer."""
        await tickets.wait(uow, ticket, by, "which one?")

    async def resume(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """By a person."""
        await tickets.resume(uow, ticket, by)

    async def write(self, uow: UnitOfWork, ticket: Ticket, _: Staff) -> None:
        """The customer answers, urges, or opens it again."""
        await tickets.customer_wrote(uow, ticket, self.chance.choice(["the blue one", "尽快处理", "谢谢"]))

    async def resolve(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """The result."""
        await tickets.resolve(uow, ticket, by, "worn out", "replaced")

    async def confirm(self, uow: UnitOfWork, ticket: Ticket, _: Staff) -> None:
        """Solved, or not: then it is opened again."""
        await tickets.confirm(uow, ticket, solved=self.chance.random() < 0.7, by="customer")

    async def acknowledge(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """Somebody takes a breach on."""
        await escalations.acknowledge(uow, ticket, by)

    async def dismiss(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """It is no request."""
        await tickets.dismiss(uow, ticket, by)

    async def undo(self, uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
        """It is one after all."""
        await tickets.undo_dismissal(uow, ticket, by)


ACTS: dict[str, tuple[float, Act]] = {
    "priority": (6, Year.priority),
    "transfer": (4, Year.transfer),
    "accept": (9, Year.accept),
    "extend": (6, Year.extend),
    "decide": (6, Year.decide),
    "plan": (5, Year.plan),
    "phone": (3, Year.phone),
    "answer": (9, Year.answer),
    "accepted": (9, Year.accepted),
    "bounced": (4, Year.bounced),
    "wait": (7, Year.wait),
    "resume": (3, Year.resume),
    "write": (6, Year.write),
    "resolve": (7, Year.resolve),
    "confirm": (6, Year.confirm),
    "acknowledge": (12, Year.acknowledge),
    "dismiss": (1.5, Year.dismiss),
    "undo": (6, Year.undo),
}
