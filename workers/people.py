"""Enter and change people: members of staff, teams, and what is known of a customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.base import new_id
from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import Medium, Role
from workers.access import end_sessions, revoke_keys_of
from workers.directory import normal_email, normal_phone, region_of, staff_by_number
from workers.errors import Conflict, InvalidInput, NotFound
from workers.history import record
from workers.text import mask_contact, mask_name
from workers.unit_of_work import UnitOfWork

TEAM_ROLES = ("supervisor", "substitute", "head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A new member of staff; `team` is a team's name.

    `open_limit`: how many tickets they may have in progress before they get no new one; None: as the policy
    says for their team.
    """

    number: str
    name: str
    email: str
    phone: str | None = None
    role: Role = Role.AGENT
    team: str | None = None
    skills: tuple[str, ...] = ()
    locale: str | None = None
    absent_until: datetime | None = None
    active: bool = True
    senior: bool = False
    open_limit: int | None = None


PERSON_FIELDS = frozenset(field.name for field in fields(Person)) - {"number"}


def company_email(uow: UnitOfWork, address: str) -> str:
    """The address in its one spelling. Raises InvalidInput outside the company's domains (row B16)."""
    email = normal_email(address)
    allowed = uow.settings.staff_domains
    if allowed and email.rpartition("@")[2] not in allowed:
        raise InvalidInput(
            "staff addresses must be the company's own", hint=f"allowed domains: {', '.join(allowed)}"
        )
    return email


async def add_person(uow: UnitOfWork, person: Person) -> Staff:
    """Enter a member of staff. A team's first supervisor leads it, where only an administrator did so far.

    Raises InvalidInput, NotFound for the team, Conflict for a number or address in use.
    """
    row = Staff(
        id=new_id(),
        number=person.number,
        name=person.name,
        email=company_email(uow, person.email),
        phone=_phone(uow, person.phone),
        role=person.role,
        team_id=await _team_id(uow, person.team),
        skills=list(person.skills),
        locale=person.locale,
        active=person.active,
        absent_until=person.absent_until,
        senior=person.senior,
        open_limit=person.open_limit,
    )
    if not await uow.insert_new(row):
        raise Conflict("there is a member of staff with this number or address already")
    await _lead_team(uow, row)
    return row


async def _lead_team(uow: UnitOfWork, person: Staff) -> None:
    """Escalations climb to a supervisor as soon as there is one, without a second step to think of."""
    if person.role is not Role.SUPERVISOR or person.team_id is None:
        return
    team = await uow.session.get_one(Team, person.team_id, with_for_update=True)
    leader = await uow.session.get(Staff, team.supervisor_id) if team.supervisor_id else None
    if leader is None or leader.role is Role.ADMINISTRATOR:
        team.supervisor_id = person.id


async def change_person(uow: UnitOfWork, number: str, changes: Mapping[str, Any]) -> Staff:
    """Change some fields of a member of staff, active or not; raises as `add_person`.

    The last active administrator cannot be taken away: somebody must hear of what nobody else does. Whoever
    leaves is signed out everywhere, and their keys open nothing any more.
    """
    row = await uow.session.scalar(select(Staff).where(Staff.number == number).with_for_update())
    if row is None:
        raise NotFound(f"there is no member of staff {number[:24]}")
    if unknown := set(changes) - PERSON_FIELDS:
        raise InvalidInput(f"unknown fields: {', '.join(sorted(unknown))}")
    was_administrator = row.active and row.role is Role.ADMINISTRATOR
    for name, value in changes.items():
        if name == "team":
            row.team_id = await _team_id(uow, value)
        elif name == "email":
            row.email = await _free_email(uow, row, value)
        elif name == "phone":
            row.phone = _phone(uow, value)
        elif name == "skills":
            row.skills = list(value or ())
        else:
            setattr(row, name, value)
    if not row.active:
        await end_sessions(uow, row.id)
        await revoke_keys_of(uow, row.id)
    if was_administrator and not (row.active and row.role is Role.ADMINISTRATOR):
        await _another_administrator(uow, row)
    await uow.session.flush()
    return row


async def add_team(uow: UnitOfWork, name: str, people: Mapping[str, str | None]) -> Team:
    """Enter a team; `people` maps supervisor, substitute and head to staff numbers.

    Raises Conflict for a name in use, NotFound for a number.
    """
    row = Team(id=new_id(), name=name)
    await _place(uow, row, people)
    if not await uow.insert_new(row):
        raise Conflict(f"there is a team named {name} already")
    return row


async def change_team(uow: UnitOfWork, name: str, changes: Mapping[str, str | None]) -> Team:
    """Change a team's name or people. Raises NotFound, Conflict for a name in use."""
    row = await team_exactly(uow, name)
    wanted = changes.get("name")
    if wanted and wanted != row.name:
        if await uow.session.scalar(select(Team.id).where(Team.name == wanted)):
            raise Conflict(f"there is a team named {wanted} already")
        row.name = wanted
    await _place(uow, row, changes)
    await uow.session.flush()
    return row


async def team_exactly(uow: UnitOfWork, name: str) -> Team:
    """The team of this very name. Raises NotFound."""
    row = await uow.session.scalar(select(Team).where(Team.name == name))
    if row is None:
        raise NotFound(f"there is no team named {name[:64]}")
    return row


async def describe_customer(
    uow: UnitOfWork, ticket: Ticket, by: Staff, details: Mapping[str, Any]
) -> Customer:
    """Write down what is known of a ticket's customer: name, group, level, industry, preferred_channel."""
    customer = await uow.session.get_one(Customer, ticket.customer_id, with_for_update=True)
    sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    for name, value in details.items():
        if name == "name":
            customer.name_sealed = sealer.seal(value, "customers.name") if value else None
            email = sealer.text(customer.email_sealed, "customers.email")
            phone = sealer.text(customer.phone_sealed, "customers.phone")
            shown = f"{mask_name(value) if value else ''} {mask_contact(phone or email)}"
            customer.masked = shown.strip()[:64]
        elif name == "preferred_channel":
            customer.preferred_channel = Medium(value) if value else None
        elif name == "group":
            customer.customer_group = value
        elif name in ("level", "industry"):
            setattr(customer, name, value)
        else:
            raise InvalidInput(f"unknown field of a customer: {name[:24]}")
    await record(uow, ticket, "customer_described", by=by, facts={"fields": sorted(details)})
    return customer


async def _free_email(uow: UnitOfWork, row: Staff, address: str) -> str:
    email = company_email(uow, address)
    holder = await uow.session.scalar(select(Staff.id).where(Staff.email == email))
    if holder not in (None, row.id):
        raise Conflict("another member of staff has this address")
    return email


async def _another_administrator(uow: UnitOfWork, leaving: Staff) -> None:
    others = await uow.session.scalar(
        select(Staff.id)
        .where(Staff.active.is_(True), Staff.role == Role.ADMINISTRATOR, Staff.id != leaving.id)
        .limit(1)
    )
    if others is None:
        raise Conflict("this is the last active administrator", hint="enter another one first")


def _phone(uow: UnitOfWork, number: str | None) -> str | None:
    return normal_phone(number, region_of(uow.settings.timezone)) if number else None


async def _team_id(uow: UnitOfWork, name: str | None) -> UUID | None:
    return (await team_exactly(uow, name)).id if name else None


async def _place(uow: UnitOfWork, row: Team, people: Mapping[str, str | None]) -> None:
    for role in TEAM_ROLES:
        if role in people:
            number = people[role]
            setattr(row, f"{role}_id", (await staff_by_number(uow, number)).id if number else None)
