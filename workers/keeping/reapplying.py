"""After a restore: who had been erased since the backup is erased again."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from models.people import Customer
from workers.errors import Conflict
from workers.keeping.erased import among_erased
from workers.privacy.erasing import erase
from workers.unit_of_work import Workshop

WHY = "erased after the backup was taken"


async def erase_again(workshop: Workshop, erased: Collection[str]) -> list[str]:
    """Erase those customers whom the list names and who are there again; gives their codes.

    Each gets a certificate anew. May be repeated: who is erased stays so.
    """
    async with workshop.read() as uow:
        rows = (
            await uow.session.execute(select(Customer.id, Customer.code).where(Customer.erased_at.is_(None)))
        ).all()
    back = set(among_erased((ident for ident, _ in rows), erased))
    done = []
    for ident, code in rows:
        if ident not in back:
            continue
        try:
            await erase(workshop, code, why=WHY)
        except Conflict:  # erased a moment ago, with the customer whom this one was merged into
            continue
        done.append(code)
    return done
