"""Mail by SMTP: one recipient per transaction, over kept connections that are reserved per lane."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from workers.channels.address import wire_address
from workers.channels.batch import Attempt, BatchRun, Queue
from workers.channels.limits import Limiter
from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.channels.quota import Quotas
from workers.channels.smtp_ahead import Ahead, Losers
from workers.channels.smtp_choice import choose, turn
from workers.channels.smtp_codes import AUTH_CODES, Step
from workers.channels.smtp_dial import Dialer
from workers.channels.smtp_item import Unwritable, mail_of, outcome_of
from workers.channels.smtp_lines import Busy
from workers.channels.smtp_link import SessionLost
from workers.channels.smtp_open import CannotConnect, own_host_name
from workers.channels.smtp_pace import Counted, Pace
from workers.channels.smtp_pool import LanePool
from workers.channels.smtp_session import Answer, EnvelopeLost, Mail, Session
from workers.channels.smtp_url import Profile, Relay
from workers.clock import Clock
from workers.metrics import Metrics

CONNECTIONS: Mapping[str, int] = MappingProxyType({"urgent": 8, "normal": 4, "bulk": 4})
"""The most that each lane has; they are opened only when needed."""
BUSY_PAUSE = 1.0
"""Seconds until a mail is claimed again for which none of a relay's few connections got free."""


