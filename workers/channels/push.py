"""Messages to customers' apps and official accounts 公众号: posted to the team's own push endpoint.

The endpoint passes them on in whatever way the app has; 2xx means that it has taken responsibility. A message
goes out as an event `message.push`, signed as all webhooks are, with the same id on every try.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from workers.channels.batch import Attempt, BatchRun, Queue
from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.clock import Clock
from workers.outbound import Answer, Caller, CallFailed, CallRefused, signed_headers
from workers.webhooks import Target

Find = Callable[[UUID], Awaitable[Sequence[Target]]]
"""The endpoints by which the message with this id may go out, the best first."""

LATER = frozenset({408, 425, 429})
"""Client errors that say "later" (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)."""
LONGEST_ACCOUNT = 128
LONGEST_WAIT = 3600.0
GRACE = 1.0
"""Seconds that a call may take longer than the caller gives it: for finding the endpoint."""


class PushChannel:
    """A message's recipient is the customer's account in the app, its payload the event as JSON.

    `connections`: how many calls are under way at a time.
    """

    name = "push"

    def __init__(self, find: Find, caller: Caller, clock: Clock, *, connections: int = 4) -> None:
        self.timeout = caller.seconds + GRACE
        self.batch_size = connections
        self._find = find
        self._caller = caller
        self._clock = clock
        self._width = connections
        self._gate = asyncio.Semaphore(connections)

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Post the batch; see `Channel.deliver`."""
        run = BatchRun(self._send, report, until=until, timeout=self.timeout)
        await run.run([Queue(batch, self._gate, self._width)])

    async def aclose(self) -> None:
        """Nothing is kept."""

    async def _send(self, attempt: Attempt) -> Outcome:
        account = attempt.item.recipient
        if not account.isascii() or not account.isprintable() or not 1 <= len(account) <= LONGEST_ACCOUNT:
            return attempt.outcome(Verdict.REJECTED, "invalid_recipient", text="no account of an app")
        body = _addressed(attempt.item)
        if body is None:
            return attempt.outcome(Verdict.REJECTED, "content_rejected", text="the payload is no event")
        outcome = attempt.outcome(Verdict.REJECTED, "no_push_endpoint", text="no endpoint takes messages")
        for target in await self._find(attempt.item.id):
            outcome = await self._call(attempt, target, body)
            # Who may have it already must not get it once more by another way in.
            if outcome.verdict in (Verdict.SENT, Verdict.UNKNOWN):
                break
        return outcome

    async def _call(self, attempt: Attempt, target: Target, body: str) -> Outcome:
        def leaves() -> None:
            attempt.beyond_recall = True

        ident = f"msg_{attempt.item.id.hex}"
        attempt.host, attempt.tls, attempt.beyond_recall = target.host, target.tls, False
        headers = signed_headers(ident, self._clock.machine(), body, target.secrets)
        try:
            answer = await self._caller.post(target.url, body.encode(), headers, leaves)
        except CallRefused as error:
            return attempt.outcome(Verdict.REJECTED, error.reason, text=error.message)
        except CallFailed as error:
            verdict = Verdict.UNKNOWN if error.sent else Verdict.RETRY
            return attempt.outcome(verdict, error.reason, text=error.message)
        return self._judged(attempt, ident, answer)

    def _judged(self, attempt: Attempt, ident: str, answer: Answer) -> Outcome:
        code, text = answer.status, answer.body
        if 200 <= code < 300:
            now = self._clock.now()
            return attempt.outcome(Verdict.SENT, "accepted", code=code, provider_id=ident, accepted_at=now)
        if code >= 500 or code in LATER:
            reason = "throttled" if code == 429 else "server_error"
            return attempt.outcome(Verdict.RETRY, reason, code=code, text=text, retry_after=_wait(answer))
        return attempt.outcome(Verdict.REJECTED, "content_rejected", code=code, text=text)


def _addressed(item: Outgoing) -> str | None:
    """The event with its recipient; None when the payload is none."""
    try:
        event: Any = json.loads(item.payload)
    except ValueError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        return None
    event["data"]["to"] = item.recipient
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _wait(answer: Answer) -> float | None:
    value = answer.headers.get("retry-after", "").strip()
    return min(float(value[:9]), LONGEST_WAIT) if value.isdecimal() else None
