"""One or two teams try another version of the policy for a while (row E9); then it is over, or for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.exc import DBAPIError

from models.base import new_id
from models.deadlines import Errand
from models.keys import PolicyPilot, PolicyVersion
from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import Lane, TicketState
from workers.directory import team_named
from workers.errors import Conflict, InvalidInput, NotFound
from workers.in_force import (
    APPLY,
    LONGEST_NAME,
    LONGEST_REASON,
    LOOK_AGAIN,
    latest_change,
    not_tried,
    running_pilots,
    store_version,
)
from workers.locks import hold
from workers.people import team_exactly
from workers.policy import Policy
from workers.tickets.changing_policy import TRY_AGAIN, Applied, apply_policy
from workers.tickets.replanning import BATCH, Replanned, replan_batch
from workers.unit_of_work import UnitOfWork, Workshop

ENDS, DAY = "pilot_ends", "pilot_day"
OVER, STOPPED, PROMOTED = "over", "stopped", "promoted"
SHORTEST = timedelta(hours=1)
SETTLED_AFTER = LOOK_AGAIN + 0.5

Step = Callable[[UnitOfWork, Errand], Awaitable[None]]


@dataclass(slots=True)
class Moved:
    """How many open tickets have come under another version, and the numbers of those that could not."""

    tickets: int = 0
    failed: list[str] = field(default_factory=list)


async def start_pilot(
    workshop: Workshop,
    policy: Policy,
    teams: Sequence[str],
    until: datetime,
    *,
    made_by: str | None,
    reason: str | None,
    tick: Callable[[int], None],
) -> tuple[PolicyPilot, Moved]:
    """From now on, until `until` (UTC), tickets of these teams are judged by `policy`, their open ones too.

    Given again it goes on where it was broken off. Raises NotFound for a team, InvalidInput for a time that
    is too short, Conflict when one of the teams tries another version or this one is in force for all.
    """
    async with workshop.begin() as uow:
        pilot = await _enter(uow, policy, teams, until, made_by, reason)
    moved, which = Moved(), Ticket.team_id.in_([UUID(team) for team in pilot.teams])
    for _ in range(2):
        # Other processes may still open tickets under the version before for a moment.
        await _bring(workshop, pilot.version_id, which, moved, tick)
        await asyncio.sleep(SETTLED_AFTER if _ == 0 else 0)
    return pilot, moved


async def _enter(
    uow: UnitOfWork,
    policy: Policy,
    names: Sequence[str],
    until: datetime,
    made_by: str | None,
    reason: str | None,
) -> PolicyPilot:
    now = uow.clock.now()
    if until < now + SHORTEST:
        raise InvalidInput("a pilot lasts an hour at least", hint="give a later day with --until")
    await hold(uow, ["pilots"])
    teams = sorted([str((await team_exactly(uow, name)).id) for name in names])
    version = await store_version(uow.session, policy, uow.clock)
    change = await latest_change(uow.session)
    if change is not None and change.version_id == version:
        raise Conflict("this policy is in force for all teams already", hint="there is nothing to try")
    running = (await uow.session.scalars(select(PolicyPilot).where(PolicyPilot.ended_at.is_(None)))).all()
    for pilot in running:
        if pilot.version_id == version and sorted(pilot.teams) == teams:
            return pilot
        if set(pilot.teams) & set(teams):
            raise Conflict(
                "one of these teams tries another version already",
                hint="end that pilot first: closeloop policy stop, or promote",
            )
    pilot = PolicyPilot(
        id=new_id(),
        version_id=version,
        teams=teams,
        began_at=now,
        ends_at=until,
        made_by=made_by[:LONGEST_NAME] if made_by else None,
        reason=reason[:LONGEST_REASON] if reason else None,
    )
    await uow.add(pilot)
    await errand(uow, pilot, ENDS, until)
    await errand(uow, pilot, DAY, next_summary(uow, now))
    return pilot


async def errand(uow: UnitOfWork, pilot: PolicyPilot, kind: str, due_at: datetime) -> None:
    """See that something is done about a pilot at a time, once for each time."""
    key = f"{kind}:{pilot.id.hex}:{due_at.isoformat()}"
    row = Errand(id=new_id(), key=key, kind=kind, subject_id=pilot.id, lane=Lane.NORMAL, due_at=due_at)
    if await uow.insert_new(row):
        uow.ring("errands", row.lane, due_at)


def next_summary(uow: UnitOfWork, now: datetime) -> datetime:
    """When the day's summary is due: at closing time of this working day, or of the next one."""
    return uow.policy.calendar.next_closing(now)


