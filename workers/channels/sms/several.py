"""Several SMS providers as one channel: who does not work is left alone, and the next one is asked.

Only what certainly has not been sent goes to the next provider: `unknown` never becomes two messages. A
refusal that speaks of the recipient or of the words is final; one that speaks of this provider's account,
sender or templates is not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from workers.channels.batch import Attempt, BatchRun, Queue
from workers.channels.breaker import Breaker
from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.channels.sms.http import HttpSms
from workers.metrics import Metrics

OPENS_AFTER = 3
"""Failures in a row: one answer of 503 may be about one message."""
LONGEST_TEXT = 500

OF_THIS_PROVIDER = frozenset(
    {
        "link_in_variable",
        "opt_out_forbidden",
        "opt_out_missing",
        "policy_rejected",
        "region_not_permitted",
        "sender_rejected",
        "signature_in_text",
        "template_missing",
        "template_not_approved",
        "variable_missing",
        "variable_too_long",
    }
)
"""Refusals after which another provider may take the same message."""
DOWN = frozenset(
    {
        "authentication_failed",
        "connection_failed",
        "lost_after_data",
        "out_of_credit",
        "quota",
        "server_error",
        "timeout_after_data",
        "timeout_before_data",
    }
)
"""Reasons that speak of the provider's health rather than of the message."""
_SILENT = 0.9
"""The share of a message's time after which a provider that still says nothing has failed."""


class _Place(NamedTuple):
    provider: HttpSms
    breaker: Breaker[Outcome]


class SeveralSms:
    """The channel port over `providers`, first choice first; it owns and closes them.

    `timeout`: seconds for one message, over all that are asked. `connections`: messages under way at a time.
    """

    name = "sms"

    def __init__(
        self,
        providers: Sequence[HttpSms],
        *,
        timeout: float,
        connections: int = 4,
        metrics: Metrics | None = None,
    ) -> None:
        if not providers:
            raise ValueError("at least one provider is needed")
        self.timeout = timeout
        # No more than can leave at once have an attempt on record: when the process is killed, each of these
        # waits for a person, since it may have been sent.
        self.batch_size = connections
        self._width = connections
        self._gate = asyncio.Semaphore(connections)
        for provider in providers:
            provider.hurry(len(providers))
        self._places = [
            _Place(provider, Breaker[Outcome](f"sms:{number}:{provider.name}", metrics, after=OPENS_AFTER))
            for number, provider in enumerate(providers, start=1)
        ]

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Send the batch; see `Channel.deliver`."""
        run = BatchRun(self._send, report, until=until, timeout=self.timeout)
        await run.run([Queue(batch, self._gate, self._width)])

    async def aclose(self) -> None:
        """Close the kept connections of all providers."""
        for place in self._places:
            await place.provider.aclose()

    async def _send(self, attempt: Attempt) -> Outcome:
        passed: list[tuple[str, Outcome]] = []
        for place in self._places:
            # A new conversation: what the last provider certainly did not send is beyond nobody's recall.
            attempt.beyond_recall, attempt.host, attempt.tls = False, "", False
            if place.breaker.may_try():
                outcome = await self._ask(place, attempt)
            else:
                outcome = _left_alone(attempt, place.breaker.error)
            if not _goes_on(outcome):
                return _with_words(outcome, passed)
            passed.append((place.provider.name, outcome))
        return _summed_up(passed)

    async def _ask(self, place: _Place, attempt: Attempt) -> Outcome:
        began = place.breaker.begin()
        try:
            outcome = await place.provider.send(attempt)
        except BaseException:
            silent = attempt.beyond_recall and time.monotonic() - began > _SILENT * self.timeout
            if silent:
                lost = attempt.outcome(Verdict.UNKNOWN, "timeout_after_data")
                place.breaker.failed(lost, lost.reason, began)
            else:
                place.breaker.let_go()
            raise
        if not outcome.host or outcome.reason == "throttled":
            place.breaker.let_go()  # nobody was asked, or everything works and is too much
        elif outcome.reason in DOWN and outcome.verdict in (Verdict.RETRY, Verdict.UNKNOWN):
            place.breaker.failed(outcome, outcome.reason, began)
        else:
            place.breaker.worked()
        return outcome


def _goes_on(outcome: Outcome) -> bool:
    if outcome.verdict is Verdict.REJECTED:
        return outcome.reason in OF_THIS_PROVIDER
    return outcome.verdict is Verdict.RETRY


def _left_alone(attempt: Attempt, trouble: Outcome | None) -> Outcome:
    """Nobody was asked, so there is no host: its last trouble is told."""
    reason = trouble.reason if trouble is not None else "connection_failed"
    text = f"left alone for now: {trouble.text}" if trouble is not None else "left alone for now"
    return attempt.outcome(Verdict.RETRY, reason, code=trouble.code if trouble else None, text=text)


def _summed_up(passed: Sequence[tuple[str, Outcome]]) -> Outcome:
    """What is told when no provider took it: for later if any may take it then; who was asked goes first."""
    later = [each for each in passed if each[1].verdict is Verdict.RETRY]
    chosen = next((each for each in later if each[1].host), (later or list(passed))[0])
    outcome = _with_words(chosen[1], [each for each in passed if each is not chosen])
    waits = [each.retry_after for _, each in later]
    soonest = min((wait for wait in waits if wait is not None), default=None)
    return replace(outcome, retry_after=None if None in waits else soonest)


def _with_words(outcome: Outcome, others: Sequence[tuple[str, Outcome]]) -> Outcome:
    """The outcome, and after its own words why each of the others did not send it."""
    if not others:
        return outcome
    said = "; ".join(f"{name}: {other.reason}" for name, other in others)
    room = LONGEST_TEXT - len(said) - 3
    return replace(outcome, text=f"{outcome.text[: max(0, room)]} [{said}]".strip()[:LONGEST_TEXT])