class SmtpChannel:
    """The SMTP implementation of the channel port.

    `relays`: the first that answers is used. `connections`: lane → greatest number of connections; an item
    of an unknown lane goes with `normal` (or the first lane). `timeout`: seconds for one mail, opening a
    connection included. `max_uses`: mails per connection. `idle`: seconds after which a resting connection
    must prove that it is alive. `ehlo`: the name we give ourselves. `tls_context` replaces the system's
    trust store. `plain_sender`: the envelope sender for relays that take no return path of each mail's own.
    `limiter`: where the buckets of `rate=` and `per_domain=` are kept (in this channel alone if None).
    `quotas` counts for `quota=`.
    """

    name = "smtp"
    batch_size = 100

    def __init__(
        self,
        relays: tuple[Relay, ...],
        clock: Clock,
        *,
        connections: Mapping[str, int] = CONNECTIONS,
        timeout: float = 30,
        max_uses: int = 100,
        idle: float = 30,
        ehlo: str | None = None,
        tls_context: ssl.SSLContext | None = None,
        plain_sender: str = "",
        limiter: Limiter | None = None,
        quotas: Quotas | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.timeout = timeout
        self._pace = Pace(limiter, metrics, quotas=quotas)
        self._plain_sender = wire_address(plain_sender).encode("ascii") if plain_sender else b""
        # A third for each step, so that a second relay still gets its chance within the time of one mail.
        self._relays = frozenset(relays)
        self._losers = Losers()
        self._dialer = Dialer(
            relays,
            clock.now,
            ehlo=ehlo or own_host_name(),
            step_timeout=timeout / 3,
            tls_context=tls_context,
            metrics=metrics,
            idle=idle,
        )
        self._lanes = {
            lane: LanePool(self._dialer, size=size, max_uses=max_uses, idle=idle, urgent=lane == "urgent")
            for lane, size in connections.items()
        }
        self._default = self._lanes.get("normal") or next(iter(self._lanes.values()))

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Send the batch; see `Channel.deliver`."""
        lanes: dict[LanePool, list[Outgoing]] = {}
        for item in batch:
            lanes.setdefault(self._lane(item), []).append(item)
        run = BatchRun(self._send, report, until=until, timeout=self.timeout)
        await run.run([Queue(items, lane.gate, lane.size) for lane, items in lanes.items()])

    async def aclose(self) -> None:
        """Say QUIT on all resting connections and wait until all are closed."""
        for lane in self._lanes.values():
            lane.close()
        await self._dialer.aclose()
        await self._pace.aclose()

    def _lane(self, item: Outgoing) -> LanePool:
        return self._lanes.get(item.lane, self._default)

    async def _send(self, attempt: Attempt) -> Outcome:
        begun = attempt.take_over()
        counted = Counted(self._pace)
        try:
            ahead = begun if isinstance(begun, Ahead) else None
            mail = ahead.mail if ahead else mail_of(attempt.item)
            outcome = await self._dialogue(attempt, mail, ahead, counted)
        except Unwritable as error:
            outcome = attempt.outcome(Verdict.REJECTED, error.reason, text=error.text)
        except CannotConnect as error:
            attempt.host = error.host
            outcome = attempt.outcome(Verdict.RETRY, error.reason, code=error.code, text=error.text)
        except Busy:
            outcome = attempt.outcome(Verdict.NOT_STARTED, "throttled", retry_after=BUSY_PAUSE)
        except SessionLost as error:
            outcome = attempt.broken_off("lost_before_data", "lost_after_data", str(error))
        except BaseException:  # its time is over, or somebody ends it all
            if not attempt.beyond_recall:
                await counted.give_back()
            raise
        if outcome.verdict not in (Verdict.SENT, Verdict.UNKNOWN):
            await counted.give_back()
        return outcome

    async def _dialogue(self, attempt: Attempt, mail: Mail, ahead: Ahead | None, counted: Counted) -> Outcome:
        lane = self._lane(attempt.item)
        session = ahead.session if ahead else await choose(lane, self._pace, self._relays, attempt, mail)
        if isinstance(session, Outcome):
            return session
        counted.relay = session.relay
        kept = ahead is not None or session.uses > 0
        try:
            answer = await self._transact(lane, session, attempt, mail)
        except SessionLost as error:
            if isinstance(error, EnvelopeLost):
                self._losers.lost_one(session.relay)
            # Nothing was accepted yet, so another connection may try at once.
            second = None if attempt.beyond_recall else await self._second(lane, session, attempt, kept)
            if second is None:
                raise
        else:
            second = await self._after(lane, session, attempt, kept, answer)
        if second is not None:
            await counted.give_back()
            if not second.reaches(mail):
                lane.give_back(second)
                raise SessionLost("no other relay offers SMTPUTF8")
            wait = await turn(lane, self._pace, second, attempt, mail.domain)
            if wait is not None:
                return attempt.outcome(Verdict.NOT_STARTED, wait.reason, retry_after=wait.seconds)
            session, counted.relay = second, second.relay
            answer = await self._transact(lane, session, attempt, mail)
        outcome = outcome_of(attempt, answer)
        if outcome.verdict is not Verdict.SENT:
            await self._learn(session, mail, outcome)
        return outcome

    async def _transact(
        self, lane: LanePool, session: Session, attempt: Attempt, mail: Mail
    ) -> Answer | None:
        """One transaction; None when the relay's announced limit makes it pointless."""
        attempt.host, attempt.tls = session.host, session.tls
        if not session.holds(mail):
            lane.give_back(session)
            return None

        def at_dot() -> None:
            attempt.beyond_recall = True

        try:
            answer = await session.transact(
                self._for(session, mail), at_dot, lambda: self._follow(lane, session, attempt)
            )
        except BaseException:
            session.abort()  # after a time-out, too: a late reply would be taken for the next mail's
            raise
        if attempt.following is None or attempt.following.begun is None:
            lane.give_back(session)
        return answer

    def _follow(self, lane: LanePool, session: Session, attempt: Attempt) -> Mail | None:
        """The next mail, if its envelope may leave with the end of this one: nothing limits or forbids it."""
        relay = session.relay
        if relay is not None and not self._losers.may(relay):
            return None
        following = attempt.look_ahead() if lane.goes_on(session) else None
        if following is None or relay is None:
            return None
        try:
            mail = mail_of(following.item)
        except Exception:
            return None  # whatever is wrong with it is said when it is its turn
        if not session.holds(mail) or not session.reaches(mail):
            return None
        if not self._pace.free(relay, mail.domain):
            return None
        following.begun = Ahead(session, mail)
        return self._for(session, mail)

    async def _learn(self, session: Session, mail: Mail, outcome: Outcome) -> None:
        if session.relay is not None and outcome.reason == "throttled":
            await self._pace.complained(session.relay, mail.domain)

    async def _after(
        self, lane: LanePool, session: Session, attempt: Attempt, kept: bool, answer: Answer | None
    ) -> Session | None:
        """A second session when the relay's answer to MAIL was no answer to this mail, else None."""
        if answer is None or answer.step is not Step.MAIL:
            return None
        if kept and answer.reply.code == 421:
            return await lane.fresh(self._full(attempt))  # the relay had grown tired of this connection
        if answer.reply.code in AUTH_CODES and session.relay is not None:
            session.abort()
            reply = answer.reply
            error = CannotConnect("authentication_failed", session.host, reply.code, reply.text)
            lane.refused_us(session.relay, error)
            return await _elsewhere(lane, session.relay, self._full(attempt))
        return None

    def _full(self, attempt: Attempt) -> frozenset[Relay]:
        """The relays that are not to be dialled for this mail; none when that would be all of them."""
        full = self._pace.used_up(attempt.item.lane)
        return full if len(full) < len(self._relays) else frozenset()

    async def _second(self, lane: LanePool, session: Session, attempt: Attempt, kept: bool) -> Session | None:
        """A session after one that was lost: a kept one may die unseen, else another relay is asked."""
        if kept:
            return await lane.fresh(self._full(attempt))
        return await _elsewhere(lane, session.relay, self._full(attempt))

    def _for(self, session: Session, mail: Mail) -> Mail:
        """The mail with the envelope sender that this session's relay lets through."""
        if session.relay is None or session.relay.profile is Profile.VERP or not self._plain_sender:
            return mail
        return mail._replace(sender=self._plain_sender)


async def _elsewhere(lane: LanePool, relay: Relay | None, full: frozenset[Relay]) -> Session | None:
    """A session at another relay, None if there is none that works."""
    try:
        return await lane.fresh(full | {relay}) if relay is not None else None
    except CannotConnect:
        return None
