"""The daily summary of a policy on trial, for the heads of the teams that try it (row E9)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from models.deadlines import Errand
from models.keys import PolicyPilot
from models.people import Staff, Team
from workers.directory import people_in_roles
from workers.notifications import Notice, house_facts, notify, staff_recipient
from workers.policy import SlaClock
from workers.tickets.past import Which, page_of_past
from workers.tickets.piloting import DAY, errand, next_summary
from workers.tickets.simulating import Compared
from workers.unit_of_work import UnitOfWork

COUNTED = ("met", "breached", "warned")


async def pilot_day(uow: UnitOfWork, row: Errand) -> None:
    """Closing time: tell how the pilot goes, and see to the next summary; after its end, the final one."""
    assert row.subject_id is not None
    pilot = await uow.session.get_one(PolicyPilot, row.subject_id, with_for_update=True)
    now = uow.clock.now()
    final = pilot.ended_at is not None or pilot.ends_at <= now
    compared = await compare_pilot(uow, pilot)
    for person in await _heads(uow, pilot):
        notice = Notice(
            kind="pilot_summary",
            fact=f"{pilot.id.hex}-{uow.policy.calendar.local_date(now).isoformat()}",
            ticket=None,
            facts=await _facts(uow, pilot, compared, person, final=final),
            data_key_id=uow.vault.system_key_id,
        )
        await notify(uow, staff_recipient(uow, person), notice)
    pilot.told_at = now
    if not final:
        await errand(uow, pilot, DAY, next_summary(uow, now))


async def compare_pilot(uow: UnitOfWork, pilot: PolicyPilot) -> Compared:
    """The tickets that came in while they tried it: what the version on trial makes of them, and beside it
    the policy in force.
    """
    policy, compared = await uow.policy_of(pilot.version_id), Compared()
    until = pilot.ended_at or min(pilot.ends_at, uow.clock.now())
    which, after = Which(pilot.began_at, until, teams=tuple(UUID(team) for team in pilot.teams)), None
    while page := await page_of_past(uow, which, after):
        for past in page:
            compared.add(uow.policy, policy, past.stories)
        after = page[-1].ticket_id
    return compared


async def _heads(uow: UnitOfWork, pilot: PolicyPilot) -> list[Staff]:
    found: dict[UUID, Staff] = {}
    for team in pilot.teams:
        people = await people_in_roles(uow, team_id=UUID(team), handler_id=None, roles=["head"])
        found |= {person.id: person for person in people}
    return list(found.values())


async def _facts(
    uow: UnitOfWork, pilot: PolicyPilot, compared: Compared, to: Staff, *, final: bool
) -> dict[str, Any]:
    locale = to.locale or uow.settings.locale
    policy = await uow.policy_of(pilot.version_id)
    teams = [await uow.session.get_one(Team, UUID(team)) for team in pilot.teams]
    return {
        **house_facts(uow, locale),
        "policy": policy.document.title.for_locale(locale),
        "before": uow.policy.document.title.for_locale(locale),
        "teams": ", ".join(sorted(team.name for team in teams)),
        "began": pilot.began_at.isoformat(),
        "ends": (pilot.ended_at or pilot.ends_at).isoformat(),
        "final": final,
        "tickets": compared.after.tickets,
        "rows": _rows(compared),
    }


def _rows(compared: Compared) -> list[dict[str, Any]]:
    """For each clock that occurs: how often met, missed and warned of, in force and on trial."""
    sides = (compared.before, compared.after)
    rows = []
    for clock in SlaClock:
        counts = {
            what: [
                sum(count for key, count in side.clocks.items() if (key[0], key[2]) == (clock.value, what))
                for side in sides
            ]
            for what in COUNTED
        }
        if any(any(each) for each in counts.values()):
            rows.append({"clock": clock.value, **counts})
    return rows
