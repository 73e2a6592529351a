"""`closeloop targets`; and what `closeloop improvements` does in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table

if TYPE_CHECKING:
    from pydantic import BaseModel

    from workers.settings import Settings
    from workers.unit_of_work import UnitOfWork

BY = Annotated[str, typer.Option(help="Staff number of who does this.")]
_NUMBER = Annotated[str, typer.Argument(help="As TG0001.")]


def targets_list(
    state: Annotated[str, typer.Option(help="running, reached, missed, too_few or withdrawn.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Targets and where each stands."""
    from models.vocabulary import TargetState
    from workers.aims import value_words

    settings = find_settings(data)
    wanted = one_of(TargetState, state) if state else None
    found = asyncio.run(_targets(settings, wanted))
    if as_json:
        print_json(plain(found))
        return
    titles = ("number", "target", "measure", "from", "to", "now", "cases", "stand", "owner", "last day")
    rows = [
        (
            each.number,
            each.title,
            each.measure,
            *(
                value_words(each.measure, value, settings.locale)
                for value in (each.start_value, each.goal_value, each.current)
            ),
            each.cases,
            each.stand.value,
            each.owner,
            each.last_day,
        )
        for each in found
    ]
    print_table(titles, rows, "no target is set")


def targets_add(
    title: Annotated[str, typer.Argument(help="What it is called.")],
    measure: Annotated[str, typer.Option(help="A key of the catalogue, as first_response_mean.")],
    goal: Annotated[float, typer.Option(help="In the measure's unit: seconds, a share 0-1, a score 1-5.")],
    owner: Annotated[str, typer.Option(help="Staff number of who answers for it.")],
    by: BY,
    start: Annotated[float | None, typer.Option(help="Default: as measured now.")] = None,
    months: Annotated[int, typer.Option(min=1, max=36, help="It runs for so many months from today.")] = 3,
    team: Annotated[str, typer.Option(help="Only this team's requests.")] = "",
    category: Annotated[str, typer.Option(help="Only this category, as complaint.")] = "",
    department: Annotated[str, typer.Option(help="Who promises it.")] = "",
    promised_to: Annotated[str, typer.Option(help="An agreement: to which department.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set a target: from a start value to a goal within some months."""
    from workers.measures.period import DAY, months_later
    from workers.targets import Aim, set_target

    async def step(uow: UnitOfWork) -> Any:
        from workers.web.api.targets import detail_view

        today = uow.policy.calendar.local_date(uow.clock.now())
        aim = Aim(
            title=title,
            measure=measure,
            goal=goal,
            start=start,
            last_day=months_later(today, months) - DAY,
            owner=await person_of(uow, owner),
            scope={"team": team, "category": category},
            department=department,
            promised_to=promised_to,
        )
        return await detail_view(uow, await set_target(uow, await person_of(uow, by), aim))

    _told(asyncio.run(write(find_settings(data), step)), as_json)


def targets_progress(
    number: _NUMBER,
    words: Annotated[str, typer.Argument(help="What is done.")],
    by: BY,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report progress on a target."""
    from workers.targets import report_progress, target_by_number

    async def step(uow: UnitOfWork) -> Any:
        from workers.web.api.targets import detail_view

        person = await person_of(uow, by)
        row = await target_by_number(uow, number, person, hold=True)
        await report_progress(uow, row, person, words)
        return await detail_view(uow, row)

    _told(asyncio.run(write(find_settings(data), step)), as_json)


def targets_withdraw(
    number: _NUMBER,
    reason: Annotated[str, typer.Argument(help="Why.")],
    by: BY,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a target before its end."""
    from workers.targets import end_target, target_by_number

    async def step(uow: UnitOfWork) -> Any:
        from workers.web.api.targets import detail_view

        person = await person_of(uow, by)
        row = await target_by_number(uow, number, person, hold=True)
        await end_target(uow, row, person, reason)
        return await detail_view(uow, row)

    _told(asyncio.run(write(find_settings(data), step)), as_json)


TARGETS: Mapping[str, Callable[..., Any]] = {
    "list": targets_list,
    "add": targets_add,
    "progress": targets_progress,
    "withdraw": targets_withdraw,
}


async def person_of(uow: UnitOfWork, number: str) -> Any:
    """The member of staff of this number. Raises NotFound."""
    from workers.directory import staff_by_number

    return await staff_by_number(uow, number)


async def write(settings: Settings, step: Callable[[UnitOfWork], Coroutine[Any, Any, Any]]) -> Any:
    """What a step gave that was done in one transaction."""
    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        return await step(uow)


def _told(shown: BaseModel, as_json: bool) -> None:
    told = shown.model_dump(mode="json")
    if as_json:
        print_json(told)
    else:
        console().print(f"{told['number']} {told['title']}: {told['stand']}")


def plain(found: list[Any]) -> list[Any]:
    """Views as JSON."""
    return [each.model_dump(mode="json") for each in found]


def one_of(kind: Any, name: str) -> Any:
    """The state of this code. Raises InvalidInput."""
    from workers.errors import InvalidInput

    try:
        return kind(name)
    except ValueError:
        raise InvalidInput("there is no such state", hint=", ".join(kind)) from None


async def _targets(settings: Settings, state: Any) -> list[Any]:
    from models.improving import Target
    from workers.targets import matching, standing
    from workers.targets.finding import Kind
    from workers.web.api.targets import target_views

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        rows = await uow.session.scalars(matching(Kind(state=state), None).order_by(Target.id))
        return await target_views(uow, [await standing(uow, row) for row in rows.all()])
