"""Who is who: customers by their contacts, staff by number or address, and whom a role means on a ticket."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select

from models.base import new_id
from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import Medium, Role
from workers.errors import InvalidInput, NotFound
from workers.text import mask_contact, mask_name
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Contact:
    """How a customer reached us: a mail address, a phone number, or the code of an existing customer."""

    email: str | None = None
    phone: str | None = None
    name: str | None = None
    code: str | None = None
    locale: str | None = None
    group: str | None = None
    level: str | None = None
    industry: str | None = None
    preferred_channel: Medium | None = None


def normal_email(address: str) -> str:
    """The address in one spelling (lower case, A-labels kept readable). Raises InvalidInput.

    No DNS is asked: whether mail arrives is found out by sending.
    """
    try:
        return validate_email(address, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidInput("this is no mail address", hint=str(error)) from error


def is_email(address: str) -> bool:
    """Whether this is a mail address that can be written to."""
    try:
        normal_email(address)
    except InvalidInput:
        return False
    return True


def normal_phone(number: str, region: str) -> str:
    """The number in E.164 (`+8613800005678`); `region` (ISO 3166) is assumed when it has no country code."""
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as error:
        raise InvalidInput("this is no phone number", hint=str(error)) from error
    if not phonenumbers.is_possible_number(parsed):
        raise InvalidInput("this is no possible phone number", hint="give it with its country code, as +86 …")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def region_of(zone: str) -> str:
    """The region whose phone numbers are written without country code by a team in this time zone."""
    return "CN" if zone in {"Asia/Shanghai", "Asia/Urumqi", "PRC"} else "US"


async def find_or_make_customer(uow: UnitOfWork, contact: Contact) -> Customer:
    """The customer with this code, address or number; a new one when there is none.

    Safe when two processes meet the same stranger at once: the keyed hash is unique, the loser reads the
    winner's row. Raises InvalidInput for a malformed contact, NotFound for an unknown code.
    """
    if contact.code:
        known = await uow.session.scalar(select(Customer).where(Customer.code == contact.code))
        if known is None:
            raise NotFound(f"there is no customer {contact.code}")
        return known
    region = region_of(uow.settings.timezone)
    email = normal_email(contact.email) if contact.email else None
    phone = normal_phone(contact.phone, region) if contact.phone else None
    if not email and not phone:
        raise InvalidInput("a customer needs a mail address, a phone number or a customer code")
    return await _find(uow, email, phone) or await _make(uow, contact, email, phone)


async def _find(uow: UnitOfWork, email: str | None, phone: str | None) -> Customer | None:
    hashes = []
    if email and not phone and uow.ahead is not None:
        hashed = uow.vault.lookup("email", email)
        if hashed in uow.ahead.customers:
            return uow.ahead.customers[hashed]
        if uow.lacks("customers", [hashed]):
            return None
    if email:
        hashes.append(Customer.email_hash == uow.vault.lookup("email", email))
    if phone:
        hashes.append(Customer.phone_hash == uow.vault.lookup("phone", phone))
    for condition in hashes:
        known = await uow.session.scalar(select(Customer).where(condition))
        if known is not None:
            return known
    return None


async def _make(uow: UnitOfWork, contact: Contact, email: str | None, phone: str | None) -> Customer:
    key_id = await uow.vault.new_key(uow.session)
    sealer = await uow.vault.sealer(uow.session, key_id)
    now = uow.clock.now()
    month = uow.policy.calendar.local_date(now).strftime("%Y%m")
    row = Customer(
        id=new_id(),
        code=await uow.draw_number(f"C{month}", 3),
        data_key_id=key_id,
        created_at=now,
        name_sealed=sealer.seal(contact.name, "customers.name") if contact.name else None,
        email_sealed=sealer.seal(email, "customers.email") if email else None,
        email_hash=uow.vault.lookup("email", email) if email else None,
        phone_sealed=sealer.seal(phone, "customers.phone") if phone else None,
        phone_hash=uow.vault.lookup("phone", phone) if phone else None,
        masked=_masked(contact.name, email, phone),
        locale=contact.locale,
        customer_group=contact.group,
        level=contact.level,
        industry=contact.industry,
        preferred_channel=contact.preferred_channel,
    )
    if await uow.insert_new(row):
        return row
    known = await _find(uow, email, phone)
    if known is None:
        raise InvalidInput("this address and this number belong to two different customers")
    return known


def _masked(name: str | None, email: str | None, phone: str | None) -> str:
    """What people see of a customer: the masked name where known, and the contact's last part."""
    shown = mask_name(name) if name else ""
    contact = mask_contact(phone or email or "")
    return f"{shown} {contact}".strip()[:64]


async def staff_by_email(uow: UnitOfWork, address: str) -> Staff | None:
    """The active member of staff with this address, or None."""
    if uow.ahead is not None:
        wanted = address.strip().lower()
        return next((person for person in uow.ahead.staff if person.email == wanted), None)
    return await uow.session.scalar(
        select(Staff).where(Staff.email == address.strip().lower(), Staff.active.is_(True))
    )


