"""Verdicts from the lines of a log alone: the cases in which a late check or a late receipt tempts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from models.vocabulary import DeadlineState
from workers.policy import load_policy
from workers.tickets.counted import Counted, Line, NotEnoughHistory
from workers.tickets.recounting import recount

POLICY = load_policy("support-response")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of March 2026 in Shanghai; the 2nd is a Monday."""
    return datetime(2026, 3, day, hour - 8, minute, tzinfo=UTC)


def line(kind: str, moment: datetime, priority: str = "", **facts: Any) -> Line:
    if priority:
        case = {
            "priority": priority,
            "category": "other",
            "customer_level": None,
            "team": None,
            "channel": None,
        }
        facts |= {"policy": "one", "case": case}
    return Line(uuid4(), kind, moment, facts)


def told(*lines: Line, now: datetime) -> dict[tuple[str, int], Counted]:
    clocks = recount(lines, {"one": POLICY}.__getitem__, now)
    return {(each.clock.value, each.generation): each for each in clocks}


RECEIVED = line("received", at(2, 10), "medium")


def test_a_limit_that_has_passed_is_breached_whether_it_was_checked_or_not() -> None:
    first = ("first_response", 1)
    assert told(RECEIVED, now=at(2, 17, 59))[first].state is DeadlineState.RUNNING
    assert told(RECEIVED, now=at(2, 18))[first].state is DeadlineState.BREACHED
    late = told(RECEIVED, line("first_response", at(3, 9)), now=at(4, 9))[first]
    assert (late.state, late.met_at) == (DeadlineState.BREACHED, at(3, 9))


def test_what_was_overdue_when_another_clock_took_its_place_was_overdue() -> None:
    clocks = told(RECEIVED, line("replanned", at(3, 9), "low"), now=at(3, 10))
    assert clocks["first_response", 1].state is DeadlineState.BREACHED
    assert clocks["first_response", 2].limit_at == at(3, 18)


def test_an_answer_heard_of_late_that_lay_within_the_limit_undoes_the_breach() -> None:
    changed, answered = line("replanned", at(3, 9), "low"), line("first_response", at(2, 17))
    clocks = told(RECEIVED, changed, answered, now=at(3, 10))
    assert clocks["first_response", 1].state is DeadlineState.WITHDRAWN
    assert clocks["first_response", 2].state is DeadlineState.MET


def test_a_pause_gives_back_what_was_left_and_excuses_nothing_before_it() -> None:
    accepted = line("accepted", at(2, 11), expected_resolution_at=at(2, 16).isoformat())
    waits, answers = line("waiting", at(2, 15)), line("resumed", at(4, 9))
    clocks = told(RECEIVED, accepted, waits, answers, now=at(4, 9, 30))
    assert (clocks["resolution", 1].state, clocks["resolution", 1].limit_at) == (
        DeadlineState.RUNNING,
        at(4, 10),
    )
    clocks = told(RECEIVED, accepted, line("waiting", at(2, 16)), now=at(5, 9))
    assert (clocks["resolution", 1].state, clocks["resolution", 1].limit_at) == (
        DeadlineState.BREACHED,
        at(2, 16),
    )


def test_what_earlier_versions_handed_on_for_an_absence_and_planned_anew_is_told_as_they_did_it() -> None:
    clocks = told(RECEIVED, line("transferred", at(2, 11), why="absent"), now=at(2, 12))
    assert clocks["acceptance", 2].started_at == at(2, 11)
    # They began the same limits anew from the opening, and named all that they had begun anew.
    both = {"first_response": at(2, 18).isoformat(), "acceptance": at(2, 18).isoformat()}
    planned = line("replanned", at(2, 13), "medium", limits_before=both)
    handed_on = line("transferred", at(2, 12), why="absent")
    clocks = told(RECEIVED, handed_on, planned, now=at(2, 14))
    assert {name: each.started_at for name, each in clocks.items() if each.open} == {
        ("first_response", 2): at(2, 10),
        ("acceptance", 3): at(2, 10),
        ("plan", 1): at(2, 10),
    }


def test_a_log_that_does_not_say_by_what_it_is_judged_is_not_guessed_at() -> None:
    with pytest.raises(NotEnoughHistory):
        told(Line(uuid4(), "received", at(2, 10), {"channel": "email"}), now=at(2, 11))
