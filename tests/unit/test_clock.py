"""A demonstration's clock: fast, the same in every process, and patient until it starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from workers.clock import MAY_DIFFER, ClockWatch, FastClock

MONDAY = datetime(2025, 5, 19, 1, 0, tzinfo=UTC)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's clocks, moved by hand: seconds since 1970 in its only place."""
    now = [1.7e9]
    shown = SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0] - 1.6e9)
    monkeypatch.setattr("workers.clock.time", shown)
    return now


def test_a_fast_clock_stands_still_until_its_start_and_then_runs(machine: list[float]) -> None:
    clock = FastClock(3600, MONDAY, machine[0] + 0.2)
    assert clock.now() == MONDAY
    assert clock.real_delay(MONDAY) == 0
    assert clock.real_delay(MONDAY + timedelta(hours=1)) == pytest.approx(1.2)
    machine[0] += 0.3
    assert clock.now() - MONDAY == pytest.approx(timedelta(seconds=360), abs=timedelta(seconds=1))


def test_the_clocks_of_two_processes_show_the_same_time(machine: list[float]) -> None:
    at = machine[0] - 10
    first = FastClock(600, MONDAY, at)
    machine[0] += 2
    second = FastClock(600, MONDAY, at)
    assert abs(first.now() - second.now()) < timedelta(seconds=1)
    assert first.now() - MONDAY == pytest.approx(timedelta(minutes=120), abs=timedelta(seconds=1))


def test_small_corrections_do_not_add_up_to_a_jump_and_a_jump_ends_when_it_is_taken_back() -> None:
    wall, steady = [1e9], [100.0]
    watch = ClockWatch(lambda: wall[0], lambda: steady[0])
    for _ in range(20):
        wall[0] += 60.9
        steady[0] += 60
        assert not watch.parted()
    wall[0] -= 7
    assert watch.parted()
    assert watch.jump() == pytest.approx(-7, abs=0.1)
    wall[0] += 6.5
    assert not watch.parted()
    steady[0] += 3600
    assert watch.parted(), "a wall clock that stands still is wrong, too"


def test_a_clock_that_stands_still_is_no_clock() -> None:
    with pytest.raises(ValueError, match="positive"):
        FastClock(0)


def test_a_clock_that_is_not_the_databases_is_wrong_until_the_two_agree() -> None:
    watch = ClockWatch()
    asked = [watch.to_be_compared]
    watch.compared(MAY_DIFFER - 1)
    assert [*asked, watch.to_be_compared] == [True, False]
    assert not watch.parted(), "what any lease can spare"
    for far in (MAY_DIFFER + 1, -3600.0):
        watch.compared(far)
        assert watch.parted()
        assert watch.wrong_by() == far
    watch.compared(0.2)
    assert not watch.parted()


def test_a_process_that_was_started_on_a_wrong_clock_goes_on_when_it_is_put_right() -> None:
    wall, steady = [1e9 + 3600], [100.0]
    watch = ClockWatch(lambda: wall[0], lambda: steady[0])
    watch.compared(3600.0)
    wall[0] -= 3600
    assert watch.parted(), "as long as nobody says that this is the true time"
    watch.compared(0.1)
    assert not watch.parted()
    wall[0] += 600
    watch.compared(0.1)
    assert watch.parted(), "a database on the same machine jumps along, and vouches for nothing"
