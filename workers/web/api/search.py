"""Search: tickets, communication records and knowledge entries by words and by what they are (row B12)."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query, Request

from models.people import Staff
from models.vocabulary import TicketState
from workers.people import team_exactly
from workers.search import KINDS, Question, find
from workers.search.finding import LONGEST_QUESTION
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import LONGEST_PAGE, Calling, Page, acting
from workers.web.api.resource import Resource
from workers.web.api.search_views import FoundShown, shown
from workers.web.api.values import Moment
from workers.web.api.words import category_named
from workers.web.pages import page_locale
from workers.web.parts import Parts

router = Resource("/search", "search")

Kind = Literal["ticket", "communication", "knowledge"]


class FoundList(Page):
    """Found things, best first (without words: tickets, the latest first)."""

    items: list[FoundShown]


class Filter:
    """What is looked for."""

    def __init__(
        self,
        q: Annotated[
            str,
            Query(max_length=LONGEST_QUESTION, description="Words and numbers; of Chinese, two characters"),
        ] = "",
        kind: Annotated[list[Kind] | None, Query(description="Default: all")] = None,
        number: Annotated[str, Query(max_length=24, description="Exactly this number")] = "",
        customer: Annotated[str, Query(max_length=24, description="Customer code")] = "",
        category: Annotated[str | None, Query(description="Code, label or alias")] = None,
        state: Annotated[list[TicketState] | None, Query(description="Of tickets")] = None,
        team: Annotated[str | None, Query(description="Name of the team that leads")] = None,
        since: Annotated[Moment | None, Query(description="Received or took place from then on")] = None,
        until: Annotated[Moment | None, Query(description="Exclusive")] = None,
    ) -> None:
        self._given = q, kind, number, customer, category, state, team, since, until

    async def question(self, uow: UnitOfWork) -> Question:
        """With names looked up. Raises NotFound for what there is not."""
        q, kind, number, customer, category, state, team, since, until = self._given
        return Question(
            words=q,
            kinds=tuple(kind) if kind else KINDS,
            number=number,
            customer=customer,
            category=category_named(uow, category) if category is not None else None,
            states=tuple(state or ()),
            team_id=(await team_exactly(uow, team)).id if team else None,
            since=since,
            until=until,
        )


@router.get("", summary="Search")
async def search(
    request: Request,
    parts: Parts,
    calling: Calling,
    filtered: Annotated[Filter, Depends(Filter)],
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = 50,
) -> FoundList:
    """What holds the rarest of the words comes first, then what is later. An agent finds own tickets, own
    and shared records, and published entries (row A11). Words are found seconds after they were written.

    A page may be shorter than `limit` where much had to be left out: go on while there is a `next_cursor`.
    """
    async with parts.workshop.read() as uow:
        reader: Staff | None = await acting(uow, calling.staff) if calling.staff else None
        page = await find(uow, await filtered.question(uow), reader, limit=limit, cursor=cursor)
        items = await shown(uow, page.found, page_locale(request))
    return FoundList(items=items, next_cursor=page.cursor)
