"""What a ticket's time was spent on, against a recount minute by minute that looks at each moment anew."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from workers.weak_links.spending import TOLD, Phase, spent

START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WORKED = ("accepted", "first_response", "progress", "plan_given", "answer_written", "resolved")
OVER = ("confirmed", "unconfirmed", "closed", "dismissed", "merged")


def _last(lines: list[Any], kinds: tuple[str, ...]) -> int:
    """The place of the last line of these kinds; -1: none."""
    return max((place for place, line in enumerate(lines) if line[0] in kinds), default=-1)


def _phase(lines: list[Any]) -> Phase | None:
    """What the ticket waits for after these lines, each question asked of the whole log anew."""
    again = _last(lines, ("reopened",))
    if _last(lines, OVER) > max(again, _last(lines, ("dismissal_undone", "merge_undone"))):
        return None
    if _last(lines, ("resolved",)) > again:
        return Phase.CONFIRMATION
    if _last(lines, ("waiting",)) > max(again, _last(lines, ("resumed",))):
        return Phase.CUSTOMER
    given, taken = _last(lines, ("assigned", "transferred")), _last(lines, WORKED)
    if given == taken == -1:
        return Phase.ASSIGNMENT
    if given > taken:
        had = _last(lines[:given], ("assigned", "transferred", *WORKED)) >= 0
        return Phase.TRANSFER if lines[given][0] == "transferred" and had else Phase.ACCEPTANCE
    named = _last(lines, ("cooperation_named",))
    if named > again and lines[named][2].get("cooperating"):
        return Phase.OTHER_TEAMS
    return Phase.WORK


def _recounted(lines: list[Any], minutes: int) -> dict[Phase, timedelta]:
    counts = Counter(
        _phase([line for line in lines if line[1] <= START + minute * MINUTE]) for minute in range(minutes)
    )
    return {phase: count * MINUTE for phase, count in counts.items() if phase is not None}


def test_phases_equal_a_recount_of_each_minute() -> None:
    dice = random.Random(20260302)
    seen: set[Phase] = set()
    for _ in range(40):
        moments = sorted(dice.sample(range(1, 200), dice.randint(0, 12)))
        lines = [
            (dice.choice(TOLD), START + at * MINUTE, {"cooperating": dice.choice([[], ["ops"]])})
            for at in moments
        ]
        found = {phase: span for phase, span in spent(START, lines, START + 240 * MINUTE).items() if span}
        assert found == _recounted(lines, 240), lines
        seen |= found.keys()
    assert seen == set(Phase), "every phase was met"


def test_a_line_about_an_earlier_moment_takes_nothing_back() -> None:
    lines: list[Any] = [
        ("assigned", START + 10 * MINUTE, {}),
        ("first_response", START + 5 * MINUTE, {}),
        ("closed", START + 30 * MINUTE, {}),
    ]
    found = spent(START, lines, START + 60 * MINUTE)
    assert found == {
        Phase.ASSIGNMENT: 10 * MINUTE,
        Phase.ACCEPTANCE: timedelta(),
        Phase.WORK: 20 * MINUTE,
    }
    assert sum(found.values(), timedelta()) == 30 * MINUTE
