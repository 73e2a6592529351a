"""`closeloop targets` and `closeloop improvements`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table

if TYPE_CHECKING:
    from pydantic import BaseModel

    from workers.settings import Settings
    from workers.unit_of_work import UnitOfWork

_BY = Annotated[str, typer.Option(help="Staff number of who does this.")]
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
    wanted = _one_of(TargetState, state) if state else None
    found = asyncio.run(_targets(settings, wanted))
    if as_json:
        print_json(_plain(found))
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
    by: _BY,
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
            owner=await _person(uow, owner),
            scope={"team": team, "category": category},
            department=department,
            promised_to=promised_to,
        )
        return await detail_view(uow, await set_target(uow, await _person(uow, by), aim))

    _told(asyncio.run(_write(find_settings(data), step)), as_json)


def targets_progress(
    number: _NUMBER,
    words: Annotated[str, typer.Argument(help="What is done.")],
    by: _BY,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report progress on a target."""
    from workers.targets import report_progress, target_by_number

    async def step(uow: UnitOfWork) -> Any:
        from workers.web.api.targets import detail_view

        person = await _person(uow, by)
        row = await target_by_number(uow, number, person, hold=True)
        await report_progress(uow, row, person, words)
        return await detail_view(uow, row)

    _told(asyncio.run(_write(find_settings(data), step)), as_json)


def targets_withdraw(
    number: _NUMBER,
    reason: Annotated[str, typer.Argument(help="Why.")],
    by: _BY,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw a target before its end."""
    from workers.targets import end_target, target_by_number

    async def step(uow: UnitOfWork) -> Any:
        from workers.web.api.targets import detail_view

        person = await _person(uow, by)
        row = await target_by_number(uow, number, person, hold=True)
        await end_target(uow, row, person, reason)
        return await detail_view(uow, row)

    _told(asyncio.run(_write(find_settings(data), step)), as_json)


def improvements_list(
    state: Annotated[str, typer.Option(help="to_verify, met, not_met or withdrawn.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Improvement measures 改进措施 and where each stands."""
    from models.vocabulary import ImprovementState

    wanted = _one_of(ImprovementState, state) if state else None
    found = asyncio.run(_improvements(find_settings(data), wanted))
    if as_json:
        print_json(_plain(found))
        return
    titles = ("number", "about", "measure", "kind", "state", "round", "owner", "verified on")
    rows = [
        (
            each.number,
            each.ticket or each.theme or "follow-up",
            each.measure,
            each.kind,
            each.state.value + (" (late)" if each.overdue else ""),
            each.round,
            each.owner,
            (each.report_by or each.verify_at).date(),
        )
        for each in found
    ]
    print_table(titles, rows, "no improvement is open")


def improvements_due(data: DataOption = None, as_json: JsonOption = False) -> None:
    """What is to be re-evaluated within a month, or is late: improvements and follow-ups."""
    found = asyncio.run(_due(find_settings(data)))
    if as_json:
        print_json([{**each, "due_at": each["due_at"].isoformat()} for each in found])
        return
    rows = [
        (each["of"], each["number"], each["state"], each["round"], each["owner"], each["due_at"].date())
        for each in found
    ]
    print_table(("of", "number", "state", "round", "owner", "due"), rows, "nothing is due")


TARGETS: Mapping[str, Callable[..., Any]] = {
    "list": targets_list,
    "add": targets_add,
    "progress": targets_progress,
    "withdraw": targets_withdraw,
}
IMPROVEMENTS: Mapping[str, Callable[..., Any]] = {"list": improvements_list, "due": improvements_due}


async def _person(uow: UnitOfWork, number: str) -> Any:
    from workers.directory import staff_by_number

    return await staff_by_number(uow, number)


async def _write(settings: Settings, step: Callable[[UnitOfWork], Coroutine[Any, Any, Any]]) -> Any:
    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        return await step(uow)


def _told(shown: BaseModel, as_json: bool) -> None:
    told = shown.model_dump(mode="json")
    if as_json:
        print_json(told)
    else:
        console().print(f"{told['number']} {told['title']}: {told['stand']}")


def _plain(found: list[Any]) -> list[Any]:
    return [each.model_dump(mode="json") for each in found]


def _one_of(kind: Any, name: str) -> Any:
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


async def _improvements(settings: Settings, state: Any) -> list[Any]:
    from models.improving import Improvement
    from workers.improvements import Kind, matching
    from workers.web.api.improvement_views import list_view

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        rows = await uow.session.scalars(matching(Kind(state=state), None).order_by(Improvement.id))
        return await list_view(uow, rows.all())


async def _due(settings: Settings) -> list[dict[str, Any]]:
    from workers.improvements import reevaluations_due

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        found = await reevaluations_due(uow, uow.clock.now() + timedelta(days=31))
    names = ("of", "number", "state", "round", "owner", "due_at", "overdue")
    return [{name: getattr(each, name) for name in names} for each in found]
