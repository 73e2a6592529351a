"""The development channel shows that something would have left, and not what."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from workers.channels.console import ConsoleChannel
from workers.channels.port import Outcome, Outgoing
from workers.clock import SystemClock

pytestmark = pytest.mark.anyio


async def quiet(_: Outcome) -> None:
    """Nobody listens."""


async def test_a_line_is_shown_without_personal_data(capsys: pytest.CaptureFixture[str]) -> None:
    channel = ConsoleChannel(SystemClock(), name="sms")
    item = Outgoing(uuid4(), "+8613800138000", "support@example.com", "张三您好".encode())
    await channel.deliver([item], quiet, until=time.monotonic() + 10)
    shown = capsys.readouterr().err
    assert shown == f"sms: sent {item.id}, 12 bytes, lane normal\n"


async def test_only_the_last_ones_are_kept() -> None:
    channel = ConsoleChannel(SystemClock(), echo=None, keep=3)
    items = [Outgoing(uuid4(), f"p{number}", "", b"") for number in range(10)]
    await channel.deliver(items, quiet, until=time.monotonic() + 10)
    assert list(channel.sent) == items[-3:]
