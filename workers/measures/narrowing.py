"""Whose figures, and of which requests: who looks, filters, and groups."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select

from models.keys import PolicyVersion
from models.people import Staff, Team
from models.vocabulary import Category, Medium, Priority, Role
from workers.errors import InvalidInput, NotFound
from workers.unit_of_work import UnitOfWork

LONGEST_GROUP = 24
LONGEST_VERSION = 64
Code = TypeVar("Code", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks (row A11): an agent (`own`, their id) sees own figures and no scores, others everything."""

    own: UUID | None = None


EVERYTHING = Viewer()
"""For reports that go to people who may see everything, and for a system."""


def viewer_of(person: Staff | None) -> Viewer:
    """What this person may see; None: a system, which sees everything."""
    return Viewer(person.id) if person is not None and person.role is Role.AGENT else EVERYTHING


class Special(StrEnum):
    """What becomes of requests of a special period (a sales festival): left out where the catalogue says so
    (the usual), counted alone, or counted with all others.
    """

    APART = "apart"
    ONLY = "only"
    WITH = "with"


class Group(StrEnum):
    """What figures can be told apart by. `staff` and `team`: who gave the result, else who has it now."""

    TEAM = "team"
    STAFF = "staff"
    CATEGORY = "category"
    PRIORITY = "priority"
    CHANNEL = "channel"
    CUSTOMER_GROUP = "customer_group"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


STEPS = (Group.DAY, Group.WEEK, Group.MONTH, Group.QUARTER)
"""The groups that are parts of the period: a trend."""


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Only requests that are all of this; what is None does not matter."""

    team_id: UUID | None = None
    staff_id: UUID | None = None
    category: Category | None = None
    priority: Priority | None = None
    channel: Medium | None = None
    customer_group: str | None = None
    policy_version_id: UUID | None = None
    special: Special = Special.APART


ALL = Narrowing()


async def narrowing_of(
    uow: UnitOfWork,
    *,
    team: str | None = None,
    staff: str | None = None,
    category: str | None = None,
    priority: str | None = None,
    channel: str | None = None,
    customer_group: str | None = None,
    policy_version: str | None = None,
    special: str | None = None,
) -> Narrowing:
    """The narrowing that people name by a team's name, a staff number, codes, a version's digest or its
    beginning. Raises NotFound for a team, person or version that is not there, InvalidInput for codes.
    """
    if customer_group is not None and len(customer_group) > LONGEST_GROUP:
        raise InvalidInput("there is no such customer group")
    return Narrowing(
        team_id=await _team(uow, team) if team else None,
        staff_id=await _person(uow, staff) if staff else None,
        category=_code(Category, category, "category") if category else None,
        priority=_code(Priority, priority, "priority") if priority else None,
        channel=_code(Medium, channel, "channel") if channel else None,
        customer_group=customer_group or None,
        policy_version_id=await _version(uow, policy_version) if policy_version else None,
        special=_code(Special, special, "special") if special else Special.APART,
    )


def _code(kind: type[Code], name: str, what: str) -> Code:
    try:
        return kind(name)
    except ValueError:
        raise InvalidInput(f"there is no such {what}", hint=", ".join(kind)) from None


async def _team(uow: UnitOfWork, name: str) -> UUID:
    found = await uow.session.scalar(select(Team.id).where(Team.name == name))
    if found is None:
        raise NotFound("there is no team of this name")
    return found


async def _person(uow: UnitOfWork, number: str) -> UUID:
    found = await uow.session.scalar(select(Staff.id).where(Staff.number == number))
    if found is None:
        raise NotFound("there is no member of staff with this number")
    return found


async def _version(uow: UnitOfWork, digest: str) -> UUID:
    if len(digest) > LONGEST_VERSION or not digest.isalnum():
        raise InvalidInput("a policy version is named by its digest, or how it begins")
    found = await uow.session.scalars(
        select(PolicyVersion.id).where(PolicyVersion.digest.startswith(digest, autoescape=True)).limit(2)
    )
    idents = list(found)
    if len(idents) != 1:
        raise NotFound("there is no such policy version, or more than one")
    return idents[0]
