"""Keys of the API: shown once, kept as hashes, bounded by scopes, an end, and the role of their owner."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from models.access import ApiKey
from models.base import new_id
from models.people import Staff
from workers.access.scopes import Scope
from workers.directory import staff_by_number
from workers.errors import Conflict, InvalidInput, NotFound
from workers.text import one_line
from workers.unit_of_work import UnitOfWork

PREFIX = "clk_"
"""By this, people and secret scanners know a key where they meet one."""
HINT_CHARS = 8
NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGiven:
    """A key that is wanted. `staff`: the number of whom it belongs to; None: it belongs to a system."""

    name: str
    scopes: Collection[Scope]
    staff: str | None = None
    expires_at: datetime | None = None


async def add_key(uow: UnitOfWork, given: KeyGiven, by: Staff | None = None) -> tuple[str, ApiKey]:
    """A new key; gives its words, which are never shown again.

    Raises InvalidInput, NotFound for the member of staff, Conflict for a name that another key has or had.
    """
    name = one_line(given.name).strip()
    now = uow.clock.now()
    if not 1 <= len(name) <= 64:
        raise InvalidInput("a key needs a name of at most 64 characters")
    if "/" in name:
        raise InvalidInput("a key's name holds no slash", hint="it stands in an address")
    if not given.scopes:
        raise InvalidInput("a key without scopes opens nothing", hint=", ".join(Scope))
    if given.expires_at is not None and given.expires_at <= now:
        raise InvalidInput("the key's end lies in the past")
    owner = await staff_by_number(uow, given.staff) if given.staff else None
    words = PREFIX + uow.vault.new_token() + uow.vault.new_token()
    row = ApiKey(
        id=new_id(),
        key_hash=uow.vault.token_hash(words),
        hint=words[:HINT_CHARS],
        name=name,
        scopes=sorted(scope.value for scope in set(given.scopes)),
        staff_id=owner.id if owner else None,
        made_by=by.id if by else None,
        made_at=now,
        expires_at=given.expires_at,
    )
    if not await uow.insert_new(row):
        raise Conflict("there is or was a key of this name", hint="choose another one")
    return words, row


async def key_of(uow: UnitOfWork, words: str) -> tuple[ApiKey, Staff | None] | None:
    """The key with these words, if it opens anything now, and whose it is. None: it opens nothing.

    It is found by its hash in an index: what the time of a look-up tells belongs to the hash, from which
    nobody comes to the next character of a key.
    """
    if not words.startswith(PREFIX) or len(words) > 200:
        return None
    now = uow.clock.now()
    found = await uow.session.execute(
        select(ApiKey, Staff)
        .outerjoin(Staff, Staff.id == ApiKey.staff_id)
        .where(ApiKey.key_hash == uow.vault.token_hash(words), ApiKey.revoked_at.is_(None))
        .where(or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now))
        .where(or_(ApiKey.staff_id.is_(None), Staff.active.is_(True)))
    )
    row = found.one_or_none()
    return (row[0], row[1]) if row is not None else None


def needs_noting(uow: UnitOfWork, key: ApiKey) -> bool:
    """Whether its last use was noted a minute ago or longer."""
    return key.last_used_at is None or uow.clock.now() - key.last_used_at >= NOTED_EVERY


async def note_use(uow: UnitOfWork, key_id: UUID) -> None:
    """It is in use now."""
    await uow.session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=uow.clock.now()))


async def every_key(uow: UnitOfWork) -> Sequence[tuple[ApiKey, Staff | None]]:
    """All keys, revoked ones too, the newest first, and whom they belong to."""
    rows = await uow.session.execute(
        select(ApiKey, Staff).outerjoin(Staff, Staff.id == ApiKey.staff_id).order_by(ApiKey.id.desc())
    )
    return [(row[0], row[1]) for row in rows]


async def revoke_key(uow: UnitOfWork, name: str) -> ApiKey:
    """This key opens nothing from now on. Raises NotFound; a revoked one stays as it is."""
    row = await uow.session.scalar(select(ApiKey).where(ApiKey.name == name).with_for_update())
    if row is None:
        raise NotFound("there is no key of this name", hint="closeloop key list")
    row.revoked_at = row.revoked_at or uow.clock.now()
    await uow.session.flush()
    return row


async def revoke_keys_of(uow: UnitOfWork, staff_id: UUID) -> None:
    """The keys of somebody who leaves open nothing any more."""
    await uow.session.execute(
        update(ApiKey)
        .where(ApiKey.staff_id == staff_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=uow.clock.now())
        .execution_options(synchronize_session=False)
    )
