"""Find what a mail belongs to, by one query however many addresses and ids its writer put into it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from sqlalchemy import select

from models.links import Link
from models.tickets import Ticket, TicketMessage
from workers.tickets import goes_on_in, ticket_by_id
from workers.unit_of_work import UnitOfWork

# Nobody is written to by more reply addresses of ours at once; 20,000 of them were 20,000 queries.
MOST_TOKENS = 50
MOST_IDS = 200


async def reply_link(uow: UnitOfWork, tokens: Iterable[str]) -> Link | None:
    """The reply link of the first of `tokens` that is one of ours; only the first 50 are looked at."""
    wanted = islice(dict.fromkeys(tokens), MOST_TOKENS)
    hashes = [uow.vault.token_hash(token) for token in wanted]
    if not hashes:
        return None
    rows = await uow.session.scalars(select(Link).where(Link.token_hash.in_(hashes), Link.purpose == "reply"))
    known = {row.token_hash: row for row in rows}
    return next((known[each] for each in hashes if each in known), None)


async def ticket_of_messages(uow: UnitOfWork, message_ids: Iterable[str]) -> Ticket | None:
    """The ticket, held, of the first of these Message-IDs that belongs to one; only 200 are looked at."""
    wanted = islice((each for each in dict.fromkeys(message_ids) if each), MOST_IDS)
    hashes = [uow.vault.lookup("message-id", each) for each in wanted]
    if not hashes:
        return None
    rows = await uow.session.execute(
        select(TicketMessage.message_hash, TicketMessage.ticket_id).where(
            TicketMessage.message_hash.in_(hashes)
        )
    )
    known = {row.message_hash: row.ticket_id for row in rows}
    found = next((known[each] for each in hashes if each in known), None)
    return await goes_on_in(uow, await ticket_by_id(uow, found)) if found else None
