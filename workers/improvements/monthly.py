"""Once a month, on its first working day, supervisors get one list of what has not been verified yet: the
measures of follow-ups of their teams, and improvements that they or their people answer for (rows A10, D8).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.improving import Improvement
from models.people import Staff
from workers.followups import running_by_supervisor
from workers.improvements.due import OPEN
from workers.improvements.finding import words_of
from workers.improvements.reminding import leads_of
from workers.notifications import Notice, house_facts, notify, staff_recipient
from workers.unit_of_work import UnitOfWork

MOST_LISTED = 50

_Lines = list[dict[str, Any]]


async def monthly_check(uow: UnitOfWork, first: date, last: date) -> int:
    """Tell each supervisor what runs, if the month's first working day lies from `first` to `last` (both
    included); gives how many mails were written. Once a month, whoever asks again.
    """
    day = last.replace(day=1)
    while not uow.policy.calendar.is_working_day(day) and day < last:
        day += timedelta(days=1)
    if not first <= day <= last:
        return 0
    people: dict[UUID, Staff] = {}
    cases: dict[UUID, _Lines] = {}
    for person, lines in await running_by_supervisor(uow):
        people[person.id], cases[person.id] = person, lines
    measures: dict[UUID, _Lines] = {}
    for person, lines in await _improvements(uow):
        people[person.id], measures[person.id] = person, lines
    told = 0
    for ident, person in people.items():
        told += await _tell(uow, day, person, cases.get(ident, []), measures.get(ident, []))
    return told


async def _tell(uow: UnitOfWork, day: date, person: Staff, cases: _Lines, measures: _Lines) -> bool:
    facts = {
        **house_facts(uow, person.locale or uow.settings.locale),
        "month": f"{day:%Y-%m}",
        "count": len(cases) + len(measures),
        "cases": len(cases),
        "more": max(0, len(cases) - MOST_LISTED),
        "rows": cases[:MOST_LISTED],
        "improvements": measures[:MOST_LISTED],
        "more_improvements": max(0, len(measures) - MOST_LISTED),
    }
    notice = Notice(
        kind="followup_monthly",
        fact=f"{day:%Y-%m}",
        ticket=None,
        facts=facts,
        data_key_id=uow.vault.system_key_id,
    )
    return await notify(uow, staff_recipient(uow, person), notice) is not None


async def _improvements(uow: UnitOfWork) -> list[tuple[Staff, _Lines]]:
    """The improvements that run, for each who leads them; what is due first in front."""
    rows = (await uow.session.scalars(select(Improvement).where(Improvement.state.in_(OPEN)))).all()
    words = await words_of(uow, rows)
    owners = {row.id: row.name for row in await uow.session.scalars(select(Staff))}
    people: dict[UUID, Staff] = {}
    lines: defaultdict[UUID, list[tuple[Any, str, dict[str, Any]]]] = defaultdict(list)
    now = uow.clock.now()
    for row in rows:
        due_at = row.report_by or row.verify_at
        line = {
            "number": row.number,
            "theme": words[row.id].theme or words[row.id].measure,
            "state": row.state.value,
            "round": row.round,
            "owner": owners.get(row.owner_id, ""),
            "due_at": due_at.isoformat(),
            "overdue": due_at < now,
        }
        for person in {each.id: each for each in await leads_of(uow, row)}.values():
            people[person.id] = person
            lines[person.id].append((due_at, row.number, line))
    return [
        (people[ident], [line for _, _, line in sorted(found, key=_due)]) for ident, found in lines.items()
    ]


def _due(line: tuple[Any, ...]) -> tuple[Any, str]:
    return line[0], line[1]
