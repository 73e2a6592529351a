"""The desk of webhooks on both databases: tries on record, retries, an end; a slow one holds up nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models.notifications import Notification
from models.tables import Base
from models.vocabulary import Lane
from models.webhooks import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookState,
)
from tests.conftest import Backend
from tests.factories import all_of, make_team, make_ticket, make_workshop
from tests.fakes import ManualClock
from tests.fakes_webhooks import CUT, HANG, LOOPBACK, FakeEndpoint, webhook_server
from workers import webhooks
from workers.history import record
from workers.outbound import Caller
from workers.posting import Posting
from workers.posting.verdicts import PAUSES, RESTS_AFTER
from workers.tickets import ticket_by_number
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio

CALLER = Caller(allowed=LOOPBACK["webhook_networks"], http=True)


class Clock(ManualClock):
    """Promise time stands still; machine time is real, for the other side looks at its own clock."""

    def machine(self) -> datetime:
        return datetime.now(UTC)


@asynccontextmanager
async def desk(backend: Backend) -> AsyncIterator[tuple[Workshop, FakeEndpoint]]:
    """A workshop with a team, and a server that listens as the endpoint `desk` to all events."""
    async with webhook_server() as server, make_workshop(backend, Clock(), **LOOPBACK) as workshop:
        await make_team(workshop)
        server.secrets = [await endpoint(workshop, server, "desk")]
        yield workshop, server


async def endpoint(workshop: Workshop, server: FakeEndpoint, name: str) -> str:
    """One more endpoint at the server; gives its secret."""
    async with workshop.begin() as uow:
        given = webhooks.EndpointGiven(name=name, url=server.url(f"/{name}"), events=["*"])
        _, secret = await webhooks.add_endpoint(uow, given)
    return secret


async def promise_test(workshop: Workshop, name: str = "desk") -> None:
    """A test event is promised."""
    async with workshop.begin() as uow:
        await webhooks.send_test(uow, await webhooks.endpoint_named(uow, name))


async def served(workshop: Workshop, *, sooner: bool = False) -> None:
    """All that is due is posted, with `sooner` what pauses too."""
    if sooner:
        async with workshop.begin() as uow:
            await uow.session.execute(update(WebhookDelivery).values(free_at=None))
    posting = Posting(workshop, CALLER)
    await posting.hear(Lane.NORMAL)
    await posting.idle()


async def one(workshop: Workshop, model: type[Base]) -> Any:
    (row,) = await all_of(workshop, model)
    return row


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - another side's list
            await asyncio.sleep(0.01)


async def test_what_a_lost_worker_had_begun_is_on_record_and_sent_again_with_its_id(backend: Backend) -> None:
    async with desk(backend) as (workshop, server):
        await promise_test(workshop)
        server.answers["/desk"] = [HANG]
        lost = Posting(workshop, CALLER)
        await lost.hear(Lane.NORMAL)
        await until(lambda: bool(server.heard))
        attempt = await one(workshop, WebhookAttempt)
        assert (attempt.outcome, attempt.finished_at) == (None, None), "on record before the first byte"
        await lost.aclose()
        await served(workshop)
        assert len(server.heard) == 1, "its lease protects it"
        await served(workshop, sooner=True)
        assert len({each.ident for each in server.heard}) == 1
        assert [each.raw for each in server.heard] == [server.heard[0].raw] * 2
        attempts = await all_of(workshop, WebhookAttempt)
        assert [(each.outcome, each.reason) for each in sorted(attempts, key=lambda row: row.id)] == [
            ("unknown", "worker_lost"),
            ("delivered", "accepted"),
        ]
        row = await one(workshop, WebhookDelivery)
        assert (row.state, row.due_at, row.tries) == (WebhookState.DELIVERED, None, 2)


async def test_who_takes_nothing_for_three_days_is_switched_off_and_can_be_told_later(
    backend: Backend,
) -> None:
    async with desk(backend) as (workshop, server):
        await promise_test(workshop)
        server.answers[""] = [503, CUT, 302, 404] + [500] * 20
        for tries in range(1, len(PAUSES) + 1):
            await served(workshop, sooner=True)
            row = await one(workshop, WebhookDelivery)
            assert (row.state, row.tries) == (WebhookState.RETRYING, tries)
            pause = (row.free_at - workshop.clock.machine()).total_seconds()
            assert 0.8 * PAUSES[tries - 1] <= pause + 30 <= 1.2 * PAUSES[tries - 1] + 31
        reasons = [each.reason for each in sorted(await all_of(workshop, WebhookAttempt), key=lambda r: r.id)]
        assert reasons[:5] == ["server_error", "lost_after_data", "redirected", "rejected", "server_error"]
        resting = await one(workshop, WebhookEndpoint)
        assert resting.failures >= RESTS_AFTER
        assert resting.resting_until is not None
        await make_ticket(workshop)
        heard = len(server.heard)
        await served(workshop)
        assert len(server.heard) == heard, "it rests: nothing is sent by the way"
        async with workshop.begin() as uow:
            await uow.session.execute(
                update(WebhookDelivery).where(WebhookDelivery.tries > 0).values(free_at=None)
            )
        await served(workshop)
        rows = sorted(await all_of(workshop, WebhookDelivery), key=lambda each: each.id)
        assert [(each.state, each.reason) for each in rows] == [
            (WebhookState.FAILED, "gave_up_server_error"),
            (WebhookState.STOPPED, "endpoint_disabled"),
            (WebhookState.STOPPED, "endpoint_disabled"),
        ]
        off = await one(workshop, WebhookEndpoint)
        assert (off.active, off.disabled_reason) == (False, webhooks.FAILING)
        told = [row.kind for row in await all_of(workshop, Notification)]
        assert told.count("webhook_disabled") == 1
        server.answers.clear()
        async with workshop.begin() as uow:
            row = await webhooks.endpoint_named(uow, "desk", hold=True)
            await webhooks.change_endpoint(uow, row, {"active": True, "events": ["*"]})
            for each in rows:
                webhooks.replay(uow, row, await webhooks.delivery_of(uow, row, each.id, hold=True))
        await served(workshop)
        assert {each.state for each in await all_of(workshop, WebhookDelivery)} == {WebhookState.DELIVERED}
        assert {each.ident for each in server.heard[:1]} < {each.ident for each in server.heard}
        healthy = await one(workshop, WebhookEndpoint)
        assert (healthy.failures, healthy.failing_since) == (0, None)


async def test_gone_is_believed_at_once_and_what_was_missed_is_replayed(backend: Backend) -> None:
    async with desk(backend) as (workshop, server):
        server.answers["/desk"] = [410]
        await promise_test(workshop)
        await served(workshop)
        off = await one(workshop, WebhookEndpoint)
        assert (off.active, off.disabled_reason) == (False, webhooks.GONE)
        before = workshop.clock.now()
        await make_ticket(workshop)
        assert len(await all_of(workshop, WebhookDelivery)) == 1, "it hears nothing while it is off"
        async with workshop.begin() as uow:
            row = await webhooks.endpoint_named(uow, "desk", hold=True)
            await webhooks.change_endpoint(uow, row, {"active": True})
            later = before + timedelta(seconds=1)
            done = await webhooks.replay_range(uow, row, before - timedelta(days=1), later)
            assert done.count == len(await _events(workshop, uow)) - 1, "tests are not replayed by range"
        await served(workshop)
        assert {"ticket.opened", "ticket.assigned"} <= set(server.types())


async def _events(workshop: Workshop, uow: Any) -> list[WebhookEvent]:
    return list(await uow.session.scalars(select(WebhookEvent)))


async def test_a_slow_endpoint_holds_up_nobody(backend: Backend) -> None:
    async with desk(backend) as (workshop, server):
        server.secrets.append(await endpoint(workshop, server, "slow"))
        server.answers["/slow"] = [HANG] * 8
        for _ in range(6):
            await promise_test(workshop, "slow")
        await promise_test(workshop)
        posting = Posting(workshop, CALLER)
        async with asyncio.timeout(60):
            assert await posting.hear(Lane.NORMAL) == 2, "the bell's thread is free at once"
            assert await posting.hear(Lane.NORMAL) == 0, "one task for each endpoint"
        await until(lambda: any(each.path == "/desk" for each in server.heard))
        await until(lambda: sum(each.path == "/slow" for each in server.heard) == 4)
        assert posting._running, "the slow one is still being waited for"
        await posting.aclose()
        with suppress(TimeoutError):  # a task that does not end is broken off with the loop
            await asyncio.wait_for(posting.idle(), 1)


async def test_secrets_change_over_without_a_gap(backend: Backend) -> None:
    async with desk(backend) as (workshop, server):
        (old,) = server.secrets
        async with workshop.begin() as uow:
            row = await webhooks.endpoint_named(uow, "desk", hold=True)
            new = await webhooks.rotate_secret(uow, row)
        for known in ([old], [new]):
            server.secrets = known
            await promise_test(workshop)
            await served(workshop)
        assert len(server.heard) == 2
        assert len(server.heard[0].headers["webhook-signature"].split()) == 2
        async with workshop.begin() as uow:
            row = await webhooks.endpoint_named(uow, "desk", hold=True)
            last = await webhooks.rotate_secret(uow, row, timedelta())
        server.secrets = [old, new]
        await promise_test(workshop)
        await served(workshop)
        assert server.refused == ["/desk"], "what has become known proves nothing any more"
        await promise_test(workshop)
        later = workshop.clock.now() + timedelta(seconds=1)
        assert await webhooks.forget_events(workshop, later, dry_run=True) == 2, "two wait to be told"
        assert await webhooks.forget_events(workshop, later) == 2
        assert len(await all_of(workshop, WebhookAttempt)) == 1
        server.secrets = [last]
        await served(workshop, sooner=True)
        assert len(server.heard) == 4
        stored = await workshop_dump(workshop)
        assert not any(secret in stored for secret in (old, new, last))


async def workshop_dump(workshop: Workshop) -> str:
    """All that the tables of webhooks hold."""
    async with workshop.read() as uow:
        rows = [
            tuple(row)
            for table in Base.metadata.sorted_tables
            if table.name.startswith("webhook")
            for row in await uow.session.execute(select(table))
        ]
    return repr(rows)


async def test_only_what_was_committed_is_told_and_of_anonymous_ratings_nothing_else(
    backend: Backend,
) -> None:
    async with desk(backend) as (workshop, server):
        ticket = await make_ticket(workshop)
        await served(workshop)
        server.heard.clear()
        async with workshop.begin() as uow:
            held = await ticket_by_number(uow, ticket.number)
            with suppress(ZeroDivisionError):  # the failure that rolls it back
                async with uow.session.begin_nested():
                    await record(uow, held, "escalated", facts={"clock": "plan", "level": 1})
                    raise ZeroDivisionError
            await uow.session.refresh(held)
            facts = {"survey": "CSAT20260302001", "anonymous": True, "scores": {"overall": 1}}
            await record(uow, held, "rated", actor="customer", facts=facts, words={"text": "很差"})
        with suppress(ZeroDivisionError):  # the failure that rolls it back
            async with workshop.begin() as uow:
                await record(uow, await ticket_by_number(uow, ticket.number), "confirmed")
                raise ZeroDivisionError
        await served(workshop)
        (told,) = server.heard
        assert told.type == "survey.rated"
        assert told.body["data"].keys() == {"ticket", "anonymous"}
        assert "CSAT" not in json.dumps(told.body)
