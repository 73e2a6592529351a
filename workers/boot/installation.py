"""One process of an installation: its settings become database, broker, channels, workers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import dramatiq
import structlog

from models.session import make_engine, make_gate, migrate
from models.vocabulary import Lane, Medium
from workers import __version__
from workers.actors import DESKS, Bench, register
from workers.bells import Ring
from workers.broker import Ringer, actor_loop, is_alive, let_go, make_broker, make_workers
from workers.channels.console import ConsoleChannel
from workers.channels.limits import Limiter, LocalLimiter
from workers.channels.port import Channel
from workers.channels.push import PushChannel
from workers.channels.quota import Quotas
from workers.channels.smtp import SmtpChannel
from workers.channels.smtp_url import parse_smtp_urls
from workers.clock import Clock, ClockWatch, clock_for
from workers.delivery.courier import Courier
from workers.delivery.prepare import Preparer
from workers.delivery.sent import sent_since
from workers.directory import ensure_administrator
from workers.errands import ensure_mornings
from workers.errors import SettingsError
from workers.flights import Flights
from workers.heartbeat import Heartbeat
from workers.intake.fetching import Fetch, Fetcher
from workers.intake.outside import Outside
from workers.intake.providers.mail.registry import check_accounts
from workers.metrics import Metrics
from workers.outbound import Caller
from workers.policy import Policy, load_policy
from workers.posting import Posting
from workers.rendering import Renderer
from workers.reports import FONTS, Press, ensure_reports
from workers.reports import MAIL as REPORT_MAIL
from workers.scheduler import Scheduler
from workers.settings import Settings
from workers.settings.broker_url import is_redis
from workers.tracing import make_tracer
from workers.unit_of_work import Vault, Workshop
from workers.webhooks import push_targets

log = structlog.get_logger(__name__)

THREADS: Mapping[Lane, int] = {Lane.URGENT: 4, Lane.NORMAL: 3, Lane.BULK: 2}


SMS_TIMEOUT = 20.0
"""The longest time one SMS may take, in seconds, over all providers."""
CALL_TIMEOUT = 15.0
"""The longest time a call of another system's endpoint may take, in seconds."""


