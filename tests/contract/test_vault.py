"""Keys and policies are made once, remembered for a while, and gone when erased, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from models.base import new_id
from models.crypto import Erased
from models.keys import DataKey, PolicyVersion
from models.session import make_gate
from tests.conftest import Backend
from tests.workbench import beside, settings_on, workshop_on
from workers.errors import NotFound
from workers.unit_of_work import Vault, Workshop

pytestmark = pytest.mark.anyio
LEASE = timedelta(seconds=30)


@pytest.fixture
async def workshop(backend: Backend) -> AsyncIterator[Workshop]:
    async with workshop_on(backend.database_url) as workshop:
        yield workshop


async def test_processes_that_start_at_once_share_keys_and_policy_version(backend: Backend) -> None:
    settings = settings_on(backend.database_url)
    gate = make_gate(backend.database_url)

    async def start() -> tuple[Any, ...]:
        async with workshop_on(backend.database_url, settings=settings, gate=gate) as workshop:
            version = await workshop.prepare()
            vault = workshop.vault
            return version, vault.system_key_id, vault.lookup("email", "a@x.org"), vault.reply_token("t")

    started = await asyncio.gather(start(), start(), beside(start), beside(start))
    assert len(set(started)) == 1
    async with workshop_on(backend.database_url, settings=settings) as workshop, workshop.read() as uow:
        assert await uow.session.scalar(select(func.count()).select_from(PolicyVersion)) == 1
        assert await uow.session.scalar(select(func.count()).select_from(DataKey)) == 4


async def test_a_policy_is_found_again_by_its_version(backend: Backend) -> None:
    async with workshop_on(backend.database_url) as first:
        version = await first.prepare()
        async with first.begin() as uow:
            copy = PolicyVersion(
                digest="other", name="other", text=first.policy.version_text, applied_at=uow.clock.now()
            )
            await uow.add(copy)
        async with first.read() as uow:
            assert await uow.policy_of(version) is first.policy
            assert (await uow.policy_of(copy.id)).digest == first.policy.digest
            with pytest.raises(NotFound):
                await uow.policy_of(new_id())


async def test_an_erased_key_takes_its_data_with_it(backend: Backend) -> None:
    settings = settings_on(backend.database_url)
    async with workshop_on(backend.database_url, settings=settings) as workshop:
        async with workshop.begin() as uow:
            alice, bob = await uow.vault.new_key(uow.session), await uow.vault.new_key(uow.session)
            sealed = (await uow.vault.sealer(uow.session, alice)).seal("Alice", "customers.name")
        async with workshop.begin() as uow:
            await uow.session.execute(update(DataKey).where(DataKey.id == alice).values(wrapped=None))
        elsewhere = Vault(settings.secret_keys)
        async with workshop.read() as uow:
            await elsewhere.warm(uow.session, [alice, bob])
            await elsewhere.sealer(uow.session, bob)
            with pytest.raises(Erased):
                await elsewhere.sealer(uow.session, alice)
            with pytest.raises(NotFound):
                await elsewhere.sealer(uow.session, new_id())
            # This process still remembers the key, for a minute at most, or until it is told.
            remembered = await workshop.vault.sealer(uow.session, alice)
            assert remembered.text(sealed, "customers.name") == "Alice"
            workshop.vault.forget(alice)
            with pytest.raises(Erased):
                await workshop.vault.sealer(uow.session, alice)


async def test_a_remembered_key_is_looked_up_again_after_a_minute(backend: Backend) -> None:
    passing = [0.0]
    settings = settings_on(backend.database_url)
    vault = Vault(settings.secret_keys, steady=lambda: passing[0])
    async with workshop_on(backend.database_url, settings=settings) as workshop:
        async with workshop.begin() as uow:
            key = await vault.new_key(uow.session)
        async with workshop.begin() as uow:
            await uow.session.execute(update(DataKey).where(DataKey.id == key).values(wrapped=None))
        async with workshop.read() as uow:
            passing[0] = 59
            await vault.sealer(uow.session, key)
            passing[0] = 61
            with pytest.raises(Erased):
                await vault.sealer(uow.session, key)


async def test_tokens_survive_mail_systems_that_fold_case(workshop: Workshop) -> None:
    await workshop.prepare()
    vault = workshop.vault
    token = vault.new_token()
    assert len(token) == 26
    assert token == token.lower()
    assert vault.token_hash(token) == vault.token_hash(f" {token.upper()} ")
    assert len(vault.reply_token("staff:1")) == 26
    assert vault.reply_token("staff:1") != vault.reply_token("staff:2")
