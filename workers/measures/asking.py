"""One question: of whom, when, narrowed to what, by which groups; and the conditions that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal_column, or_, select

from models.people import Customer, Staff, Team
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import IMPORTED, MERGED, NOT_A_TICKET
from workers.measures.narrowing import STEPS, Group, Narrowing, Special, Viewer
from workers.measures.period import Period, Step
from workers.measures.sql import part_number
from workers.unit_of_work import UnitOfWork

OWNER = func.coalesce(Ticket.credited_id, Ticket.handler_id)
"""Who gave the result of a request, else who has it now."""
OWNING_TEAM = func.coalesce(Ticket.credited_team_id, Ticket.team_id)

COUNTED = or_(Ticket.close_reason.is_(None), Ticket.close_reason.not_in((NOT_A_TICKET, MERGED)))
"""What was dismissed as no request does not count, nor what goes on in another one."""

OURS = or_(Ticket.close_reason.is_(None), Ticket.close_reason != IMPORTED)
"""Requests that were handled here. Those that came in from a team's own tables count in volume, results,
ratings and times that the tables told, and in nothing that nobody wrote down for them."""


@dataclass(frozen=True)
class Question:
    """What is asked. `group` None: all together."""

    uow: UnitOfWork
    viewer: Viewer
    period: Period
    narrowing: Narrowing
    group: Group | None = None

    @cached_property
    def parts(self) -> tuple[Period, ...]:
        """The parts of the period that it is cut into; none for other groups."""
        return self.period.cut(Step(self.group)) if self.group in STEPS and self.group else ()

    def within(self, moment: Any) -> ColumnElement[bool]:
        """The moment lies in the period."""
        return and_(moment >= self.period.first, moment < self.period.last)

    # -- requests ------------------------------------------------------------------------------------------

    def tickets(self, moment: Any, *columns: Any, apart: bool = True, customers: bool = False) -> Select[Any]:
        """The requests that count and whose `moment` lies in the period: `columns` of them (and with
        `customers` of these), and `grp`.
        """
        query = select(*self._grp(self.ticket_group(moment)), *columns).select_from(Ticket)
        if customers or self.needs_customer:
            query = query.join(Customer, Customer.id == Ticket.customer_id)
        return query.where(self.within(moment), *self.of_tickets(apart=apart))

    def of_tickets(self, *, apart: bool) -> Sequence[ColumnElement[bool]]:
        """The conditions on tickets (and their customers) that follow from viewer and narrowing."""
        wanted = self.narrowing
        conditions: list[ColumnElement[bool]] = [COUNTED, *self._special(apart)]
        pairs: tuple[tuple[Any, Any], ...] = (
            (OWNER, self.viewer.own),
            (OWNING_TEAM, wanted.team_id),
            (OWNER, wanted.staff_id),
            (Ticket.category, wanted.category),
            (Ticket.priority, wanted.priority),
            (Ticket.channel, wanted.channel),
            (Customer.customer_group, wanted.customer_group),
            (Ticket.policy_version_id, wanted.policy_version_id),
        )
        conditions += [column == value for column, value in pairs if value is not None]
        return conditions

    @property
    def of_all(self) -> bool:
        """Whether all requests that count are asked for, told apart by nothing but time."""
        return not self.is_narrow and (self.group is None or bool(self.parts))

    def not_left_out(self, ticket_id: Any, moment: Any) -> tuple[Sequence[Any], ColumnElement[bool]]:
        """With `of_all`, for what belongs to a request and happened at `moment`: `grp`, and the condition
        that its request counts. Few do not: these have an index, and the others need not be read.
        """
        words: list[Any] = [literal_column(f"'{word}'") for word in (NOT_A_TICKET, MERGED)]
        left_out: ColumnElement[bool] = Ticket.close_reason.in_(words)
        if self.narrowing.special is Special.APART:
            left_out = or_(Ticket.special_period.is_not(None), left_out)
        column = self._by({}, moment)
        return self._grp(column), ~exists().where(Ticket.id == ticket_id, left_out)

    def _special(self, apart: bool) -> list[ColumnElement[bool]]:
        if self.narrowing.special is Special.ONLY:
            return [Ticket.special_period.is_not(None)]
        if apart and self.narrowing.special is Special.APART:
            return [Ticket.special_period.is_(None)]
        return []

    @property
    def needs_customer(self) -> bool:
        """Whether the customers of requests must be joined."""
        return self.group is Group.CUSTOMER_GROUP or self.narrowing.customer_group is not None

    @property
    def is_narrow(self) -> bool:
        """Whether anything is asked of requests at all."""
        usual = replace(self.narrowing, special=Special.ONLY) == Narrowing(special=Special.ONLY)
        return self.viewer.own is not None or self.narrowing.special is Special.ONLY or not usual

    def without_channel(self) -> Question:
        """The same for what has a channel of its own."""
        return replace(self, narrowing=replace(self.narrowing, channel=None))

    def ticket_group(self, moment: Any) -> Any:
        """The column of requests that the groups go by; None without groups."""
        columns: dict[Group, Any] = {
            Group.TEAM: OWNING_TEAM,
            Group.STAFF: OWNER,
            Group.CATEGORY: Ticket.category,
            Group.PRIORITY: Ticket.priority,
            Group.CHANNEL: Ticket.channel,
            Group.CUSTOMER_GROUP: Customer.customer_group,
        }
        return self._by(columns, moment)

    def _by(self, columns: dict[Group, Any], moment: Any) -> Any:
        if self.group is None:
            return None
        if self.parts:
            return part_number(moment, [part.first for part in self.parts[1:]])
        return columns[self.group]

    @staticmethod
    def _grp(column: Any) -> list[Any]:
        return [] if column is None else [column.label("grp")]

    # -- surveys -------------------------------------------------------------------------------------------

    def surveys(self, moment: Any, *columns: Any) -> Select[Any]:
        """Surveys whose `moment` lies in the period: `columns` of them, and `grp`.

        Whom a survey is about, and of which group its customer was, stood still when the result was given.
        """
        grp = self._grp(self._of_surveys(moment))
        query = select(*grp, *columns).select_from(Survey)
        if self._needs_ticket:
            query = query.join(Ticket, Ticket.id == Survey.ticket_id)
        return query.where(self.within(moment), *self.of_surveys())

    def of_surveys(self) -> Sequence[ColumnElement[bool]]:
        """The conditions on surveys (and their tickets) that follow from viewer and narrowing."""
        wanted = self.narrowing
        pairs: tuple[tuple[Any, Any], ...] = (
            (Survey.staff_id, self.viewer.own),
            (Survey.team_id, wanted.team_id),
            (Survey.staff_id, wanted.staff_id),
            (Survey.category, wanted.category),
            (Survey.customer_group, wanted.customer_group),
            (Ticket.priority, wanted.priority),
            (Ticket.channel, wanted.channel),
            (Ticket.policy_version_id, wanted.policy_version_id),
        )
        conditions = [column == value for column, value in pairs if value is not None]
        return conditions + self._special(apart=False)

    @property
    def _needs_ticket(self) -> bool:
        wanted = self.narrowing
        of_tickets = (wanted.priority, wanted.channel, wanted.policy_version_id)
        grouped = self.group in (Group.PRIORITY, Group.CHANNEL)
        return grouped or wanted.special is Special.ONLY or any(each is not None for each in of_tickets)

    def _of_surveys(self, moment: Any) -> Any:
        columns: dict[Group, Any] = {
            Group.TEAM: Survey.team_id,
            Group.STAFF: Survey.staff_id,
            Group.CATEGORY: Survey.category,
            Group.PRIORITY: Ticket.priority,
            Group.CHANNEL: Ticket.channel,
            Group.CUSTOMER_GROUP: Survey.customer_group,
        }
        return self._by(columns, moment)

    def of_anonymous(self, category: Any, moment: Any) -> list[Any]:
        """`grp` of answers that know only these two."""
        if self.group is None:
            return []
        return self._grp(self._by({Group.CATEGORY: category}, moment))

    # -- names of groups -----------------------------------------------------------------------------------

    async def labels(self, keys: Sequence[Any]) -> dict[Any, tuple[str, str]]:
        """The code and the name of each group by what the database calls it."""
        if self.group is Group.TEAM:
            teams = await self.uow.session.execute(select(Team.id, Team.name))
            return {ident: (name, name) for ident, name in teams}
        if self.group is Group.STAFF:
            people = await self.uow.session.execute(select(Staff.id, Staff.number, Staff.name))
            return {ident: (number, name) for ident, number, name in people}
        if self.group is not None and self.parts:
            names = [_part_name(part.first_day, self.group) for part in self.parts]
            return {number: (name, name) for number, name in enumerate(names)}
        return {key: (str(key), str(key)) for key in keys if key is not None}


def _part_name(day: date, group: Group) -> str:
    if group is Group.QUARTER:
        return f"{day.year}-Q{(day.month + 2) // 3}"
    if group is Group.WEEK:
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return day.strftime("%Y-%m" if group is Group.MONTH else "%Y-%m-%d")
