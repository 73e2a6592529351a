"""A provider's question whether it may forward a mailbox here reaches an administrator, and nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conftest import Backend
from tests.house import open_house
from workers.intake.store import Event, store

pytestmark = pytest.mark.anyio

ASKED = (
    b"From: forwarding-noreply@google.com\nTo: support@help.example\nMessage-ID: <1@mail.gmail.com>\n"
    b"Subject: (#483920175) Gmail Forwarding Confirmation\n\nhttps://mail.google.com/mail/vf-abc\n"
)


async def test_a_forwarding_to_confirm_needs_an_administrator_for_a_week(backend: Backend) -> None:
    async with open_house(backend) as house:
        async with house.workshop.begin() as uow:
            await store(uow, Event("raw", "asked", "mail", ASKED))
        await house.settle()
        (event,) = await house.events()
        assert (event.kind, event.state, event.ticket_id) == ("forward_confirmation", "rejected", None)
        seen = await house.api("GET", "/attention")
        assert seen["counts"]["forward_confirmation"] == 1
        assert seen["items"][0]["id"] == str(event.id)
        assert seen["items"][0]["reason"].startswith("forwarding_confirmation")
        house.clock.advance(timedelta(days=8))
        assert (await house.api("GET", "/attention"))["counts"]["forward_confirmation"] == 0
