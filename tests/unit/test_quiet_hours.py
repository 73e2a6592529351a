"""When a customer is left in peace, by their own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.delivery.silences import zone_of
from workers.policy.quiet import QuietHours

NIGHT = QuietHours.parse("21:00-09:00")
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def at(zone: ZoneInfo, *moment: int) -> datetime:
    year, month, day, hour, minute, second = (*moment, 0)[:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("local", "over"),
    [
        ((2026, 3, 2, 20, 59, 59), None),
        ((2026, 3, 2, 21, 0), (2026, 3, 3, 9, 0)),
        ((2026, 3, 2, 23, 59), (2026, 3, 3, 9, 0)),
        ((2026, 3, 3, 0, 0), (2026, 3, 3, 9, 0)),
        ((2026, 3, 3, 8, 59, 59), (2026, 3, 3, 9, 0)),
        ((2026, 3, 3, 9, 0), None),
    ],
)
def test_the_night_ends_at_nine(local: tuple[int, ...], over: tuple[int, ...] | None) -> None:
    wanted = at(SHANGHAI, *over) if over else None
    assert NIGHT.over_at(at(SHANGHAI, *local), SHANGHAI) == wanted


def test_the_same_moment_is_night_in_one_place_and_day_in_another() -> None:
    moment = at(BERLIN, 2026, 3, 2, 15, 0)
    assert NIGHT.over_at(moment, BERLIN) is None
    assert NIGHT.over_at(moment, SHANGHAI) == at(SHANGHAI, 2026, 3, 3, 9, 0)


def test_quiet_hours_may_lie_within_a_day_or_not_be_at_all() -> None:
    noon = QuietHours.parse("12:00–14:00")
    assert noon.over_at(at(SHANGHAI, 2026, 3, 2, 13, 0), SHANGHAI) == at(SHANGHAI, 2026, 3, 2, 14, 0)
    assert noon.over_at(at(SHANGHAI, 2026, 3, 2, 14, 0), SHANGHAI) is None
    assert QuietHours.parse("none").over_at(at(SHANGHAI, 2026, 3, 2, 3, 0), SHANGHAI) is None


@pytest.mark.parametrize("text", ["", "21-9-3", "9", "21:00-21:00", "25:00-09:00", 21, None])
def test_what_are_no_quiet_hours_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no quiet hours"):
        QuietHours.parse(text)


@given(st.integers(0, 366 * 24 * 60))
def test_after_the_quiet_hours_it_is_not_quiet_and_they_last_no_longer_than_they_say(minute: int) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    over = NIGHT.over_at(moment, BERLIN)
    if over is not None:
        assert moment < over <= moment + timedelta(hours=13)  # the night of the winter change is longer
        assert NIGHT.over_at(over, BERLIN) is None


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("+4915112345678", "Europe/Berlin"),
        ("+12125550111", "America/New_York"),
        ("+8613800005678", "Asia/Shanghai"),
        ("+15550111", "Asia/Shanghai"),  # of no known place
        ("+79161234567", "Asia/Shanghai"),  # of a country with several zones
        ("", "Asia/Shanghai"),
    ],
)
def test_a_number_tells_the_zone_where_it_tells_one_for_certain(phone: str, zone: str) -> None:
    assert zone_of(phone, "Asia/Shanghai") == zone
