"""What the web application is made of, and how a route gets at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from workers.audit import Trail
from workers.clock import ClockWatch
from workers.intake.fetching import Fetcher
from workers.intake.gathering import Gathering
from workers.intake.outside import Outside
from workers.metrics import Metrics
from workers.rendering import Renderer
from workers.settings import Settings
from workers.unit_of_work import Workshop
from workers.web.attempts import Attempts
from workers.web.bodies import Budget


@dataclass(frozen=True, slots=True)
class WebParts:
    """All that the routes need, made by the composition root for the event loop that serves them.

    `broker_alive` says whether the broker answers; None: it lives in this process and cannot be away.
    `outside` fetches what webhooks only name; `unproved` bounds what they may make us hold before that;
    `codes` how often one caller may type a code, `sign_ins` how often ask for a mail to sign in. `whole`:
    the figures are those of the installation, too, not of this process alone.
    """

    workshop: Workshop
    renderer: Renderer
    settings: Settings
    metrics: Metrics
    broker_alive: Callable[[], Awaitable[bool]] | None = None
    outside: Outside = field(default_factory=lambda: Outside(Fetcher()))
    unproved: Budget = field(default_factory=Budget)
    codes: Attempts = field(default_factory=lambda: Attempts(most=20, seconds=600))
    sign_ins: Attempts = field(default_factory=lambda: Attempts(most=10, seconds=600))
    watch: ClockWatch = field(default_factory=ClockWatch)
    whole: bool = True
    gathering: Gathering = field(init=False)
    trail: Trail = field(init=False)

    def __post_init__(self) -> None:
        """The ways into the database for single events (`Gathering`) and the audit log (`Trail`)."""
        object.__setattr__(self, "gathering", Gathering(self.workshop))
        object.__setattr__(self, "trail", Trail(self.workshop))


async def web_parts(request: Request) -> WebParts:
    """The parts of the application that this request came to."""
    # A plain function would be run in a thread: as much as half a page costs.
    parts: WebParts = request.app.state.parts
    return parts


Parts = Annotated[WebParts, Depends(web_parts)]