async def staff_by_number(uow: UnitOfWork, number: str) -> Staff:
    """The active member of staff with this number (CS001). Raises NotFound."""
    person = await uow.session.scalar(select(Staff).where(Staff.number == number, Staff.active.is_(True)))
    if person is None:
        raise NotFound(f"there is no active member of staff {number}")
    return person


async def team_named(uow: UnitOfWork, name: str) -> Team | None:
    """The team of this name, else the oldest team (what a small installation has), else None."""
    if uow.ahead is not None:
        teams = uow.ahead.teams
        return next((team for team in teams if team.name == name), next(iter(teams), None))
    named = await uow.session.scalar(select(Team).where(Team.name == name))
    return named or await uow.session.scalar(select(Team).order_by(Team.id).limit(1))


async def next_handler(uow: UnitOfWork, team: Team, skill: str | None = None) -> Staff | None:
    """Who takes the next ticket of this team: present, skilled where somebody is, longest without a new one.

    Falls back to the team's supervisor, then to an administrator, so that a ticket without a handler
    means that nobody at all is there.
    """
    present = await _present(uow, team.id)
    agents = [person for person in present if person.role is Role.AGENT]
    skilled = [person for person in agents if skill and skill in person.skills]
    pool = skilled or agents
    if pool:
        return min(pool, key=lambda p: (p.last_assigned_at is not None, p.last_assigned_at, p.number))
    everybody = await people_in_roles(uow, team_id=team.id, handler_id=None, roles=["supervisor"])
    return everybody[0] if everybody else None


async def _present(uow: UnitOfWork, team_id: UUID | None = None) -> Sequence[Staff]:
    now = uow.clock.now()
    rows: Iterable[Staff]
    if uow.ahead is not None:
        rows = [person for person in uow.ahead.staff if team_id in (None, person.team_id)]
    else:
        query = select(Staff).where(Staff.active.is_(True)).order_by(Staff.number)
        rows = await uow.session.scalars(query.where(Staff.team_id == team_id) if team_id else query)
    return [person for person in rows if person.absent_until is None or person.absent_until <= now]


async def people_for(uow: UnitOfWork, ticket: Ticket, roles: Iterable[str]) -> list[Staff]:
    """The people whom these roles (handler, supervisor, substitute, head, administrator) mean on a ticket.

    Each person stands in the list once. A role nobody holds, or whose holder is absent, falls to the
    team's substitute and then to the administrators, so that a rung is never silently empty.
    """
    return await people_in_roles(uow, team_id=ticket.team_id, handler_id=ticket.handler_id, roles=roles)


async def people_in_roles(
    uow: UnitOfWork, *, team_id: UUID | None, handler_id: UUID | None, roles: Iterable[str]
) -> list[Staff]:
    """As `people_for`, for a team and handler given by their ids."""
    team = await uow.session.get(Team, team_id) if team_id else None
    present = {person.id: person for person in await _present(uow)}
    holders: dict[str, UUID | None] = {
        "handler": handler_id,
        "supervisor": team.supervisor_id if team else None,
        "substitute": team.substitute_id if team else None,
        "head": team.head_id if team else None,
    }
    administrators = [person for person in present.values() if person.role is Role.ADMINISTRATOR]
    found: dict[UUID, Staff] = {}
    for role in roles:
        holder = holders.get(role)
        if role == "substitute" and holder is None:
            continue
        there = [present[who] for who in (holder, holders["substitute"]) if who in present]
        people = there[:1] if there and role != "administrator" else administrators
        found.update({person.id: person for person in people})
    return list(found.values())


async def ensure_administrator(uow: UnitOfWork) -> None:
    """Make the default team and its administrator from CLOSELOOP_ADMIN, once, whoever else starts meanwhile.

    Without an administrator the service takes in everything and sends nothing.
    """
    if not uow.settings.admin:
        return
    email = uow.settings.admin.strip().lower()
    if await uow.session.scalar(select(Staff).where(Staff.email == email)):
        return
    oldest = select(Team).order_by(Team.id).limit(1)
    team = await uow.session.scalar(oldest)
    if team is None:
        team = Team(id=new_id(), name=uow.policy.default_team)
        if not await uow.insert_new(team):
            team = (await uow.session.scalars(oldest)).one()
    taken = set(await uow.session.scalars(select(Staff.number).where(Staff.number.like("AD%"))))
    person = Staff(
        id=new_id(),
        number=next(number for count in itertools.count(1) if (number := f"AD{count:03d}") not in taken),
        name=email.partition("@")[0],
        email=email,
        role=Role.ADMINISTRATOR,
        team_id=team.id,
    )
    if await uow.insert_new(person):
        team.supervisor_id = team.supervisor_id or person.id
