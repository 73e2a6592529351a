"""The event loop's time, moved on by hand: what waits for minutes ends at once, and nobody need hurry."""

from __future__ import annotations

import asyncio


def leap(seconds: float) -> None:
    """What the running loop has put off for so long, or less, happens with its next turns.

    Its clock stays ahead from then on: to those that measure by it, only differences count.
    """
    loop = asyncio.get_running_loop()
    before = loop.time
    setattr(loop, "time", lambda: before() + seconds)  # noqa: B010 - the loop of a test
