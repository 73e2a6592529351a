"""What `closeloop improvements` does: opens a measure, reports on it, judges it, takes it up again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from workers.cli.loop_commands import BY, one_of, person_of, write
from workers.cli.opening import find_settings
from workers.cli.output import DataOption, JsonOption, console, print_json

if TYPE_CHECKING:
    from models.improving import Improvement
    from models.people import Staff
    from workers.improvements import Plan
    from workers.unit_of_work import UnitOfWork

RESULTS = {"met": True, "not_met": False}
EVENING = time(18)
"""A measure is due at the end of its day, as on the console's page."""
NUMBER = Annotated[str, typer.Argument(help="As IM0001.")]
_KIND = Annotated[str, typer.Option(help="script, knowledge, cross_team, tool, training or other.")]
_CAUSE = Annotated[str, typer.Option(help="process 流程, people 人员 or tool 工具.")]
_DEPARTMENT = Annotated[str, typer.Option(help="Which department answers for it.")]
_OWNER = Annotated[str, typer.Option(help="Staff number of who answers for it.")]
_DUE = Annotated[str, typer.Option(help="The day until which it is carried out, as 2026-05-20.")]
_CYCLE = Annotated[int, typer.Option(help="验证周期: verified so many days after that.")]
_FIGURE = Annotated[str, typer.Option(help="Compared before and after: a key of the catalogue.")]
_SCOPE_TEAM = Annotated[str, typer.Option("--scope-team", help="Compare this team's requests only.")]
_SCOPE_CATEGORY = Annotated[str, typer.Option("--scope-category", help="Compare this category only.")]
_NOTE = Annotated[str, typer.Option(help="What there is to say about it.")]


