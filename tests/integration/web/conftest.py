"""A service desk for each test of the web edge, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Backend
from tests.factories import Desk, make_desk


@pytest.fixture
async def desk(backend: Backend) -> AsyncIterator[Desk]:
    """The team of `make_team` behind the web door."""
    async with make_desk(backend) as desk:
        yield desk
