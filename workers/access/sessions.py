"""Sessions of staff in browsers: a random token in a cookie, its hash here, an end that always comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from models.access import StaffSession
from models.base import new_id
from models.people import Staff
from workers.errors import NotFound
from workers.text import one_line
from workers.unit_of_work import UnitOfWork

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
NOTED_EVERY = timedelta(minutes=1)
BROWSER_CHARS = 120


async def open_session(uow: UnitOfWork, person: Staff, browser: str) -> tuple[str, StaffSession]:
    """A new session; gives its token, which nobody can find out again. `browser`: the User-Agent header."""
    token = uow.vault.new_token()
    now = uow.clock.now()
    row = StaffSession(
        id=new_id(),
        token_hash=uow.vault.token_hash(token),
        staff_id=person.id,
        made_at=now,
        seen_at=now,
        expires_at=now + LONGEST,
        browser=one_line(browser)[:BROWSER_CHARS],
    )
    await uow.add(row)
    return token, row


async def session_of(uow: UnitOfWork, token: str) -> tuple[StaffSession, Staff] | None:
    """The living session of a token and whose it is, as they are now; None: sign in anew.

    The person is read each time: a new role counts from the next request on, and who has left is out.
    """
    if not token:
        return None
    found = await uow.session.execute(
        select(StaffSession, Staff)
        .join(Staff, Staff.id == StaffSession.staff_id)
        .where(StaffSession.token_hash == uow.vault.token_hash(token), *living(uow), Staff.active.is_(True))
    )
    row = found.one_or_none()
    return (row[0], row[1]) if row is not None else None


def needs_noting(uow: UnitOfWork, session: StaffSession) -> bool:
    """Whether its last use was noted long enough ago to be noted again: not every page writes."""
    return uow.clock.now() - session.seen_at >= NOTED_EVERY


async def note_seen(uow: UnitOfWork, session_id: UUID) -> None:
    """It is in use now."""
    await uow.session.execute(
        update(StaffSession)
        .where(StaffSession.id == session_id, StaffSession.ended_at.is_(None))
        .values(seen_at=uow.clock.now())
    )


async def open_sessions(uow: UnitOfWork, person: Staff) -> Sequence[StaffSession]:
    """The living sessions of somebody, the newest first."""
    rows = await uow.session.scalars(
        select(StaffSession)
        .where(StaffSession.staff_id == person.id, *living(uow))
        .order_by(StaffSession.id.desc())
    )
    return rows.all()


async def end_session(uow: UnitOfWork, session_id: UUID) -> None:
    """This one is over."""
    await _end(uow, StaffSession.id == session_id)


async def end_own(uow: UnitOfWork, person: Staff, session_id: UUID) -> None:
    """End one of somebody's own sessions. Raises NotFound for anybody else's, and for none."""
    if not await _end(uow, StaffSession.id == session_id, StaffSession.staff_id == person.id):
        raise NotFound("there is no such session")


async def end_sessions(uow: UnitOfWork, staff_id: UUID) -> int:
    """Sign somebody out everywhere; gives how many sessions ended."""
    return await _end(uow, StaffSession.staff_id == staff_id)


async def _end(uow: UnitOfWork, *which: ColumnElement[bool]) -> int:
    result = await uow.session.execute(
        update(StaffSession)
        .where(*which, StaffSession.ended_at.is_(None))
        .values(ended_at=uow.clock.now())
        .execution_options(synchronize_session=False)
    )
    return int(getattr(result, "rowcount", 0))


def living(uow: UnitOfWork) -> tuple[ColumnElement[bool], ...]:
    """WHERE conditions for sessions that have not ended, by hand or by time."""
    now = uow.clock.now()
    return StaffSession.ended_at.is_(None), StaffSession.expires_at > now, StaffSession.seen_at > now - IDLE
