"""What a restored database must not do: trust leases of processes that are gone, send what was under way."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import insert

from models.base import Base
from models.keeping import Chore
from workers.keeping.reading import plain_engine
from workers.keeping.writing import Target

RESTORED = "restored"
"""Why messages are held after `restore --held`, and the chore that tells when it was."""
LEASED = ("lease_token", "free_at", "due_at")


async def settle(filled: Target, tables: Collection[str], *, held: bool) -> tuple[int, int]:
    """Settle it in the transaction of the restore; gives how many messages were under way, and are held.

    What was `sending` when the backup was taken is claimed again by the next worker, which finds the open
    attempt: its fate is unknown (a mail goes again with the same Message-ID, an SMS waits for a person). With
    `held` it waits for a person as well, like all that was due.
    """
    under_way = await filled.run("SELECT count(*) FROM notifications WHERE state = 'sending'")
    count = 0
    if held:
        await filled.run(
            "UPDATE delivery_attempts SET outcome = 'unknown', reason = 'worker_lost' WHERE outcome IS NULL"
        )
        await filled.run(
            "UPDATE notifications SET state = 'unknown', reason = 'worker_lost', due_at = NULL,"
            " free_at = NULL, lease_token = NULL WHERE state = 'sending'"
        )
        count = await filled.run(
            f"UPDATE notifications SET state = 'held', reason = '{RESTORED}', due_at = NULL, free_at = NULL,"  # noqa: S608 - a word of our own
            " lease_token = NULL WHERE due_at IS NOT NULL"
        )
    for name in sorted(set(tables) & leased()):
        await filled.run(
            f"UPDATE {name} SET lease_token = NULL, free_at = NULL WHERE lease_token IS NOT NULL"  # noqa: S608 - own names
        )
    if "mailboxes" in tables:
        await filled.run("UPDATE mailboxes SET lease_token = NULL, leased_until = NULL")
    return under_way, count


def leased() -> set[str]:
    """Tables of promised rows."""
    return {
        name
        for name, table in Base.metadata.tables.items()
        if all(column in table.columns for column in LEASED)
    }


async def note_restored(url: str, now: datetime, made_at: str, *, held: bool) -> None:
    """Note that the database was restored: when (machine time), and of which moment its backup is."""
    engine = plain_engine(url)
    try:
        async with engine.begin() as connection:
            facts = {"made_at": made_at, "held": held}
            await connection.execute(
                insert(Chore).values(name=RESTORED, tried_at=now, done_at=now, failures=0, facts=facts)
            )
    finally:
        await engine.dispose()
