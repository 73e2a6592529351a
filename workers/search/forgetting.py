"""What is erased is found no more, from the same moment on."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select

from models.communications import Communication
from models.search import SearchTask
from models.tickets import Ticket
from workers.search import index
from workers.search.reading import AT_ONCE
from workers.unit_of_work import UnitOfWork


async def forget(uow: UnitOfWork, customer_id: UUID) -> int:
    """Take everything of a customer out of the index, in the transaction that erases them; gives how much.

    Whoever indexes something of theirs at this moment finds the key gone, or waits and finds nothing.
    """
    await index.hold_index(uow)
    ids: list[UUID] = []
    for table in (Ticket, Communication):
        ids += await uow.session.scalars(select(table.id).where(table.customer_id == customer_id))
    gone = await index.write(uow, [], ids)
    for start in range(0, len(ids), AT_ONCE):
        await uow.session.execute(
            delete(SearchTask)
            .where(SearchTask.subject_id.in_(ids[start : start + AT_ONCE]))
            .execution_options(synchronize_session=False)
        )
    for ident in ids:
        # A batch that read their words before this moment may still write them: it is looked at again after.
        uow.words_changed("ticket", ident)
    return gone