async def come_under_pilot(uow: UnitOfWork, ticket: Ticket) -> None:
    """A new ticket of a team that tries another version is judged and assigned by that one."""
    if not uow.pilots:
        return
    customer = await uow.the(Customer, ticket.customer_id)
    facts = (ticket.category, ticket.subkind, customer.level, ticket.priority, ticket.channel)
    team = await team_named(uow, uow.policy.assignment(*facts).team)
    found = next((pilot for pilot in uow.pilots if team is not None and team.id in pilot.teams), None)
    if found is not None:
        policy = await uow.policy_of(found.version_id)
        ticket.policy_version_id = found.version_id
        ticket.special_period = policy.special_period(ticket.received_at)


def version_for(uow: UnitOfWork, ticket: Ticket) -> UUID:
    """The version that judges what a ticket's team begins now: that which it tries, else the one in force."""
    found = next((pilot for pilot in uow.pilots if ticket.team_id in pilot.teams), None)
    return found.version_id if found is not None else uow.policy_version_id


async def pilot_of(uow: UnitOfWork, team: str) -> PolicyPilot:
    """The pilot that a team takes part in now. Raises NotFound."""
    ident = str((await team_exactly(uow, team)).id)
    running = await uow.session.scalars(select(PolicyPilot).where(PolicyPilot.ended_at.is_(None)))
    found = next((pilot for pilot in running if ident in pilot.teams), None)
    if found is None:
        raise NotFound(f"the team {team[:64]} tries no policy", hint="see closeloop policy pilots")
    return found


async def stop_pilot(workshop: Workshop, team: str, *, tick: Callable[[int], None]) -> Moved:
    """End the pilot that a team takes part in: its open tickets come under the policy in force again."""
    async with workshop.begin() as uow:
        ident = (await pilot_of(uow, team)).id
        pilot = await uow.session.get_one(PolicyPilot, ident, with_for_update=True)
        pilot.ended_at, pilot.end = uow.clock.now(), STOPPED
        await errand(uow, pilot, ENDS, pilot.ended_at)
    await asyncio.sleep(SETTLED_AFTER)
    moved = Moved()
    async with workshop.read() as uow:
        version, which = uow.policy_version_id, await _left_behind(uow, pilot)
    await _bring(workshop, version, which, moved, tick)
    return moved


async def promote_pilot(
    workshop: Workshop,
    team: str,
    *,
    made_by: str | None,
    reason: str | None,
    tick: Callable[[int, int], None],
) -> Applied:
    """What a team has tried is put in force for everybody, and all open tickets come under it."""
    async with workshop.read() as uow:
        pilot = await pilot_of(uow, team)
        policy = await uow.policy_of(pilot.version_id)
    applied = await apply_policy(workshop, policy, made_by=made_by, reason=reason, tick=tick)
    async with workshop.begin() as uow:
        row = await uow.session.get_one(PolicyPilot, pilot.id, with_for_update=True)
        if row.ended_at is None:
            row.ended_at, row.end = uow.clock.now(), PROMOTED
            await errand(uow, row, ENDS, row.ended_at)
    return applied


