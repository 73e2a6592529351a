"""What all SMS providers with an HTTP API share: a request for each message, judged by its answer."""

from __future__ import annotations

import asyncio
import re
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from workers.channels.batch import Attempt, BatchRun, Queue
from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.clock import Clock

E164 = re.compile(r"\+[1-9]\d{4,14}")
LONGEST_WAIT = 3600.0
RETRIED_STATUS = frozenset({408, 425, 429})
"""Client errors that say "later" (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)."""


class Refused(Exception):
    """This message cannot go out as it is; no byte has left. `reason` is snake case, `text` for people."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer means; `provider_id` is the id under which receipts will come."""

    verdict: Verdict
    reason: str
    text: str = ""
    provider_id: str | None = None


@cache  # reading all certificates takes 30 ms, for each account in each event loop
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class HttpSms(ABC):
    """The channel port over one provider's HTTP API; a provider adds how to ask and how to read the answer.

    `api` is the base URL; `foreign` says that it is not the provider's own (a test server or itself a proxy),
    which the environment's proxy settings must not come between. `timeout`: seconds for one message.
    `connections`: how many are sent at a time.
    """

    name: str

    def __init__(
        self,
        api: str,
        clock: Clock,
        *,
        foreign: bool,
        timeout: float = 20,
        connections: int = 4,
        auth: tuple[str, str] | None = None,
    ) -> None:
        self.timeout = timeout
        self.batch_size = connections  # see SeveralSms
        self.clock = clock
        self._width = connections
        self._gate = asyncio.Semaphore(connections)
        self._host = httpx.URL(api).host if self.name == "http" else self.name
        self._tls = api.startswith("https:")
        self.client = httpx.AsyncClient(
            verify=_trusted(),
            base_url=api,
            auth=auth,
            timeout=httpx.Timeout(timeout, connect=timeout / 2),
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=30),
            trust_env=not foreign,
        )

    @abstractmethod
    def request(self, item: Outgoing) -> httpx.Request:
        """The request that sends `item`; its recipient is a number in E.164 form. Raises Refused, or
        UnicodeDecodeError when the payload is not UTF-8.
        """

    @abstractmethod
    def judge(self, answer: httpx.Response) -> Judgement:
        """What this answer means. Must not raise, whatever the body holds."""

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Send the batch; see `Channel.deliver`."""
        run = BatchRun(self.send, report, until=until, timeout=self.timeout)
        await run.run([Queue(batch, self._gate, self._width)])

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self.client.aclose()

    def hurry(self, share: int) -> None:
        """Leave time for others: with `share` providers each gets its part of half the time to connect."""
        self.client.timeout = httpx.Timeout(self.timeout, connect=self.timeout / 2 / share)

    async def send(self, attempt: Attempt) -> Outcome:
        """Send one item. The attempt's host is the provider's name (for a gateway its own host)."""
        if not E164.fullmatch(attempt.item.recipient):
            return attempt.outcome(Verdict.REJECTED, "invalid_recipient", text="not a number in E.164 form")
        try:
            request = self.request(attempt.item)
        except UnicodeDecodeError:
            return attempt.outcome(Verdict.REJECTED, "content_rejected", text="the text is not UTF-8")
        except Refused as refusal:
            return attempt.outcome(Verdict.REJECTED, refusal.reason, text=refusal.text)
        attempt.host, attempt.tls = self._host, self._tls
        request.extensions = {**request.extensions, "trace": _watch(attempt, bool(request.content))}
        try:
            answer = await self.client.send(request)
        except httpx.TimeoutException as error:
            return attempt.broken_off("timeout_before_data", "timeout_after_data", type(error).__name__)
        except httpx.TransportError as error:
            return attempt.broken_off("connection_failed", "lost_after_data", type(error).__name__)
        return self._outcome(attempt, answer)

    def _outcome(self, attempt: Attempt, answer: httpx.Response) -> Outcome:
        found = self.judge(answer)
        sent = found.verdict is Verdict.SENT
        return attempt.outcome(
            found.verdict,
            found.reason,
            code=answer.status_code,
            text=found.text,
            provider_id=found.provider_id if sent else None,
            accepted_at=self.clock.now() if sent else None,
            retry_after=None if sent else self._wait(answer),
        )

    def _wait(self, answer: httpx.Response) -> float | None:
        """Seconds of Retry-After (RFC 9110 §10.2.3), at most an hour; None when it is missing or
        unreadable.
        """
        value = answer.headers.get("Retry-After", "").strip()
        if value.isdecimal():
            return min(float(value[:9]), LONGEST_WAIT)
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - self.clock.machine()).total_seconds()
        return min(max(seconds, 0.0), LONGEST_WAIT)


def json_object(answer: httpx.Response) -> Mapping[str, Any]:
    """The answer's JSON object; empty when it is none."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def text_or_none(value: object) -> str | None:
    """`value` when it is text with something in it: ids of answers are taken no other way."""
    return value if isinstance(value, str) and value else None


def by_status(status: int, other: str) -> tuple[Verdict, str]:
    """What an HTTP status says when the provider's own code says nothing; `other` is the reason of a
    refusal.

    401 to 404 concern the account or its address, never the recipient: they come back when it is mended.
    502 and 504 (RFC 9110 §15.6.3, §15.6.5; at Cloudflare 520 and 524) say that somebody on the way passed the
    request on and got no answer, or none that can be read: it may have been sent.
    """
    if status in (504, 524):
        return Verdict.UNKNOWN, "timeout_after_data"
    if status in (502, 520):
        return Verdict.UNKNOWN, "lost_after_data"
    if status == 429:
        return Verdict.RETRY, "throttled"
    if status in (401, 402, 403, 404):
        return Verdict.RETRY, "authentication_failed"
    if 400 <= status < 500 and status not in RETRIED_STATUS:
        return Verdict.REJECTED, other
    return Verdict.RETRY, "server_error"


def _watch(attempt: Attempt, has_body: bool) -> Any:
    # A request without a body is complete with its headers: from there on it may have been acted upon.
    point = "send_request_body.started" if has_body else "send_request_headers.started"

    async def trace(event: str, _: Mapping[str, Any]) -> None:
        if event.endswith(point):
            attempt.beyond_recall = True

    return trace
