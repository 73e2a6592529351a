"""How the fetched mailboxes do is seen by every web process, whichever process fetches them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.mailboxes import Mailbox
from tests.factories import Desk

pytestmark = pytest.mark.anyio


async def test_figures_health_and_attention_tell_of_mailboxes(desk: Desk) -> None:
    now = desk.clock.machine()
    async with desk.workshop.begin() as uow:
        uow.session.add(
            Mailbox(
                address_hash=b"a" * 32,
                name="imap.qq.example:993",
                looked_at=now - timedelta(seconds=90),
                taken=7,
                lag_seconds=4.0,
            )
        )
        uow.session.add(
            Mailbox(
                address_hash=b"b" * 32,
                name="imap.163.example:993",
                fault="authentication_failed",
                fault_since=datetime(2026, 3, 1, tzinfo=UTC),
                failures=1,
            )
        )
        uow.session.add(
            Mailbox(address_hash=b"c" * 32, name="imap.x.example:993", fault="connection_lost", failures=1)
        )
    figures = (await desk.web.get("/metrics")).text
    good, bad = ('{mailbox="imap.qq.example:993",number="1"}', '{mailbox="imap.163.example:993",number="2"}')
    assert f"closeloop_mailbox_looked_seconds_ago{good} 90.0" in figures
    assert f"closeloop_mailbox_mails{good} 7.0" in figures
    assert f"closeloop_mailbox_lag_seconds{good} 4.0" in figures
    assert f"closeloop_mailbox_failing{good} 0.0" in figures
    assert f"closeloop_mailbox_failing{bad} 1.0" in figures
    ready = await desk.web.get("/readyz")
    assert (ready.status_code, "authentication_failed" in ready.json()["checks"]["mailbox"]) == (200, True)
    seen = (await desk.api("GET", "/attention", by="AM001")).json()
    assert seen["counts"]["mailbox"] == 1, "what may pass by itself is not told at once"
    (item,) = [each for each in seen["items"] if each["what"] == "mailbox"]
    assert (item["reason"], item["kind"]) == ("authentication_failed", "imap.163.example:993")
