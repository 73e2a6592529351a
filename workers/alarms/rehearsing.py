"""Before a worker hears its first bell it hears some alarms of tickets that nobody will ever see.

The first batch of a process is slow: each statement is put into words once, and made known to the database on
each connection. Four hundred milliseconds are nothing to a person, and twice what an alarm may be late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from models.base import Base, new_id
from models.deadlines import Deadline
from models.many import fill_in, insert_rows
from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Lane, Medium, Priority, Role
from workers.alarms.firing import Handler, due_ones, hear
from workers.alarms.looking_ahead import look_ahead
from workers.deadlines import stored
from workers.policy import Alarm
from workers.promises import hold
from workers.unit_of_work import UnitOfWork, Workshop

CONNECTIONS = 4
"""So many are rehearsed on: those that alarms and the mails beside them are on most of the time."""
BATCHES = ((13, 13), (1, 1), (1, 0), (0, 1))
"""Warnings and breaches that come together: many rows are written by other statements than few, and an alarm
that comes alone asks for itself.
"""
LIMIT = timedelta(minutes=30)


class _Over(Exception):
    """All that was played is taken back."""


async def rehearse(workshop: Workshop, handlers: Mapping[DeadlineKind, Handler]) -> None:
    """Play warnings and breaches in transactions that are rolled back: nobody sees a row, no bell rings.

    Nothing on SQLite, whose one writer would keep everybody waiting. Raises what the database raises.
    """
    if workshop.alone:
        return
    await asyncio.gather(*(_on_one_connection(workshop, handlers) for _ in range(CONNECTIONS)))


async def _on_one_connection(workshop: Workshop, handlers: Mapping[DeadlineKind, Handler]) -> None:
    for warnings, breaches in BATCHES:
        try:
            async with workshop.begin() as uow:
                await _play(uow, _parts(uow, warnings, breaches), handlers)
                raise _Over
        except _Over:
            continue


async def _play(uow: UnitOfWork, played: Sequence[Base], handlers: Mapping[DeadlineKind, Handler]) -> None:
    """As `workers.alarms.firing` does, but that nobody measures how late these are."""
    await insert_rows(await uow.session.connection(), played)
    await hold(uow, Deadline, Ticket, Deadline.ticket_id, Lane.BULK, limit=0, since=uow.clock.now())
    rows = await due_ones(uow, [row.id for row in played if isinstance(row, Deadline)])
    if len(rows) > 1:
        with uow.session.no_autoflush:
            uow.ahead = await look_ahead(uow, rows)
    for row in rows:
        await hear(uow, row, handlers[row.kind])
    await uow.end()
    await uow.session.flush()  # as the commit would


def _parts(uow: UnitOfWork, warnings: int, breaches: int) -> list[Base]:
    """A team of two, a customer, and so many tickets whose limit comes near, or is missed now.

    What they refer to is looked up at the commit, which does not come.
    """
    now, key = uow.clock.now(), uow.vault.system_key_id
    team = Team(id=new_id(), name=new_id().hex)
    lead, agent = (_person(team, role) for role in (Role.SUPERVISOR, Role.AGENT))
    team.supervisor_id = lead.id
    customer = Customer(id=new_id(), code=new_id().hex[-24:], data_key_id=key, created_at=now, locale="en")
    tickets = [_ticket(uow, team, agent, customer) for _ in range(warnings + breaches)]
    rows: list[Base] = [team, lead, agent, customer, *tickets]
    rows += [_deadline(uow, ticket, breach=place >= warnings) for place, ticket in enumerate(tickets)]
    for row in rows:
        fill_in(row)
    return rows


def _person(team: Team, role: Role) -> Staff:
    name = new_id().hex
    number, email = name[-24:], f"{name}@rehearsal.invalid"
    return Staff(id=new_id(), number=number, name=name, email=email, role=role, team_id=team.id)


def _ticket(uow: UnitOfWork, team: Team, agent: Staff, customer: Customer) -> Ticket:
    now, sealer = uow.clock.now(), uow.vault.system_sealer()
    return Ticket(
        id=new_id(),
        number=new_id().hex[-24:],
        priority=Priority.MEDIUM,
        channel=Medium.EMAIL,
        locale="en",
        customer_id=customer.id,
        data_key_id=customer.data_key_id,
        subject_sealed=sealer.seal("-", "tickets.subject"),
        description_sealed=sealer.seal("-", "tickets.description"),
        policy_version_id=uow.policy_version_id,
        team_id=team.id,
        first_team_id=team.id,
        handler_id=agent.id,
        received_at=now,
        opened_at=now,
    )


def _deadline(uow: UnitOfWork, ticket: Ticket, *, breach: bool) -> Deadline:
    now = uow.clock.now()
    limit = now if breach else now + LIMIT
    alarms = [
        Alarm(limit - LIMIT, "warning", ("handler",)),
        Alarm(limit, "breach", ("handler", "supervisor")),
    ]
    return Deadline(
        id=new_id(),
        key=f"{DeadlineKind.FIRST_RESPONSE.value}:{ticket.id.hex}:1",
        kind=DeadlineKind.FIRST_RESPONSE,
        generation=1,
        ticket_id=ticket.id,
        started_at=now - LIMIT,
        limit_at=limit,
        alarms=[stored(alarm) for alarm in alarms],
        alarm_no=int(breach),
        due_at=now,
        lane=Lane.BULK,
        policy_version_id=uow.policy_version_id,
    )
