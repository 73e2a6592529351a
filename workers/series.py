"""Numbers drawn one after the other, by any number of processes: tickets, surveys, turns."""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from models.session import make_engine
from models.tickets import NumberSeries


class Series:
    """Draws numbers of any series.

    On PostgreSQL in transactions of its own, so that nobody waits for another's end; on SQLite (`embedded`),
    which has one writer, in the transaction that needs them.
    """

    def __init__(self, engine: AsyncEngine, *, embedded: bool) -> None:
        self._engine = None if embedded else _number_engine(engine)

    async def draw(self, session: AsyncSession, series: str, count: int = 1) -> int:
        """Draw `count` numbers at once; gives the last of them. See `UnitOfWork.draw_number`."""
        dialect = sqlite if self._engine is None else postgresql
        draw = (
            dialect.insert(NumberSeries)
            .values(name=series, last=count)
            .on_conflict_do_update(index_elements=["name"], set_={"last": NumberSeries.last + count})
            .returning(NumberSeries.last)
        )
        if self._engine is None:
            # What is held back has nothing to do with it.
            drawn = await session.execute(draw, execution_options={"autoflush": False})
            return int(drawn.scalar_one())
        async with self._engine.connect() as connection:
            return int((await connection.execute(draw)).scalar_one())


def _number_engine(engine: AsyncEngine) -> AsyncEngine:
    """A few connections of their own for drawing numbers.

    From the main pool, a full house of transactions that each want a second connection would wait for
    each other. Closed together with `engine`.
    """
    numbers = make_engine(engine.url, isolation_level="AUTOCOMMIT", pool_size=2, max_overflow=2)

    def close(_: object) -> None:
        numbers.sync_engine.dispose()

    event.listen(engine.sync_engine, "engine_disposed", close)
    return numbers
