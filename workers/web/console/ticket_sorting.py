"""Forms that say where a request belongs: to none, to another ticket, to one of its own."""

from __future__ import annotations

from models.tickets import Ticket
from models.vocabulary import NoRequest
from workers import tickets
from workers.errors import NotFound
from workers.web.api.common import uuid_of
from workers.web.console.forms import Wrong
from workers.web.console.ticket_doing import Doing

SHORT, MEDIUM = 100, 2_000


async def no_request(do: Doing) -> None:
    """Neither survey nor escalation nor message any more; perhaps the sender is blocked."""
    reason = do.form.one_of("reason", list(NoRequest), required=True)
    words = do.form.text("note")
    do.form.check()
    await tickets.dismiss(
        do.uow,
        do.ticket,
        do.by,
        reason or NoRequest.OTHER,
        note=words,
        block_sender=do.form.ticked("block_sender"),
    )


async def undo(do: Doing) -> None:
    """A request after all."""
    await tickets.undo_dismissal(do.uow, do.ticket, do.by)


async def merge(do: Doing) -> Ticket:
    """It goes on in another ticket, which is looked at next."""
    number = do.form.text("into", required=True, limit=24)
    words = do.form.text("note", limit=MEDIUM)
    do.form.check()
    try:
        into = await tickets.ticket_by_number(do.uow, number)
    except NotFound as error:
        raise Wrong({"into": "unknown_ticket"}) from error
    await tickets.merge(do.uow, do.ticket, into, do.by, words)
    return into


async def unmerge(do: Doing) -> None:
    """It goes on by itself again."""
    await tickets.undo_merge(do.uow, do.ticket, do.by)


async def split(do: Doing) -> Ticket:
    """A message becomes a ticket of its own, which is looked at next."""
    subject = do.form.text("subject", limit=SHORT)
    message = do.form.text("message", required=True, limit=40)
    do.form.check()
    ident = uuid_of(message, "message")
    return await tickets.split(do.uow, do.ticket, ident, do.by, subject)
