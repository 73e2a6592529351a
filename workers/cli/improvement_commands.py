"""`closeloop improvements`: measures 改进措施 and where each stands; the steps of one stand beside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.improvement_steps import NUMBER, STEPS
from workers.cli.loop_commands import one_of, plain
from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, print_json, print_table

if TYPE_CHECKING:
    from workers.settings import Settings


def improvements_list(
    state: Annotated[str, typer.Option(help="to_verify, met, not_met or withdrawn.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Improvement measures 改进措施 and where each stands."""
    from models.vocabulary import ImprovementState

    wanted = one_of(ImprovementState, state) if state else None
    found = asyncio.run(_improvements(find_settings(data), wanted))
    if as_json:
        print_json(plain(found))
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


def improvements_show(number: NUMBER, data: DataOption = None, as_json: JsonOption = False) -> None:
    """One measure: where it stands, before and after, and its log."""
    found = asyncio.run(_one(find_settings(data), number))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    names = ("state", "round", "ticket", "theme", "measure", "kind", "cause", "department", "owner")
    days = ("due_at", "done_at", "verify_at", "report_by")
    rows = [(name, value) for name in names if (value := getattr(found, name))]
    rows += [(name, value.date()) for name in days if (value := getattr(found, name))]
    if found.effect is not None:
        rows.append((found.effect.figure, found.effect.verdict.value))
    print_table((found.number, ""), rows, "")
    said = [(each.at.date(), each.kind, each.by, " ".join(each.words.values())) for each in found.log]
    print_table(("day", "what", "by", "said"), said, "")


IMPROVEMENTS: Mapping[str, Callable[..., Any]] = {
    "list": improvements_list,
    "due": improvements_due,
    "show": improvements_show,
    **STEPS,
}


async def _one(settings: Settings, number: str) -> Any:
    from workers.improvements import improvement_by_number
    from workers.web.api.improvement_views import detail_view

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return await detail_view(uow, await improvement_by_number(uow, number, None), None)


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
