"""Claim due notifications of a lane, render them, send them, and record what became of each.

`claimed` is not `sending`: bytes are stored and the attempt row is committed before the first byte goes out,
and no send begins that might outlast the lease. No transaction stays open over a network call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast
from uuid import UUID

import structlog
from sqlalchemy import select, update

from models.base import Base, new_id
from models.bulk import among, insert_many
from models.notifications import Notification, NotificationBody
from models.vocabulary import RESENT, Lane, Medium, NotificationState
from workers.channels.port import Channel, Outcome, Outgoing, Verdict
from workers.delivery.digests import DIGEST, lines_of
from workers.delivery.enclosures import NOTHING, Enclose, enclosed
from workers.delivery.identity import return_path
from workers.delivery.offers import offers_of
from workers.delivery.outcome import WORKER_LOST, Sending, recover_lost, tell_above
from workers.delivery.prepare import Preparer, Ready
from workers.delivery.recorder import Recorder
from workers.delivery.silences import Silence, silences
from workers.delivery.unsendable import give_up, sealers_of
from workers.errors import CloseloopError
from workers.promises import claim
from workers.rendering import Renderer
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

BATCH = 100
BREATH = 5
"""Mails that are rendered before the event loop may look after its connections: 2 ms or so."""
LEASE = timedelta(seconds=120)
BODY = "notification_bodies.body"


class Courier:
    """Delivers one batch per call; one per event loop, as the channels it holds.

    `enclose` says by kind of message who makes its pictures and files.
    """

    def __init__(
        self,
        workshop: Workshop,
        renderer: Renderer,
        channels: Mapping[Medium, Channel],
        *,
        lease: timedelta = LEASE,
        enclose: Mapping[str, Enclose] = MappingProxyType({}),
    ) -> None:
        self._workshop = workshop
        self._channels = channels
        self._lease = lease
        self._enclose = enclose
        self._preparer = Preparer(renderer, workshop.settings, workshop.vault)

    async def deliver(self, lane: Lane, since: datetime | None = None) -> int:
        """Send what is due in `lane`; gives how many messages were claimed (BATCH: ring again).

        Nothing due before `since` (promise time) is looked at, if it is given (`workers.promises.hold`).
        """
        await self._breathe(lane)
        started = time.monotonic()
        count, claimed = await self._claim(lane, since)
        if not claimed:
            return count
        until = started + self._lease.total_seconds()
        ready = await self._prepare(claimed)
        groups: dict[Medium, list[Notification]] = {}
        for row in claimed:
            if row.id in ready:
                groups.setdefault(row.channel, []).append(row)
        await asyncio.gather(*(self._send(medium, rows, ready, until) for medium, rows in groups.items()))
        return count

    async def aclose(self) -> None:
        """Close all channels."""
        for channel in set(self._channels.values()):
            await channel.aclose()

    async def _claim(self, lane: Lane, since: datetime | None) -> tuple[int, list[Notification]]:
        """How many rows were claimed, and those of them that are to be sent."""
        async with self._workshop.begin() as uow:
            values = {"state": NotificationState.CLAIMED}
            taken = await claim(
                uow, Notification, lane, limit=BATCH, lease=self._lease, values=values, since=since
            )
            rows = [_as_read(row) for row in taken]
            lost = await recover_lost(uow, rows)
            silent = await silences(uow, rows, self._channels)
            for row in taken:
                if row.id in lost:
                    row.reason = WORKER_LOST
                    if row.channel not in RESENT:
                        silent[row.id] = Silence(NotificationState.UNKNOWN, WORKER_LOST)
                if row.id in silent:
                    await tell_above(uow, row, silent[row.id].state, silent[row.id].reason)
                    silent[row.id].fall(uow, row)
        return len(rows), [_as_read(row) for row in taken if row.id not in silent]

    async def _prepare(self, rows: Sequence[Notification]) -> dict[UUID, Ready]:
        """Bytes for each row: those of an earlier try where there was one, for every try sends the same."""
        vault = self._workshop.vault
        async with self._workshop.read() as uow:
            await vault.warm(uow.session, {row.data_key_id for row in rows})
            stored = await self._stored(uow, rows)
            sealers, broken = await sealers_of(uow, rows)
            new = [row for row in rows if row.id not in stored]
            lines = await lines_of(uow, new)
        lines |= await offers_of(self._workshop, new)
        with_them = await enclosed(new, sealers, self._enclose)
        ready: dict[UUID, Ready] = {}
        now = self._workshop.clock.now()
        for place, row in enumerate(rows):
            sealer = sealers.get(row.data_key_id)
            if sealer is None:
                continue
            try:
                if row.id in stored:
                    recipient = sealer.text(row.recipient_sealed, "notifications.recipient")
                    ready[row.id] = Ready(sealer.open(stored[row.id], BODY), recipient, kept=True)
                else:
                    enclosures = with_them.get(row.id, NOTHING)
                    ready[row.id] = self._preparer.prepare(row, sealer, now, lines.get(row.id), enclosures)
            except (CloseloopError, ValueError) as error:
                log.exception("rendering_failed", notification=str(row.id), kind=row.kind, error=str(error))
                broken[row.id] = "rendering_failed"
            if row.kind == DIGEST:
                await self._workshop.way.give()
            elif place % BREATH == BREATH - 1:
                await self._breathe(row.lane)
        await give_up(self._workshop, rows, broken)
        return ready

    async def _breathe(self, lane: Lane) -> None:
        """Clocks are judged first, but for what is urgent itself."""
        await (asyncio.sleep(0) if lane is Lane.URGENT else self._workshop.way.give())

    async def _stored(self, uow: UnitOfWork, rows: Sequence[Notification]) -> dict[UUID, bytes]:
        found = await uow.session.execute(
            select(NotificationBody.notification_id, NotificationBody.body_sealed).where(
                among(uow.session, NotificationBody.notification_id, [row.id for row in rows])
            )
        )
        return {ident: body for ident, body in found}  # noqa: C416 - rows are no plain tuples to the type checker

    async def _send(
        self, medium: Medium, rows: Sequence[Notification], ready: Mapping[UUID, Ready], until: float
    ) -> None:
        channel = self._channels[medium]
        size = channel.batch_size
        for start in range(0, len(rows), size):
            if time.monotonic() + channel.timeout > until:
                return  # the lease would not outlast a send: it runs out, and the rest is claimed anew
            await self._send_together(channel, rows[start : start + size], ready, until)

    async def _send_together(
        self, channel: Channel, rows: Sequence[Notification], ready: Mapping[UUID, Ready], until: float
    ) -> None:
        sendings = await self._begin_attempts(rows, ready, timedelta(seconds=channel.timeout))
        batch = [
            Outgoing(row.id, ready[row.id].recipient, self._sender(row), ready[row.id].payload, row.lane)
            for row in rows
            if row.id in sendings
        ]
        async with Recorder(self._workshop, sendings) as recorder:

            async def report(outcome: Outcome) -> None:
                recorder.note(outcome)
                self._count(sendings[outcome.id].notification, outcome)

            await channel.deliver(batch, report, until=until)

    def _count(self, row: Notification, outcome: Outcome) -> None:
        """The host is a label where the settings name it: what a team calls could be any number of them."""
        metrics, medium = self._workshop.metrics, row.channel.value
        host = outcome.host if row.channel in (Medium.EMAIL, Medium.SMS) else ""
        metrics.attempts.labels(medium, host, outcome.verdict.value).inc()
        metrics.attempt_seconds.labels(medium).observe(outcome.seconds)
        if self._workshop.tracer.on:
            facts = {
                "channel": medium,
                "verdict": outcome.verdict.value,
                "host": host,
                "code": outcome.code or 0,
            }
            self._workshop.tracer.past("send", row.trace, outcome.seconds, message=row.kind, **facts)
        if outcome.verdict is Verdict.SENT and row.due_at is not None:
            late = (self._workshop.clock.now() - row.due_at).total_seconds()
            metrics.delivery_lateness.labels(medium, row.lane.value).observe(max(0.0, late))

    def _sender(self, row: Notification) -> str:
        """The return path of a mail; an SMS leaves from the account's own number, a post has no sender."""
        if row.channel is not Medium.EMAIL:
            return ""
        return return_path(self._workshop.vault, self._workshop.settings, row.id)

    async def _begin_attempts(
        self, rows: Sequence[Notification], ready: Mapping[UUID, Ready], longest: timedelta
    ) -> dict[UUID, Sending]:
        """Commit bytes, links and attempts before the sending begins.

        Rows whose lease is lost, or would not outlast a send of the `longest` kind, drop out.
        """
        async with self._workshop.begin() as uow:
            tokens = {row.lease_token for row in rows}
            ours = await uow.session.scalars(
                update(Notification)
                .where(among(uow.session, Notification.id, [row.id for row in rows]))
                .where(among(uow.session, Notification.lease_token, tokens))
                .where(Notification.state == NotificationState.CLAIMED)
                .where(Notification.free_at > uow.clock.machine() + longest)
                .values(state=NotificationState.SENDING)
                .returning(Notification.id)
                .execution_options(synchronize_session=False)
            )
            mine = set(ours)
            sendings = {
                row.id: Sending(row, new_id(), row.lease_token)
                for row in rows
                if row.id in mine and row.lease_token is not None
            }
            await self._store(uow, sendings.values(), ready)
        return sendings

    async def _store(
        self, uow: UnitOfWork, sendings: Collection[Sending], ready: Mapping[UUID, Ready]
    ) -> None:
        """Write the attempts and, for first tries, the sealed bytes with the links that stand in them."""
        now = uow.clock.now()
        attempts: list[dict[str, Any]] = []
        bodies: list[dict[str, Any]] = []
        for sending in sendings:
            row = sending.notification
            attempts.append(
                {
                    "id": sending.attempt_id,
                    "notification_id": row.id,
                    "lease_token": sending.lease_token,
                    "started_at": now,
                }
            )
            if not ready[row.id].kept:
                uow.session.add_all(ready[row.id].links)
                sealer = await uow.vault.sealer(uow.session, row.data_key_id)
                sealed = sealer.seal(ready[row.id].payload, BODY)
                bodies.append({"notification_id": row.id, "made_at": now, "body_sealed": sealed})
        # By table, not by object: a hundred mails are two statements, without the session's book-keeping.
        connection = await uow.session.connection()
        for table, made in (("delivery_attempts", attempts), ("notification_bodies", bodies)):
            await insert_many(connection, Base.metadata.tables[table], made)


def _as_read(row: Notification) -> Notification:
    """The row as it stands now, as a plain object: each mail asks it eighty things, and the mapper answers
    each a third as fast.
    """
    return cast(Notification, SimpleNamespace(**row.__dict__))