def improvements_open(
    measure: Annotated[str, typer.Argument(help="What is changed.")],
    kind: _KIND,
    cause: _CAUSE,
    department: _DEPARTMENT,
    owner: _OWNER,
    due: _DUE,
    by: BY,
    ticket: Annotated[str, typer.Option(help="It is about this ticket;")] = "",
    followup: Annotated[str, typer.Option(help="or about this follow-up (its id);")] = "",
    theme: Annotated[str, typer.Option(help="or about this theme.")] = "",
    category: Annotated[str, typer.Option(help="The theme's category, as complaint.")] = "",
    cycle_days: _CYCLE = 14,
    figure: _FIGURE = "",
    scope_team: _SCOPE_TEAM = "",
    scope_category: _SCOPE_CATEGORY = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a measure about a ticket, a follow-up or a theme."""
    from models.vocabulary import Category
    from workers.improvements import open_improvement

    kept = one_of(Category, category) if category else None
    said = {"measure": measure, "kind": kind, "cause": cause, "department": department, "figure": figure}
    scope = {"team": scope_team or None, "category": scope_category or None}

    async def step(uow: UnitOfWork) -> Any:
        from workers.followups import followup_by_id
        from workers.tickets import ticket_by_number
        from workers.web.api.common import uuid_of
        from workers.web.api.improvement_views import detail_view

        person = await person_of(uow, by)
        case = (await followup_by_id(uow, uuid_of(followup, "follow-up")))[0] if followup else None
        row = await open_improvement(
            uow,
            person,
            await _plan(uow, await person_of(uow, owner), said, due, cycle_days, scope),
            theme=theme,
            ticket=await ticket_by_number(uow, ticket) if ticket else None,
            followup=case,
            category=kept,
        )
        return await detail_view(uow, row, person)

    _told(asyncio.run(write(find_settings(data), step)), as_json)


def improvements_progress(
    number: NUMBER,
    words: Annotated[str, typer.Argument(help="What is done.")],
    by: BY,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report progress on a measure."""
    from workers.improvements import report_progress

    _go_on(data, number, by, lambda uow, row, person: report_progress(uow, row, person, words), as_json)


def improvements_carried_out(
    number: NUMBER, by: BY, note: _NOTE = "", data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Say that a measure was carried out: its verification cycle begins now."""
    from workers.improvements import carried_out

    _go_on(data, number, by, lambda uow, row, person: carried_out(uow, row, person, note), as_json)


def improvements_evaluate(
    number: NUMBER,
    result: Annotated[str, typer.Argument(help="met 已达标 or not_met 未达标.")],
    by: BY,
    note: _NOTE = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a measure: met ends it, not_met asks its owner for a review report by mail."""
    from workers.errors import InvalidInput
    from workers.improvements import evaluate

    if result not in RESULTS:
        raise InvalidInput("there is no such result", hint=" or ".join(RESULTS))
    met = RESULTS[result]
    _go_on(
        data, number, by, lambda uow, row, person: evaluate(uow, row, person, met=met, words=note), as_json
    )


def improvements_review(
    number: NUMBER,
    report: Annotated[str, typer.Argument(help="The review report 复盘报告: why it was not met.")],
    measure: Annotated[str, typer.Option(help="What is changed in the next round.")],
    kind: _KIND,
    cause: _CAUSE,
    department: _DEPARTMENT,
    due: _DUE,
    by: BY,
    owner: Annotated[str, typer.Option(help="Staff number of its owner (default: as before).")] = "",
    cycle_days: _CYCLE = 14,
    figure: _FIGURE = "",
    scope_team: _SCOPE_TEAM = "",
    scope_category: _SCOPE_CATEGORY = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand in the review report of a measure that was not met, with the measure of the next round.

    What is compared stays as it was unless another figure or scope is named.
    """
    from models.people import Staff
    from workers.improvements import next_round

    said = {"measure": measure, "kind": kind, "cause": cause, "department": department, "figure": figure}
    scope = {"team": scope_team or None, "category": scope_category or None}

    async def act(uow: UnitOfWork, row: Improvement, person: Staff) -> None:
        named = await person_of(uow, owner) if owner else await uow.session.get_one(Staff, row.owner_id)
        kept = {**said, "figure": figure or row.measure or ""}
        plan = await _plan(uow, named, kept, due, cycle_days, scope if any(scope.values()) else row.scope)
        await next_round(uow, row, person, report, plan)

    _go_on(data, number, by, act, as_json)


def improvements_withdraw(
    number: NUMBER,
    reason: Annotated[str, typer.Argument(help="Why.")],
    by: BY,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a measure up."""
    from workers.improvements import withdraw

    _go_on(data, number, by, lambda uow, row, person: withdraw(uow, row, person, reason), as_json)


STEPS: Mapping[str, Callable[..., Any]] = {
    "open": improvements_open,
    "progress": improvements_progress,
    "carried-out": improvements_carried_out,
    "evaluate": improvements_evaluate,
    "review": improvements_review,
    "withdraw": improvements_withdraw,
}

_Act = Callable[["UnitOfWork", "Improvement", "Staff"], Coroutine[Any, Any, None]]


def _go_on(data: DataOption, number: str, by: str, act: _Act, as_json: bool) -> None:
    """Take a measure one step further, and tell where it stands then."""
    from workers.improvements import improvement_by_number

    async def step(uow: UnitOfWork) -> Any:
        from workers.web.api.improvement_views import detail_view

        person = await person_of(uow, by)
        row = await improvement_by_number(uow, number, person, hold=True)
        await act(uow, row, person)
        return await detail_view(uow, row, person)

    _told(asyncio.run(write(find_settings(data), step)), as_json)


async def _plan(
    uow: UnitOfWork,
    owner: Staff,
    said: Mapping[str, str],
    due: str,
    cycle_days: int,
    scope: Mapping[str, str | None],
) -> Plan:
    from workers.errors import InvalidInput
    from workers.improvements import Plan

    zone = ZoneInfo(uow.policy.zone)
    try:
        due_at = datetime.combine(date.fromisoformat(due), EVENING, zone).astimezone(UTC)
    except ValueError as error:
        raise InvalidInput(f"{due[:40]} is no day", hint="write 2026-05-20") from error
    return Plan(**said, owner=owner, due_at=due_at, cycle_days=cycle_days, scope=scope)


def _told(shown: Any, as_json: bool) -> None:
    told = shown.model_dump(mode="json")
    if as_json:
        print_json(told)
        return
    until = f", report by {told['report_by'][:10]}" if told["report_by"] else ""
    console().print(f"{told['number']} {told['state']} (round {told['round']}{until})")
