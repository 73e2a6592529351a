"""What a transaction writes: new rows at once or at its end, many of them by one statement a table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, make_transient_to_detached

from models.base import Base
from models.deadlines import Deadline
from models.many import fill_in, insert_rows, new_values, update_rows
from models.tickets import Ticket
from workers.ahead import Ahead
from workers.sessions import HELD

Row = TypeVar("Row", bound=Base)


class Rows:
    """The rows of one transaction. With `ahead` it is one for many mails or alarms, which asks beforehand and
    writes at its end.
    """

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.ahead: Ahead | None = None
        self._held: list[Base] = session.sync_session.info.setdefault(HELD, [])
        self._when_written: list[Callable[[], Awaitable[None]]] = []

    async def insert_new(self, row: Base) -> bool:
        """Insert `row` unless one of its unique keys is taken: INSERT … ON CONFLICT DO NOTHING.

        True: `row` is new and belongs to the session. False: it was there already, `row` stays outside.
        Waits for a competing transaction that has inserted the same key and not ended yet.

        With `ahead` what belongs to a new ticket is taken for new, and written later: a key that is taken
        ends the transaction by an IntegrityError.
        """
        if self.ahead is not None and self.ahead.knows(row):
            return False
        if self.ahead is not None and self.ahead.fits(row):
            self._add_unwritten(row)
            return True
        await self.session.flush()
        mapper: Mapper[Any] = row.__mapper__
        dialect = postgresql if self.session.get_bind().dialect.name == "postgresql" else sqlite
        values = new_values(row)
        insert = dialect.insert(mapper.local_table).values(values).on_conflict_do_nothing()
        made = await self.session.execute(insert.returning(*mapper.primary_key))
        if made.first() is None:
            return False
        make_transient_to_detached(row)
        self.session.add(row)
        return True

    async def add(self, row: Base) -> None:
        """Insert `row` at once; with `ahead` as `add_later`."""
        self.add_later(row)
        if self.ahead is None:
            await self.session.flush()

    def add_later(self, row: Base) -> None:
        """Insert `row` at the next query or at commit."""
        if self.ahead is not None:
            self._add_unwritten(row)
        else:
            self.session.add(row)

    def keeps(self, row: Base) -> bool:
        """Whether `row`, added in this transaction, is going to be in the database: a savepoint that was
        rolled back takes what was added in it along.
        """
        return self.ahead is not None or row in self.session

    async def write_held(self) -> None:
        """Write what `ahead` has held back, table by table; nothing may be asked any more after that."""
        held, self._held[:] = list(self._held), []
        if held:
            await insert_rows(await self.session.connection(), held)
        if self.ahead is not None and self.ahead.of_tickets is not None:
            await self._write_changed()
        for work in self._when_written:
            await work()

    def when_written(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have `work`, which must not hold this object, done at the very end, when all rows are written."""
        self._when_written.append(work)

    async def _write_changed(self) -> None:
        """What was changed in deadlines and tickets that are locked, in a few statements; the session has
        nothing left to do with them.
        """
        changed = [row for row in self.session.dirty if isinstance(row, Deadline | Ticket)]
        if changed:
            await update_rows(await self.session.connection(), changed)
        for row in changed:
            self.session.expunge(row)

    def _add_unwritten(self, row: Base) -> None:
        assert self.ahead is not None
        fill_in(row)
        self._held.append(row)
        self.ahead.note(row)

    async def the(self, model: type[Row], ident: UUID) -> Row:
        """The row with this id, be it written already or not. Raises NoResultFound."""
        known = self.ahead.known(ident) if self.ahead is not None else None
        return known if isinstance(known, model) else await self.session.get_one(model, ident)

    def lacks(self, table: str, keys: Iterable[bytes]) -> bool:
        """Whether it was asked before, and none of these keyed hashes is in `table`. False: ask."""
        return self.ahead is not None and self.ahead.lacks(table, keys)
