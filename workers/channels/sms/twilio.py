"""Text messages through Twilio's REST API (www.twilio.com/docs/messaging/api/message-resource)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

import httpx

from workers.channels.batch import Attempt, BatchRun, Queue
from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.channels.sms.url import TWILIO_API, TwilioAccount
from workers.clock import Clock

_E164 = re.compile(r"\+[1-9]\d{4,14}")
_LONGEST_WAIT = 3600.0

# www.twilio.com/docs/api/errors; what is not here is reported as twilio_<code>.
_REJECTED: Mapping[int, str] = MappingProxyType(
    {
        21211: "invalid_recipient",
        21217: "invalid_recipient",
        21401: "invalid_recipient",
        21614: "invalid_recipient",
        21610: "opted_out",
        21408: "region_not_permitted",
        21612: "unreachable_recipient",
        21608: "policy_rejected",
        21212: "sender_rejected",
        21603: "sender_rejected",
        21606: "sender_rejected",
        21659: "sender_rejected",
        21660: "sender_rejected",
        21602: "content_rejected",
        21619: "content_rejected",
        21605: "too_large",
        21617: "too_large",
    }
)
# These say "later" although their status says "never": the queue of a sender is full, a daily limit is
# reached.
_LATER: Mapping[int, str] = MappingProxyType({20429: "throttled", 21611: "throttled", 63038: "throttled"})
# These concern the account, never the recipient.
_ACCOUNT_STATUS = frozenset({401, 403, 404})
_ACCOUNT_CODES = frozenset({20003, 20005, 20404, 20008})


class TwilioSms:
    """The Twilio implementation of the channel port.

    `timeout`: seconds for one message. `connections`: how many are sent at a time. An item's `sender`
    overrides the account's unless that is a messaging service, which chooses by itself.
    """

    name = "twilio"
    batch_size = 10

    def __init__(
        self, account: TwilioAccount, clock: Clock, *, timeout: float = 20, connections: int = 4
    ) -> None:
        self.timeout = timeout
        self._account = account
        self._clock = clock
        self._width = connections
        self._gate = asyncio.Semaphore(connections)
        self._host = httpx.URL(account.api).host
        self._tls = account.api.startswith("https:")
        self._path = f"/2010-04-01/Accounts/{account.sid}/Messages.json"
        self._client = httpx.AsyncClient(
            base_url=account.api,
            auth=(account.sid, account.token),
            timeout=httpx.Timeout(timeout, connect=timeout / 2),
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=30),
            # A given API address is a test server or itself a proxy: the environment's proxy must not
            # interfere.
            trust_env=account.api == TWILIO_API,
        )

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Send the batch; see `Channel.deliver`."""
        run = BatchRun(self._send, report, until=until, timeout=self.timeout)
        await run.run([Queue(batch, self._gate, self._width)])

    async def aclose(self) -> None:
        """Close the kept connections."""
        await self._client.aclose()

    async def _send(self, attempt: Attempt) -> Outcome:
        item = attempt.item
        if not _E164.fullmatch(item.recipient):
            return attempt.outcome(Verdict.REJECTED, "invalid_recipient", text="not a number in E.164 form")
        try:
            form = self._form(item)
        except UnicodeDecodeError:
            return attempt.outcome(Verdict.REJECTED, "content_rejected", text="the text is not UTF-8")
        attempt.host, attempt.tls = self._host, self._tls

        async def trace(event: str, _: Mapping[str, Any]) -> None:
            if event.endswith("send_request_body.started"):
                attempt.beyond_recall = True

        try:
            answer = await self._client.post(self._path, data=form, extensions={"trace": trace})
        except httpx.TimeoutException as error:
            return attempt.broken_off("timeout_before_data", "timeout_after_data", type(error).__name__)
        except httpx.TransportError as error:
            return attempt.broken_off("connection_failed", "lost_after_data", type(error).__name__)
        return self._outcome(attempt, answer)

    def _form(self, item: Outgoing) -> dict[str, str]:
        form = {"To": item.recipient, "Body": item.payload.decode("utf-8")}
        if self._account.sender.startswith("MG"):
            form["MessagingServiceSid"] = self._account.sender
        else:
            form["From"] = item.sender or self._account.sender
        if self._account.status_callback is not None:
            form["StatusCallback"] = self._account.status_callback
        return form

    def _outcome(self, attempt: Attempt, answer: httpx.Response) -> Outcome:
        body = _json(answer)
        if answer.is_success:
            sid = body.get("sid")
            return attempt.outcome(
                Verdict.SENT, "accepted", code=answer.status_code, text=str(body.get("status", "")),
                provider_id=sid if isinstance(sid, str) else None, accepted_at=self._clock.now(),
            )  # fmt: skip
        error = body.get("code")
        number = error if isinstance(error, int) else 0
        verdict, reason = _judge(answer.status_code, number)
        words = f"{number}: {body.get('message', '')}" if number else answer.reason_phrase
        return attempt.outcome(
            verdict, reason, code=answer.status_code, text=words, retry_after=self._wait(answer)
        )

    def _wait(self, answer: httpx.Response) -> float | None:
        """Seconds of Retry-After (RFC 9110 §10.2.3), at most an hour; None when it is missing or
        unreadable.
        """
        value = answer.headers.get("Retry-After", "").strip()
        if value.isdecimal():
            return min(float(value[:9]), _LONGEST_WAIT)
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - self._clock.machine()).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_WAIT)


def _judge(status: int, number: int) -> tuple[Verdict, str]:
    if status == 429 or number in _LATER:
        return Verdict.RETRY, _LATER.get(number, "throttled")
    if number in _REJECTED:
        return Verdict.REJECTED, _REJECTED[number]
    if number in _ACCOUNT_CODES or status in _ACCOUNT_STATUS:
        return Verdict.RETRY, "authentication_failed"
    if 400 <= status < 500 and status not in (408, 425):
        return Verdict.REJECTED, f"twilio_{number}" if number else "server_error"
    return Verdict.RETRY, "server_error"


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
