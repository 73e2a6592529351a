"""One act on one ticket, as a form of its page asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from models.people import Staff
from models.tickets import Ticket
from workers.unit_of_work import UnitOfWork
from workers.web.console.forms import Form


@dataclass(frozen=True, slots=True)
class Doing:
    """One act on one ticket that is held, inside its transaction. It gives the ticket to look at next."""

    uow: UnitOfWork
    ticket: Ticket
    by: Staff
    form: Form


Act = Callable[[Doing], Awaitable[Ticket | None]]
