"""Whom the first words of a `#transfer` mean: one of the staff by number, address or name, else a team."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import select

from models.people import Staff, Team
from workers.intake.commands.refusal import Refused
from workers.intake.commands.words import BLANKS, plain, trimmed
from workers.tickets import next_handler
from workers.unit_of_work import UnitOfWork

LONGEST_NAME = 200
MOST_SHOWN = 5
_BREAK = re.compile(r"[\s,，;；:：、。\u3000\xa0]+")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets the ticket, with the team if a team was named, and the words after the name: the reason."""

    person: Staff
    team: Team | None
    reason: str


async def receiver_in(uow: UnitOfWork, words: str, skill: str | None) -> Receiver:
    """The longest beginning of `words` that names somebody active, or a team, whose next handler it is.

    Raises Refused: needs_receiver, nobody_named, several_named (with their numbers), nobody_there.
    """
    if not words.strip(BLANKS):
        raise Refused("needs_receiver")
    people: dict[str, list[Staff]] = {}
    for person in await uow.session.scalars(
        select(Staff).where(Staff.active.is_(True)).order_by(Staff.number)
    ):
        for name in {plain(person.number), plain(person.email), _one_blank(person.name)}:
            people.setdefault(name, []).append(person)
    teams = {_one_blank(team.name): team for team in await uow.session.scalars(select(Team))}
    for end in _ends(words):
        name, reason = _one_blank(words[:end]), trimmed(words[end:])
        found = people.get(name, [])
        if len(found) > 1:
            numbers = ", ".join(person.number for person in found[:MOST_SHOWN])
            raise Refused("several_named", name=f"{found[0].name}: {numbers}")
        if found:
            return Receiver(found[0], None, reason)
        if name in teams:
            return await _of_team(uow, teams[name], reason, skill)
    raise Refused("nobody_named", name=words[: next(iter(reversed(_ends(words))), 0)][:60])


async def _of_team(uow: UnitOfWork, team: Team, reason: str, skill: str | None) -> Receiver:
    person = await next_handler(uow, team, skill)
    if person is None:
        raise Refused("nobody_there", name=team.name)
    return Receiver(person, team, reason)


def _ends(words: str) -> list[int]:
    """Where a name may end, the longest first: at blanks and commas, within the length of a name."""
    head = words[:LONGEST_NAME]
    ends = [found.start() for found in _BREAK.finditer(head) if found.start()]
    if len(words) <= LONGEST_NAME:
        ends.append(len(words))
    return sorted(set(ends), reverse=True)


def _one_blank(name: str) -> str:
    return plain(" ".join(name.split()))
