"""What `closeloop check` says of staff addresses: are they bound to the company, and who is outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workers.cli.output import Finding

if TYPE_CHECKING:
    from workers.settings import Settings

ABOUT = "staff addresses"
FEW = 5


def staff_findings(settings: Settings) -> Iterator[Finding]:
    """Row B16: sensitive mail goes to the company's own domains; told of a live installation and of any that
    has named its domains. People who were entered before may be outside of them.
    """
    allowed = settings.staff_domains
    if not allowed:
        if settings.mode == "live":
            hint = "set CLOSELOOP_STAFF_DOMAINS to the company's own"
            yield Finding(ABOUT, "warning", "may be of any domain", hint)
        return
    outside = asyncio.run(_outside(settings, allowed))
    if not outside:
        yield Finding(ABOUT, "good", f"all are of {', '.join(allowed)}")
        return
    more = f" and {len(outside) - FEW} more" if len(outside) > FEW else ""
    words = f"{', '.join(outside[:FEW])}{more} have one outside {', '.join(allowed)}"
    yield Finding(ABOUT, "warning", words, "they go on getting mail there: change it by closeloop staff add")


async def _outside(settings: Settings, allowed: tuple[str, ...]) -> list[str]:
    from sqlalchemy import select

    from models.people import Staff
    from workers.cli.opening import workshop_of

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        people = await uow.session.execute(
            select(Staff.number, Staff.email).where(Staff.active.is_(True)).order_by(Staff.number)
        )
        return [number for number, email in people if email.rpartition("@")[2] not in allowed]