async def end_pilot(workshop: Workshop, row: Errand) -> Step:
    """The time of a pilot is up, or somebody has ended it: its open tickets come under the policy in force,
    in transactions of their own; gives the step that ends the errand.

    A ticket that cannot costs no other one. While there are such the errand fails, and is tried again.
    """
    async with workshop.begin() as uow:
        pilot, change, now = await _pilot(uow, row), await latest_change(uow.session), uow.clock.now()
        if pilot.ended_at is None and pilot.ends_at <= now:
            pilot.ended_at, pilot.end = now, OVER
        which = await _left_behind(uow, pilot)
    if pilot.ended_at is not None and pilot.settled_at is None and change is not None:
        await _bring(workshop, change.version_id, which, Moved(), _unseen)
    return _settle


async def _settle(uow: UnitOfWork, row: Errand) -> None:
    """Raises Conflict while open tickets are still judged by what was tried and is no longer in force."""
    pilot, change = await _pilot(uow, row), await latest_change(uow.session)
    if pilot.ended_at is None or pilot.settled_at is not None or change is None:
        return
    left = select(func.count()).select_from(Ticket).where(Ticket.state != TicketState.CLOSED)
    left = left.where(Ticket.policy_version_id != change.version_id)
    count = await uow.session.scalar(left.where(await _left_behind(uow, pilot)))
    if count:
        raise Conflict(
            f"{count} open tickets are still judged by a policy whose trial is over, or by an older one",
            hint="the lines ticket_not_replanned say which, and why",
        )
    pilot.settled_at = uow.clock.now()


async def _left_behind(uow: UnitOfWork, pilot: PolicyPilot) -> ColumnElement[bool]:
    """The condition that a ticket is judged by what was tried, and that its team does not try just that in
    another pilot; or that it was passed to a team of this one, so that a policy which was applied meanwhile
    has left it out with them.
    """
    others = [each for each in await running_pilots(uow.session) if each.id != pilot.id]
    same = [each for each in others if each.version_id == pilot.version_id]
    tried = and_(Ticket.policy_version_id == pilot.version_id, not_tried(same))
    change = await latest_change(uow.session)
    if change is None or change.origin != APPLY or change.at < pilot.began_at:
        return tried
    theirs = Ticket.team_id.in_([UUID(team) for team in pilot.teams])
    return or_(tried, and_(theirs, not_tried(others)))


async def _pilot(uow: UnitOfWork, row: Errand) -> PolicyPilot:
    assert row.subject_id is not None
    return await uow.session.get_one(PolicyPilot, row.subject_id, with_for_update=True)


def _unseen(_: int) -> None:
    """Nobody watches how far it is."""


async def _bring(
    workshop: Workshop,
    version_id: UUID,
    which: ColumnElement[bool],
    moved: Moved,
    tick: Callable[[int], None],
) -> None:
    """All tickets that are meant come under a version, in batches."""
    after: UUID | None = None
    moved.failed.clear()
    while done := await _batch(workshop, version_id, which, after):
        after = done[-1].ticket_id
        moved.failed += [ticket.number for ticket in done if ticket.failed]
        moved.tickets += sum(not ticket.failed for ticket in done)
        tick(moved.tickets)


async def _batch(
    workshop: Workshop, version_id: UUID, which: ColumnElement[bool], after: UUID | None
) -> list[Replanned]:
    for last in (False, False, True):
        try:
            async with workshop.begin() as uow:
                change = await latest_change(uow.session)
                number = change.number if change else 0
                return await replan_batch(uow, version_id, number, after=after, limit=BATCH, which=which)
        except DBAPIError:
            if last:
                raise
            await asyncio.sleep(TRY_AGAIN)
    raise AssertionError("the last try gives or raises")


async def pilot_list(uow: UnitOfWork) -> list[tuple[PolicyPilot, str]]:
    """All pilots, the newest first, each with the name of its policy."""
    rows = await uow.session.execute(
        select(PolicyPilot, PolicyVersion.name)
        .join(PolicyVersion, PolicyVersion.id == PolicyPilot.version_id)
        .order_by(PolicyPilot.began_at.desc())
    )
    return [(pilot, name) for pilot, name in rows]
