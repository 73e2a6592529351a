"""What a form of the console makes is made once, though somebody presses its button twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import select

from models.tickets import ImportedRow
from workers.errors import Conflict
from workers.unit_of_work import UnitOfWork
from workers.web.console.door import PROOF, Visit
from workers.web.console.sheet import Field
from workers.web.parts import WebParts

ONCE = "once"
"""The hidden field that tells a form from the same one, asked for anew."""


def once_field(value: str) -> Field:
    """A field of a form that makes something; `value` is another one each time that the form is to count."""
    return Field(name=ONCE, kind="hidden", value=value)


def fresh_once(parts: WebParts) -> str:
    """A value that no other form has."""
    return parts.workshop.vault.new_token()


async def made_once(
    uow: UnitOfWork, visit: Visit, what: str, make: Callable[[], Awaitable[str | None]]
) -> str:
    """What `make` gives (the number of what it made: at most 24 characters; or nothing), or what it gave when
    the same person sent the same form with the same words. Who has changed a word makes another one.

    `what` names the form. The key is written first: a second sender waits for the first one's transaction.
    Raises what `make` raises, and then the form has not been sent.
    """
    if not visit.fields.get(ONCE):
        return await make() or ""
    key = _key(uow, visit, what)
    row = ImportedRow(row_key=key, number="")
    if await uow.insert_new(row):
        row.number = await make() or ""
        return row.number
    known = await uow.session.scalar(select(ImportedRow.number).where(ImportedRow.row_key == key))
    if known is None:
        raise Conflict("this form is being taken in just now", hint="try again")
    return known


def _key(uow: UnitOfWork, visit: Visit, what: str) -> bytes:
    said = sorted((name, words) for name, words in visit.fields.items() if name != PROOF)
    return uow.vault.lookup("form-sent", repr((visit.person.id.hex, what, said)))
