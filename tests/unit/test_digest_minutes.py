"""Digests of a storm: a minute of one's own for each person, so that not all leave at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from workers.notifications.digests import PLACES, STORM, end_of_minute

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=365)).map(NOON.__add__)


@given(MOMENTS, st.uuids())
def test_who_hears_of_a_storm_hears_within_a_minute_whenever_it_began(now: datetime, person: UUID) -> None:
    leaves = end_of_minute(now, person)
    assert now < leaves <= now + STORM
    assert end_of_minute(leaves - timedelta(microseconds=1), person) == leaves, "one digest for all of it"
    assert end_of_minute(leaves, person) == leaves + STORM


def test_digests_of_many_people_leave_one_after_the_other() -> None:
    leaving = {end_of_minute(NOON, UUID(int=number)) for number in range(100)}
    gaps = {STORM / PLACES}
    assert len(leaving) == PLACES
    assert {
        later - sooner for sooner, later in zip(sorted(leaving), sorted(leaving)[1:], strict=False)
    } == gaps
