"""Which policy is in force: the newest line of `policy_changes`, one for all processes of an installation."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from models.base import new_id
from models.keys import PolicyChange, PolicyPilot, PolicyVersion
from models.tickets import Ticket
from models.vocabulary import TicketState
from workers.clock import Clock
from workers.errors import Conflict, NotFound, PolicyError
from workers.policy import Policy, parse_policy

START, APPLY = "start", "apply"
LONGEST_NAME, LONGEST_REASON = 64, 240

LOOK_AGAIN = 1.0
"""For how many seconds a process goes by the policy it knows before it looks which one is in force."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pilot:
    """A version that teams (by their ids) try until `ends_at` (UTC): it judges their tickets meanwhile."""

    id: UUID
    version_id: UUID
    teams: frozenset[UUID]
    ends_at: datetime


async def running_pilots(session: AsyncSession) -> tuple[Pilot, ...]:
    """The pilots that nobody has ended; whether the time of one is up its reader sees by `ends_at`."""
    rows = await session.scalars(
        select(PolicyPilot).where(PolicyPilot.ended_at.is_(None)).order_by(PolicyPilot.began_at)
    )
    return tuple(
        Pilot(row.id, row.version_id, frozenset(UUID(team) for team in row.teams), row.ends_at)
        for row in rows
    )


def not_tried(pilots: Iterable[Pilot]) -> ColumnElement[bool]:
    """The condition that a ticket belongs to no team that tries another version."""
    teams = {team for pilot in pilots for team in pilot.teams}
    return or_(Ticket.team_id.is_(None), Ticket.team_id.not_in(teams)) if teams else true()


async def latest_change(session: AsyncSession) -> PolicyChange | None:
    """The change that made the policy in force what it is; None while no process has ever started."""
    query = select(PolicyChange).order_by(PolicyChange.number.desc()).limit(1)
    return await session.scalar(query.execution_options(populate_existing=True))


async def store_version(session: AsyncSession, policy: Policy, clock: Clock) -> UUID:
    """The id of the policy's version row, stored if it is new. Safe when several processes do it at once."""
    stored = _insert(session)(PolicyVersion).values(
        id=new_id(), digest=policy.digest, name=policy.name, text=policy.version_text, applied_at=clock.now()
    )
    await session.execute(stored.on_conflict_do_nothing())
    return (
        await session.scalars(select(PolicyVersion.id).where(PolicyVersion.digest == policy.digest))
    ).one()


async def take_up(session: AsyncSession, policy: Policy, clock: Clock) -> PolicyChange:
    """A process starts with the policy of its file: gives the change that is in force then.

    The file counts as long as nobody has applied a version by hand. From then on what was applied wins, so
    that a process that starts again with the old file does not take the installation back.
    """
    while True:
        change = await latest_change(session)
        if change is not None and change.origin == APPLY:
            return change
        version = await store_version(session, policy, clock)
        if change is not None and change.version_id == version:
            return change
        made = await _append(session, change, version, clock, START, None, None)
        if made is not None:
            return made


async def put_in_force(
    session: AsyncSession, policy: Policy, clock: Clock, *, made_by: str | None, reason: str | None
) -> PolicyChange:
    """A person applies a policy: gives the change, the standing one when that very version was applied last.

    Raises Conflict when somebody else changes the policy at the same moment.
    """
    change = await latest_change(session)
    version = await store_version(session, policy, clock)
    if change is not None and change.origin == APPLY and change.version_id == version:
        return change
    made = await _append(session, change, version, clock, APPLY, made_by, reason)
    if made is None:
        raise Conflict("somebody else is changing the policy just now", hint="look at what is in force then")
    return made


async def judged_by_others(session: AsyncSession, version_id: UUID) -> int:
    """How many tickets that are not closed are still judged by another version, those of pilots left out."""
    pilots = await running_pilots(session)
    return int(
        await session.scalar(
            select(func.count()).where(
                Ticket.state != TicketState.CLOSED, Ticket.policy_version_id != version_id, not_tried(pilots)
            )
        )
        or 0
    )


async def _append(
    session: AsyncSession,
    last: PolicyChange | None,
    version: UUID,
    clock: Clock,
    origin: str,
    made_by: str | None,
    reason: str | None,
) -> PolicyChange | None:
    """The next line; None when another transaction was faster."""
    number = (last.number if last else 0) + 1
    line = _insert(session)(PolicyChange).values(
        number=number,
        version_id=version,
        at=clock.now(),
        origin=origin,
        made_by=made_by[:LONGEST_NAME] if made_by else None,
        reason=reason[:LONGEST_REASON] if reason else None,
    )
    made = await session.execute(line.on_conflict_do_nothing().returning(PolicyChange.number))
    return await latest_change(session) if made.first() is not None else None


def _insert(session: AsyncSession) -> Any:
    return (postgresql if session.get_bind().dialect.name == "postgresql" else sqlite).insert


class Following:
    """The policies that one process knows, and the one it goes by: `own` (that of its settings) at first."""

    def __init__(self, own: Policy, clock: Clock) -> None:
        self.own = self.policy = own
        self.version_id: UUID | None = None
        self.pilots: tuple[Pilot, ...] = ()
        self._clock = clock
        self._versions: dict[UUID, Policy] = {}
        self._look_again = 0.0

    def is_old(self) -> bool:
        """Whether somebody should look again; of many tasks that ask at the same time one hears yes."""
        old = time.monotonic() >= self._look_again
        if old:
            self._look_again = time.monotonic() + LOOK_AGAIN
        return old

    async def follow(self, session: AsyncSession) -> None:
        """Go by the policy in force from now on; before any process has started, by the own one.

        Raises PolicyError when there is none to go by.
        """
        self._look_again = time.monotonic() + LOOK_AGAIN
        change = await latest_change(session)
        self.pilots = await running_pilots(session)
        if change is None:
            version = self.version_id or await store_version(session, self.own, self._clock)
            self._versions.setdefault(version, self.own)
        else:
            version = change.version_id
        if version == self.version_id:
            return
        try:
            policy = await self.version(session, version)
        except PolicyError:
            # A newer program stored it (a rolling update): what this process knows is better than nothing.
            log.exception("policy_not_understood", version=str(version))
            if self.version_id is None:
                raise
            return
        self.policy, self.version_id = policy, version

    def known(self, version_id: UUID) -> Policy:
        """A version that this process has gone by."""
        return self._versions[version_id]

    async def version(self, session: AsyncSession, version_id: UUID) -> Policy:
        """The policy of a version. Raises NotFound, or PolicyError when a newer program stored it."""
        known = self._versions.get(version_id)
        if known is None:
            text = await session.scalar(select(PolicyVersion.text).where(PolicyVersion.id == version_id))
            if text is None:
                raise NotFound("there is no such policy version")
            own = self.own if text == self.own.version_text else None
            known = own or parse_policy(text, source=f"policy version {version_id}")
            self._versions[version_id] = known
        return known
