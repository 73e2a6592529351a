"""Hold a name: what two transactions must not do at the same instant although they touch different rows."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import text

from workers.unit_of_work import UnitOfWork

_HOLD = text("SELECT pg_advisory_xact_lock(k) FROM unnest(CAST(:keys AS bigint[])) AS k")


async def hold(uow: UnitOfWork, names: Iterable[str]) -> None:
    """Wait until nobody else holds one of `names`, and hold them all until this transaction ends.

    What is read after that shows all that former holders have committed. On PostgreSQL these are advisory
    locks (postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS), always taken in one order; on
    SQLite transactions that write are one after the other anyhow.
    """
    keys = sorted({_key(name) for name in names})
    if keys and uow.session.get_bind().dialect.name == "postgresql":
        await uow.session.execute(_HOLD, {"keys": keys})


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
