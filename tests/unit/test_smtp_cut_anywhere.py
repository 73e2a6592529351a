"""A connection that ends after any byte, said or heard: each mail's fate is told rightly, and counted so."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.fakes_smtp import Script, ScriptedSmtp, hang
from tests.unit.test_smtp_channel import deliver, out_of_time
from workers.channels import breaker
from workers.channels.limits import LocalLimiter
from workers.channels.port import Outcome, Outgoing, Verdict
from workers.channels.quota import Day, Quotas
from workers.channels.smtp import SmtpChannel
from workers.channels.smtp_url import Relay, parse_smtp_urls
from workers.clock import SystemClock

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
MAILS = 4


class Brittle(ScriptedSmtp):
    """Its first connection breaks after `said` bytes to the relay or `heard` bytes from it.

    Of the `times` connections that break, each does so sooner than the one before.
    """

    def __init__(self, *, said: int | None = None, heard: int | None = None, times: int = 1) -> None:
        super().__init__()
        self._limits = [(_part(said, fold), _part(heard, fold)) for fold in range(times, 0, -1)]
        self.passed = [0, 0]
        self.broken = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said, heard = self._limits.pop() if self._limits else (None, None)
        limited_in: Any = _Ear(self, reader, said)
        limited_out: Any = _Mouth(self, writer, heard)
        await super()._accept(limited_in, limited_out)


def _part(limit: int | None, fold: int) -> int | None:
    return limit and max(1, limit // fold)


class _Ear:
    def __init__(self, relay: Brittle, reader: asyncio.StreamReader, limit: int | None) -> None:
        self._relay, self._reader, self._left = relay, reader, limit

    async def read(self, most: int) -> bytes:
        if self._left == 0:
            self._relay.broken = True
            return b""
        data = await self._reader.read(most if self._left is None else self._left)
        if self._left is not None:
            self._left -= len(data)
        self._relay.passed[0] += len(data)
        return data


class _Mouth:
    def __init__(self, relay: Brittle, writer: asyncio.StreamWriter, limit: int | None) -> None:
        self._relay, self._writer, self._left = relay, writer, limit

    def write(self, data: bytes) -> None:
        piece = data if self._left is None else data[: self._left]
        self._writer.write(piece)
        self._relay.passed[1] += len(piece)
        if self._left is not None:
            self._left -= len(piece)
            if self._left == 0:
                self._relay.broken = True
                raise ConnectionResetError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


class Told:
    """What became of the mails: the relay's word, ours, and how many of the day's mails were counted."""

    def __init__(self, server: ScriptedSmtp, outcomes: list[Outcome], names: dict[object, str]) -> None:
        self.arrived = [mail.recipient.partition("@")[0] for mail in server.mails]
        self.said = {names[outcome.id]: outcome for outcome in outcomes}
        assert len(self.said) == len(outcomes) == MAILS

    def of(self, *verdicts: Verdict) -> set[str]:
        return {name for name, outcome in self.said.items() if outcome.verdict in verdicts}

    def hold(self, breaks: int) -> None:
        """Nothing sent twice or lost, `unknown` once a break: what had left to its end and got no answer."""
        assert len(set(self.arrived)) == len(self.arrived), self.arrived
        assert self.of(Verdict.SENT) <= set(self.arrived)
        assert not self.of(Verdict.RETRY, Verdict.NOT_STARTED, Verdict.REJECTED) & set(self.arrived)
        assert len(self.of(Verdict.UNKNOWN)) <= breaks
        assert self.of(Verdict.REJECTED) == set()
        for outcome in self.said.values():
            assert (outcome.accepted_at is not None) == (outcome.verdict is Verdict.SENT)


async def played(
    options: str = "", *, said: int | None = None, heard: int | None = None, times: int = 1
) -> tuple[Told, Brittle, int]:
    """Four mails to a relay whose line breaks once; the third is how many the day's quota counts."""
    async with Brittle(said=said, heard=heard, times=times) as server:
        relays = parse_smtp_urls(server.url + options)
        limiter = LocalLimiter()
        quotas = Quotas(limiter, ZONE, lambda: NOON, relays=relays)
        channel = SmtpChannel(
            relays,
            SystemClock(),
            ehlo="closeloop.example",
            timeout=60,
            connections={"normal": 1},
            quotas=quotas,
        )
        batch = [
            Outgoing(uuid4(), f"p{number}@x.example", "a@b.example", b"Subject: x\r\n\r\nx\r\n", "normal")
            for number in range(MAILS)
        ]
        outcomes: list[Outcome] = []

        async def report(outcome: Outcome) -> None:
            outcomes.append(outcome)

        await channel.deliver(batch, report, until=time.monotonic() + 120)
        await channel.aclose()
        await server.until(lambda: server.open_connections == 0)
        used = await counted(limiter, relays[0])
    names: dict[object, str] = {item.id: item.recipient.partition("@")[0] for item in batch}
    return Told(server, outcomes, names), server, used


async def counted(limiter: LocalLimiter, relay: Relay) -> int:
    start = Day.around(NOON, ZONE).start
    return await limiter.count(f"{relay.name}:{start:%Y%m%dT%H%MZ}", 0, 60)


@pytest.mark.parametrize("breaks", [1, 3])
@pytest.mark.parametrize("options", ["", "&quota=100"], ids=["ahead", "counted"])
@pytest.mark.parametrize("way", ["said", "heard"])
async def test_wherever_the_line_breaks_each_mail_is_told_rightly(
    way: str, options: str, breaks: int
) -> None:
    told, server, used = await played(options)
    assert told.of(Verdict.SENT) == {f"p{number}" for number in range(MAILS)}
    assert used == (MAILS if options else 0)
    whole = server.passed[0 if way == "said" else 1]
    unknown = 0
    for position in range(1, whole, 3):
        if way == "said":
            told, server, used = await played(options, said=position, times=breaks)
        else:
            told, server, used = await played(options, heard=position, times=breaks)
        told.hold(breaks)
        assert server.broken
        unknown += len(told.of(Verdict.UNKNOWN))
        if options:
            assert used == len(told.of(Verdict.SENT, Verdict.UNKNOWN)), f"{way} {position}"
    assert unknown > 0


@pytest.mark.parametrize(("step", "used"), [("mail", 0), ("rcpt", 0), ("data", 0), ("dot", 1)])
async def test_a_mail_whose_time_is_over_counts_only_if_it_may_have_left(
    step: str, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.0)
    async with ScriptedSmtp(Script().on(step, hang())) as server:
        relays = parse_smtp_urls(f"{server.url}&quota=100")
        limiter = LocalLimiter()
        quotas = Quotas(limiter, ZONE, lambda: NOON, relays=relays)
        channel = SmtpChannel(relays, SystemClock(), ehlo="closeloop.example", timeout=0.6, quotas=quotas)
        item = Outgoing(uuid4(), "bob@x.example", "a@b.example", b"Subject: x\r\n\r\nx\r\n", "normal")
        (outcome,) = [await out_of_time(channel, item)] if used else await deliver(channel, item)
        await channel.aclose()
        assert outcome.verdict is (Verdict.UNKNOWN if used else Verdict.RETRY)
        assert await counted(limiter, relays[0]) == used
