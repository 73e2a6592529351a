"""`closeloop policy simulate`: what a draft would have made of past tickets, or of a month that never was."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table
from workers.cli.policy_files import LocaleOption, load, named

if TYPE_CHECKING:
    from workers.policy import Policy
    from workers.settings import Settings
    from workers.tickets.simulating import Compared, Tick

COUNTED = ("met", "breached", "warned", "running")
TITLES = {
    "en": ("clock", "priority", "met", "missed", "warned", "not over yet"),
    "zh_CN": ("时限", "优先级", "按时", "超时", "已预警", "尚未结束"),
}
WORDS = {
    "en": ("tickets, before → after", "level reached", "level", "messages to", "nothing to replay"),
    "zh_CN": ("个工单,之前 → 之后", "升级次数", "级别", "消息", "没有可回放的工单"),
}


def simulate(
    draft: Annotated[str, typer.Argument(metavar="DRAFT", help="The TOML file to try.")],
    past: Annotated[
        str,
        typer.Option("--past", help="Replay tickets received in this time (90d, 12h).", show_default=False),
    ] = "",
    month: Annotated[
        int, typer.Option("--month", min=0, max=1_000_000, help="Or so many made-up tickets in a month.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same month.")] = 1,
    as_it_was: Annotated[
        bool, typer.Option("--as-it-was", help="Compare with what each ticket was judged by.")
    ] = False,
    locale: LocaleOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a draft would have made of past tickets, beside the policy in force. Nothing is changed."""
    from workers.errors import InvalidInput

    settings = find_settings(data)
    policy = load(settings, draft)
    if bool(past) == bool(month):
        raise InvalidInput("give either --past or --month", hint="--past 90d, or --month 2000")
    if month and as_it_was:
        raise InvalidInput("--as-it-was belongs to --past", hint="made-up tickets were judged by nothing yet")
    before, compared = _with_progress(settings, policy, _length(past), month, seed, as_it_was, quiet=as_json)
    if as_json:
        print_json(_for_programs(before, policy, compared, as_it_was=as_it_was))
    else:
        _print(compared, locale or settings.locale)


def _length(text: str) -> timedelta | None:
    from workers.errors import InvalidInput

    if not text:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,3})([dh])", text.strip(), re.ASCII)
    if found is None:
        raise InvalidInput(f"{text[:24]} is no length of time", hint="write days or hours: 90d, 12h")
    return timedelta(**{{"d": "days", "h": "hours"}[found[2]]: int(found[1])})


def _with_progress(
    settings: Settings,
    draft: Policy,
    past: timedelta | None,
    month: int,
    seed: int,
    as_it_was: bool,
    *,
    quiet: bool,
) -> tuple[Policy, Compared]:
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("replaying tickets", total=None)

        def tick(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return asyncio.run(_simulate(settings, draft, past, month, seed, as_it_was, tick))


async def _simulate(
    settings: Settings,
    draft: Policy,
    past: timedelta | None,
    month: int,
    seed: int,
    as_it_was: bool,
    tick: Tick,
) -> tuple[Policy, Compared]:
    from workers.tickets.past import Which
    from workers.tickets.simulating import simulate_month, simulate_past

    async with workshop_of(settings) as workshop:
        async with workshop.read() as uow:
            before, now = uow.policy, uow.clock.now()
        if past is None:
            begins = datetime(now.year, now.month, 1, tzinfo=UTC)
            return before, simulate_month(before, draft, month, begins, seed=seed, tick=tick)
        which = Which(since=now - past, until=now)
        return before, await simulate_past(workshop, draft, which, as_it_was=as_it_was, tick=tick)


def _for_programs(before: Policy, draft: Policy, compared: Compared, *, as_it_was: bool) -> dict[str, Any]:
    sides = {"before": compared.before, "after": compared.after}
    return {
        "before": {"as_it_was": True} if as_it_was else named(before),
        "after": named(draft),
        "tickets": compared.before.tickets,
        "clocks": [
            {
                "clock": clock,
                "priority": priority,
                **{
                    side: {what: tally.clocks[clock, priority, what] for what in COUNTED}
                    for side, tally in sides.items()
                },
            }
            for clock, priority in _rows(compared)
        ],
        "levels": [
            {"level": level, **{side: tally.levels[level] for side, tally in sides.items()}}
            for level in _keys(compared.before.levels, compared.after.levels)
        ],
        "messages": [
            {"medium": key[0], "role": key[1], **{side: tally.messages[key] for side, tally in sides.items()}}
            for key in _keys(compared.before.messages, compared.after.messages)
        ],
    }


def _rows(compared: Compared) -> list[tuple[str, str]]:
    """The clocks and priorities that occur, in the order in which people think of them."""
    from models.vocabulary import Priority
    from workers.policy import SlaClock

    there = {key[:2] for tally in (compared.before, compared.after) for key in tally.clocks}
    wanted = [(clock.value, priority.value) for clock in SlaClock for priority in Priority]
    return [key for key in wanted if key in there]


def _keys(*counters: Iterable[Any]) -> list[Any]:
    return sorted({key for counter in counters for key in counter})


def _print(compared: Compared, locale: str) -> None:
    from workers.policy import word

    said = "zh_CN" if locale.lower().startswith("zh") else "en"
    tickets, reached, level, messages, empty = WORDS[said]
    console().print(f"{compared.before.tickets} {tickets}")
    before, after = compared.before, compared.after
    clocks: list[Sequence[object]] = [
        (
            word(clock, said),
            word(priority, said),
            *(
                _both(before.clocks[clock, priority, what], after.clocks[clock, priority, what])
                for what in COUNTED
            ),
        )
        for clock, priority in _rows(compared)
    ]
    print_table(TITLES[said], clocks, empty)
    levels = [
        (number, _both(before.levels[number], after.levels[number]))
        for number in _keys(before.levels, after.levels)
    ]
    if levels:
        print_table((level, reached), levels, "")
    sent = [
        (
            word(medium, said),
            word(role, said),
            _both(before.messages[medium, role], after.messages[medium, role]),
        )
        for medium, role in _keys(before.messages, after.messages)
    ]
    if sent:
        print_table((messages, "", ""), sent, "")


def _both(before: int, after: int) -> str:
    return str(before) if before == after else f"{before} → {after}"