class Installation:
    """What one process holds of an installation. Cheap until something is asked of it.

    `clock`, `lease`, `smtp_timeout` (seconds a mail may take; less than the lease) and `fetch` are for
    tests and demonstrations. `other_policy` says, once it is prepared, which policy is in force instead of
    the settings' own one ("": that one). Raises SettingsError or PolicyError.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        policy: Policy | None = None,
        lease: timedelta | None = None,
        smtp_timeout: float | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or clock_for(settings.clock_speed, *(settings.clock_start or ()))
        self.policy = policy or load_policy(settings.policy, zone=settings.timezone, locale=settings.locale)
        self.other_policy = ""
        self.metrics = Metrics()
        self.tracer = make_tracer(settings.otel, __version__)
        self.renderer = Renderer(_overrides(settings))
        self.press = Press(self.renderer, settings.public_url, (settings.data / FONTS,))
        self.broker = make_broker(settings.broker_url)
        self.watch = ClockWatch()
        self.ring = Ringer(self.broker, self.clock, metrics=self.metrics)
        self._lease = timedelta(seconds=settings.lease) if lease is None else lease
        self._smtp_timeout = settings.send_timeout if smtp_timeout is None else smtp_timeout
        if self._lease.total_seconds() <= self._smtp_timeout:
            raise SettingsError("the lease is not longer than one send may take", "give it more seconds")
        self._limiter = LocalLimiter()
        self.outside = Outside(fetch or Fetcher())
        # A relay, DKIM key or webhook account that cannot work is said at the start, not by the first mail.
        check_accounts(settings.email_hooks)
        Preparer(self.renderer, settings, Vault(settings.secret_keys))
        self._gate = make_gate(settings.database_url)
        self._flights = Flights()
        self._rehearse = register(self.broker, self._bench)

    def workshop(self, ring: Ring | None = None) -> Workshop:
        """A workshop for the event loop that is going to use it; whoever asks disposes of its engine."""
        return Workshop(
            make_engine(self.settings.database_url),
            self._gate,
            self.clock,
            Vault(self.settings.secret_keys, lost=self.settings.lost_keys),
            self.settings,
            self.policy,
            ring or self.ring,
            self.metrics,
            self.tracer,
            self._flights,
        )

    def channels(self, workshop: Workshop) -> dict[Medium, Channel]:
        """Fresh channels for one event loop; what has no provider goes to the console (development)."""
        channels = {Medium.EMAIL: self._mail_channel(workshop), Medium.SMS: self._sms_channel()}
        push = PushChannel(partial(push_targets, workshop), self._caller(), self.clock)
        return channels | self._chat_channel() | {Medium.PUSH: push}

    def courier(self, workshop: Workshop) -> Courier:
        """A courier with channels of its own."""
        enclose = {REPORT_MAIL: self.press.enclose}
        return Courier(workshop, self.renderer, self.channels(workshop), lease=self._lease, enclose=enclose)

    def scheduler(self, workshop: Workshop) -> Scheduler:
        """The clockwork over all desks."""
        return Scheduler(workshop, self.ring, DESKS, metrics=self.metrics, watch=self.watch)

    def heartbeat(self, workshop: Workshop, scheduler: Scheduler) -> Heartbeat:
        """What tells the outside that all is well; tells nobody when no address is set."""
        allowed, http = self.settings.webhook_networks, self.settings.webhook_http
        caller = Caller(allowed=allowed, http=http)
        url = self.settings.heartbeat_url
        return Heartbeat(workshop, url, caller, DESKS, swept=scheduler.swept, broker_alive=self.broker_alive)

    def rehearse_first(self) -> None:
        """Have the workers that are going to start play some alarms before they hear a bell."""
        actor_loop(self.broker).on_open(self._rehearse)

    def workers(self, lanes: Mapping[Lane, int] | None = None) -> list[dramatiq.Worker]:
        """Dramatiq workers with reserved threads per lane, not yet started."""
        return make_workers(self.broker, lanes or THREADS)

    async def prepare(self) -> None:
        """Make what a fresh database lacks: the installation's keys, policy version, administrator.

        Says so when another policy than the one of the settings is in force, because a person applied it.
        """
        workshop = self.workshop()
        try:
            change = await workshop.take_up_policy()
            if workshop.policy != self.policy:
                self.other_policy = f"{workshop.policy.name}, applied on {change.at:%Y-%m-%d %H:%M} UTC"
                log.warning("another_policy_in_force", change=change.number, policy=workshop.policy.name)
            async with workshop.begin() as uow:
                await ensure_administrator(uow)
                await ensure_mornings(uow)
                await ensure_reports(uow)
        finally:
            await workshop.engine.dispose()

    async def broker_alive(self) -> bool:
        """Whether the broker answers within two seconds; the one inside the process always does."""
        try:
            return await asyncio.wait_for(asyncio.to_thread(is_alive, self.broker), 2)
        except TimeoutError:
            return False

    def close(self) -> None:
        """Stop ringing and let go of the broker; call after workers and loops have ended."""
        self.ring.close()
        self.tracer.close()
        let_go(self.broker)

    def _bench(self) -> Bench:
        workshop = self.workshop()
        posting = Posting(workshop, self._caller(), lease=self._lease)
        return Bench(workshop, self.courier(workshop), self.ring, self.outside, self.watch, posting)

    def _caller(self) -> Caller:
        """What calls the endpoints of other systems, within what the operator allows."""
        seconds = min(CALL_TIMEOUT, self._smtp_timeout)
        allowed, http = self.settings.webhook_networks, self.settings.webhook_http
        return Caller(seconds=seconds, allowed=allowed, http=http)

    def _mail_channel(self, workshop: Workshop) -> Channel:
        if not self.settings.smtp_url:
            return ConsoleChannel(self.clock)
        ehlo = self.settings.mail_domain
        relays = parse_smtp_urls(" ".join(self.settings.smtp_url))
        sender = self.settings.mail_from
        limiter = self._shared_limiter()
        quotas = Quotas(
            limiter,
            ZoneInfo(self.settings.timezone),
            self.clock.machine,
            sent_since=partial(sent_since, workshop),
            metrics=self.metrics,
            relays=relays,
        )
        return SmtpChannel(
            relays,
            self.clock,
            ehlo=ehlo,
            timeout=self._smtp_timeout,
            plain_sender=sender,
            limiter=limiter,
            quotas=quotas,
            metrics=self.metrics,
        )

    def _shared_limiter(self) -> Limiter:
        """One limit for all processes where a Redis keeps it, else this process's own."""
        url = self.settings.limits_url or self.settings.broker_url
        if not is_redis(url):
            return self._limiter
        from workers.channels.limits_redis import RedisLimiter  # 15 MB that one process does without

        return RedisLimiter(url)

    def _sms_channel(self) -> Channel:
        if not self.settings.sms_url:
            return ConsoleChannel(self.clock)
        # 0.2 s and 11 MB (httpx brings a command line of its own), which a team without SMS need not pay.
        from workers.channels.sms.factory import sms_channels
        from workers.channels.sms.registry import load_templates

        return sms_channels(
            self.settings.sms_url,
            self.clock,
            f"{self.settings.public_url.rstrip('/')}/hooks/receipts",
            templates=load_templates(self.settings.data),
            timeout=min(SMS_TIMEOUT, self._smtp_timeout),
            metrics=self.metrics,
        )

    def _chat_channel(self) -> dict[Medium, Channel]:
        if not self.settings.chat_urls:
            return {}
        # Apprise and requests, 13 MB, which a team without a chat group need not pay.
        from workers.channels.chat.channel import ChatChannel

        groups = self.settings.chat_urls
        return {Medium.CHAT: ChatChannel(groups, self.clock, limiter=self._shared_limiter())}


def need_broker(settings: Settings, process: str) -> None:
    """Separate processes need a broker between them: each would ring its own in-process bell.

    Raises SettingsError.
    """
    if not settings.broker_url:
        raise SettingsError(
            f"closeloop {process} runs beside other processes and needs CLOSELOOP_BROKER_URL",
            hint="set it to redis://host:6379/0 (or amqp:…), or run all in one process: closeloop up",
        )


def migrate_database(settings: Settings) -> None:
    """Bring the schema to the newest version; safe when several processes start at once."""
    migrate(settings.database_url)


def _overrides(settings: Settings) -> Path | None:
    folder = settings.data / "templates"
    return folder if folder.is_dir() else None
