"""Data keys are wrapped anew while everything runs, and no key of the ring is dropped too early."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from models.crypto import KeyRing, new_key
from models.keys import DataKey, RingKey
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.factories import make_team, make_ticket, make_workshop
from tests.fakes import ManualClock
from workers.errors import SettingsError
from workers.privacy import rotation
from workers.privacy.rotation import key_counts, rotate
from workers.tickets import ticket_by_number

pytestmark = pytest.mark.anyio
OLD, NEW = (f"{name}:{base64.b64encode(new_key()).decode()}" for name in ("old", "new"))


async def test_keys_are_wrapped_anew_by_several_at_once_and_after_a_kill(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 4)
    clock = ManualClock()
    async with make_workshop(backend, clock, secret_keys=KeyRing.parse(OLD)) as running:
        await make_team(running)
        numbers = [(await make_ticket(running, email=f"c{n}@shop.example")).number for n in range(9)]
        both = KeyRing.parse(f"{NEW},{OLD}")
        async with make_workshop(backend, clock, secret_keys=both) as first:
            async with first.begin() as uow:  # an erased one stays erased, one with a foreign key stays
                ids = list(await uow.session.scalars(select(DataKey.id).order_by(DataKey.id.desc()).limit(2)))
                await uow.session.execute(update(DataKey).where(DataKey.id == ids[0]).values(wrapped=None))
                await uow.session.execute(update(DataKey).where(DataKey.id == ids[1]).values(ring_key="?"))
            told: list[int] = []

            def die(count: int) -> None:
                told.append(count)
                raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                await rotate(first, die)
            assert told == [4]
            async with make_workshop(backend, clock, secret_keys=both) as second:
                found = await asyncio.gather(rotate(first), rotate(second))
            assert sum(one.rewrapped for one in found) >= 7
            assert {one.unreadable for one in found} <= {0, 1}
            assert any(one.unreadable for one in found)
            async with first.begin() as uow:
                counts, destroyed = await key_counts(uow)
                by_name = {one.name: one for one in counts}
                assert (by_name["old"].data_keys, by_name["old"].may_be_dropped) == (0, True)
                assert (by_name["new"].data_keys, by_name["new"].may_be_dropped) == (11, False)
                assert (by_name["?"].in_ring, destroyed) == (False, 1)
                await uow.session.execute(update(DataKey).where(DataKey.id == ids[1]).values(wrapped=None))
        # Who runs with the old key first goes on: what it made meanwhile is wrapped by the old one again.
        async with running.read() as uow:
            ticket = await ticket_by_number(uow, numbers[0])
            sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
            assert sealer.text(ticket.subject_sealed, "tickets.subject")
        await make_ticket(running, email="late@shop.example")
    for ring, lost in ((NEW, ()), (NEW, ("another",))):
        with pytest.raises(SettingsError, match="lacks 'old'"):
            async with make_workshop(
                backend, clock, secret_keys=KeyRing.parse(ring), lost_keys=lost
            ) as early:
                await early.prepare()
    async with make_workshop(backend, clock, secret_keys=both) as again:
        await rotate(again)
    new = KeyRing.parse(NEW)
    async with make_workshop(backend, clock, secret_keys=new) as after, after.read() as uow:
        ticket = await ticket_by_number(uow, numbers[3])
        sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
        assert sealer.text(ticket.subject_sealed, "tickets.subject")
        assert set(await uow.session.scalars(select(RingKey.name))) == {"new"}
        left = select(func.count()).where(DataKey.ring_key == "old", DataKey.wrapped.is_not(None))
        assert await uow.session.scalar(left) == 0


def test_the_commands_tell_what_was_done_and_what_may_be_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
    closeloop.set(SECRET_KEYS=OLD)
    assert closeloop("migrate").code == 0
    assert closeloop("keys", "status", "--json").json["keys"] == [
        {"name": "old", "data_keys": 4, "in_ring": True, "newest": True, "may_be_dropped": False}
    ]
    closeloop.set(SECRET_KEYS=NEW)
    refused = closeloop("keys", "rotate")
    assert refused.code == 2
    assert "lacks 'old'" in refused.err
    assert "CLOSELOOP_LOST_KEYS" in refused.err
    closeloop.set(SECRET_KEYS=f"{NEW},{OLD}")
    assert "still needed" in closeloop("keys", "status").out
    assert closeloop("keys", "rotate", "--json").json == {"rewrapped": 4, "unreadable": 0}
    assert "may be dropped" in closeloop("keys", "status").out
    closeloop.set(SECRET_KEYS=NEW)
    assert closeloop("keys", "rotate").out.strip().endswith("0 data keys were wrapped anew")
