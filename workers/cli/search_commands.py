"""`closeloop search`, `closeloop index rebuild`, `closeloop report problems`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table

if TYPE_CHECKING:
    from workers.knowledge import Review
    from workers.search import Progress, Question
    from workers.settings import Settings
    from workers.web.api.search_views import FoundShown


def search(
    words: Annotated[
        list[str] | None, typer.Argument(help="Words and numbers; of Chinese, two characters.")
    ] = None,
    kind: Annotated[str, typer.Option(help="ticket, communication or knowledge (default: all).")] = "",
    customer: Annotated[str, typer.Option(help="The customer's code.")] = "",
    category: Annotated[str, typer.Option(help="Code, label or alias.")] = "",
    since: Annotated[str, typer.Option("--from", help="Received or took place from then on.")] = "",
    until: Annotated[str, typer.Option("--to", help="Up to the end of that day.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most.")] = 20,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find tickets, communication records and knowledge entries; best first, personal data masked."""
    settings = find_settings(data)
    given = {"words": " ".join(words or ()), "kind": kind, "customer": customer, "category": category}
    found = asyncio.run(_search(settings, given, since, until, limit))
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    rows = [
        (each.number, each.title, each.state, each.customer, each.handler, each.at.date()) for each in found
    ]
    print_table(("number", "subject", "state", "customer", "handler", "day"), rows, "nothing was found")


def rebuild(
    anew: Annotated[bool, typer.Option("--anew", help="Empty the index first.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the index of words anew, while everything goes on; broken off, the next call goes on with it.

    Needed once after an upgrade to the first version with a search, and after a backup was restored.
    """
    from rich.progress import Progress as Bar

    settings = find_settings(data)
    with Bar(console=console(stderr=True), transient=True, disable=as_json) as bar:
        task = bar.add_task("indexing", total=None)

        def tick(now: Progress) -> None:
            bar.update(task, completed=now.done, total=now.total)

        end = asyncio.run(_rebuild(settings, tick, anew=anew))
    if as_json:
        print_json(asdict(end))
    else:
        console().print(f"{end.done} tickets, records and entries are indexed")


def problems(
    until: Annotated[str, typer.Option("--to", help="The end of the week (default: now).")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """What customers wrote about most in seven days: the weekly review as it would be sent now."""
    settings = find_settings(data)
    review = asyncio.run(_review(settings, until))
    if as_json:
        print_json(
            {
                **asdict(review.week),
                "repeated": [asdict(each) for each in review.repeated],
                "new": [each.number for each in review.new],
                "due": [each.number for each in review.due],
                "drafts": [each.number for each in review.drafts],
            }
        )
        return
    rows = [
        (
            " ".join(each.words),
            each.cases,
            each.customers,
            each.weeks,
            each.category,
            " ".join(each.samples),
            " ".join(each.entries),
            "yes" if each in review.repeated else "",
        )
        for each in review.week.problems
    ]
    titles = ("words", "cases", "customers", "weeks", "category", "for example", "entries", "repeated")
    print_table(titles, rows, f"nothing came up often in {review.week.cases} cases")


INDEX: Mapping[str, Callable[..., Any]] = {"rebuild": rebuild}


async def _search(
    settings: Settings, given: Mapping[str, str], since: str, until: str, limit: int
) -> list[FoundShown]:
    from workers.search import find
    from workers.web.api.search_views import shown

    found: list[FoundShown] = []
    cursor = None
    async with workshop_of(settings) as workshop:
        while len(found) < limit:
            async with workshop.read() as uow:
                question = _question(settings, given, since, until)
                page = await find(uow, question, None, limit=min(100, limit - len(found)), cursor=cursor)
                found += await shown(uow, page.found, settings.locale)
            cursor = page.cursor
            if cursor is None:
                break
    return found


def _question(settings: Settings, given: Mapping[str, str], since: str, until: str) -> Question:
    from zoneinfo import ZoneInfo

    from workers.cli.duty_commands import moment_in
    from workers.errors import InvalidInput
    from workers.policy import load_policy
    from workers.search import KINDS, Question

    zone = ZoneInfo(settings.timezone)
    policy = load_policy(settings.policy, zone=settings.timezone, locale=settings.locale)
    category = policy.category_of(given["category"]) if given["category"] else None
    if given["category"] and category is None:
        raise InvalidInput("this is no category", hint="give a code or its label")
    if given["kind"] and given["kind"] not in KINDS:
        raise InvalidInput("there is no such kind", hint=", ".join(KINDS))
    return Question(
        words=given["words"],
        kinds=(given["kind"],) if given["kind"] else KINDS,
        customer=given["customer"],
        category=category,
        since=moment_in(since, zone),
        until=moment_in(until, zone, end=True),
    )


async def _rebuild(settings: Settings, tick: Callable[[Progress], None], *, anew: bool) -> Progress:
    from workers.search import rebuild as make_anew

    async with workshop_of(settings) as workshop:
        return await make_anew(workshop, tick, anew=anew)


async def _review(settings: Settings, until: str) -> Review:
    from zoneinfo import ZoneInfo

    from workers.cli.duty_commands import moment_in
    from workers.knowledge import review_until

    zone = ZoneInfo(settings.timezone)
    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return await review_until(uow, moment_in(until, zone, end=True) or uow.clock.now())
