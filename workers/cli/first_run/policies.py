"""The ready-made policies side by side, with their own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.cli.first_run.wording import say
from workers.cli.output import console, print_table

if TYPE_CHECKING:
    from workers.policy.limit_parts import ByPriority

PRIORITIES = ("urgent", "high", "medium", "low")


def print_policies(locale: str) -> None:
    """A table of each one's limits: first response, and plan or resolution, by priority."""
    rows = policy_rows(locale)
    print_table((say("policy_title"), "", *(say(each) for each in PRIORITIES)), rows, "")
    console().print(say("policy_legend"))


def policy_rows(locale: str) -> list[tuple[str, ...]]:
    """For each ready-made policy its name, its title in `locale`, and its limits by priority."""
    from workers.policy import READY_MADE, load_policy

    rows = []
    for name in READY_MADE:
        document = load_policy(name).document
        limits = document.limits
        title = document.title.for_locale(locale)
        second = limits.plan or limits.resolution
        rows.append((name, title, *(_both(limits.first_response, second, each) for each in PRIORITIES)))
    return rows


def _both(first: ByPriority, second: ByPriority | None, priority: str) -> str:
    return f"{getattr(first, priority).text} / {getattr(second, priority).text if second else '–'}"
