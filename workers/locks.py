"""How transactions keep out of each other's way.

One order for all: the ticket first (several by their ids), then what belongs to it (its deadlines, messages,
surveys, what its customer's address is suppressed for), then names. Who claims promised rows skips what is
locked, and so waits for nobody.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from hashlib import blake2b
from typing import Any, TypeVar

import structlog
from sqlalchemy import Select, text
from sqlalchemy.exc import DBAPIError

from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

BROKEN_OFF = ("40P01", "40001")
"""SQLSTATE of a transaction that had to give way: deadlock_detected, serialization_failure."""
REPEATS = 2

Query = TypeVar("Query", bound=Select[Any])
Result = TypeVar("Result")

_HOLD = text("SELECT pg_advisory_xact_lock(k) FROM unnest(CAST(:keys AS bigint[])) AS k")
_PATIENCE = text("SELECT set_config('lock_timeout', :milliseconds, true)")


def held(query: Query) -> Query:
    """The query, its rows locked until the transaction ends; SQLite has one writer at a time anyhow.

    FOR NO KEY UPDATE: rows that refer to these may be written meanwhile (an attempt, a link, an event that
    names its ticket), for their foreign keys look at the key alone, which nobody changes. Under FOR UPDATE,
    whoever records a message and then what refers to its ticket waits for a person who has the ticket and
    wants the message: a deadlock (postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS).
    """
    return query.with_for_update(key_share=True)


def shared(query: Query) -> Query:
    """The query, its rows kept from being changed until the transaction ends, by any number at once."""
    return query.with_for_update(read=True)


async def repeated(workshop: Workshop, work: Callable[[UnitOfWork], Awaitable[Result]]) -> Result:
    """Do `work` in a write transaction; once or twice anew when the database has broken it off for another.

    Only for work that changes nothing but the database, and reads anew what it decides by.
    """
    for left in range(REPEATS, -1, -1):
        try:
            async with workshop.begin() as uow:
                return await work(uow)
        except DBAPIError as error:
            if not left or getattr(error.orig, "sqlstate", None) not in BROKEN_OFF:
                raise
            log.info("transaction_repeated", sqlstate=getattr(error.orig, "sqlstate", None))
            await asyncio.sleep(random.uniform(0, 0.1))  # noqa: S311 - spreads load, hides nothing
    raise AssertionError("the last time has either an answer or an error")


async def hold(uow: UnitOfWork, names: Iterable[str]) -> None:
    """Wait until nobody else holds one of `names`, and hold them all until this transaction ends.

    What is read after that shows all that former holders have committed. On PostgreSQL these are advisory
    locks (postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS), always taken in one order; on
    SQLite transactions that write are one after the other anyhow.
    """
    keys = sorted({_key(name) for name in names})
    if keys and uow.session.get_bind().dialect.name == "postgresql":
        await uow.session.execute(_HOLD, {"keys": keys})


async def hold_within(uow: UnitOfWork, name: str, seconds: float) -> None:
    """The same for one name, but wait for so long at most, for this and whatever else this transaction may
    have to wait for. Raises DBAPIError (55P03, lock_not_available).
    """
    if uow.session.get_bind().dialect.name == "postgresql":
        await uow.session.execute(_PATIENCE, {"milliseconds": str(int(seconds * 1000))})
        await hold(uow, [name])


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
