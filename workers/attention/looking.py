"""One look for each kind of thing; all of them together are a fixed number of queries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from models.people import Staff
from models.vocabulary import Role
from workers.attention import of_messages, of_the_house, of_tickets
from workers.attention.item import OF_THE_HOUSE, Item, Look, Looked, What
from workers.unit_of_work import UnitOfWork

LOOKS: Mapping[What, Callable[[Look], Awaitable[Looked]]] = {
    What.BREACHED: of_tickets.breached,
    What.UNASSIGNED: of_tickets.unassigned,
    What.NEEDS_TRIAGE: of_tickets.needs_triage,
    What.BROKEN_RUNG: of_tickets.broken_rungs,
    What.NOBODY_TO_TELL: of_tickets.nobody_to_tell,
    What.CHAT_LATE: of_tickets.chat_late,
    What.STUCK_DEADLINE: of_tickets.stuck,
    What.UNKNOWN_SMS: of_messages.unknown,
    What.KEY_MISSING: of_messages.key_missing,
    What.DELAYED_MESSAGE: of_messages.delayed,
    What.HELD_MESSAGE: of_messages.held_back,
    What.POISON_EVENT: of_the_house.poison,
    What.FORWARD_CONFIRMATION: of_the_house.confirmations,
    What.MAILBOX: of_the_house.mailboxes,
    What.STUCK_ERRAND: of_the_house.stuck,
    What.WEBHOOK: of_the_house.endpoints,
    What.BACKUP: of_the_house.backups,
    What.STORAGE: of_the_house.storage,
}


async def look_around(
    uow: UnitOfWork, person: Staff | None, limit: int, kinds: Collection[What] = tuple(What)
) -> tuple[dict[What, int], list[Item]]:
    """How many there are of each kind that this person may see, and of each the newest `limit`, newest first.

    An agent sees what belongs to tickets they handle (row A11); None is a system, which sees all.
    """
    look = Look(uow, person, limit)
    agent = person is not None and person.role is Role.AGENT
    counts: dict[What, int] = {}
    items: list[Item] = []
    for what, ask in LOOKS.items():
        if what not in kinds or (agent and what in OF_THE_HOUSE):
            continue
        counts[what], found = await ask(look)
        items += found
    return counts, sorted(items, key=lambda item: item.since, reverse=True)
