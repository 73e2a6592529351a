"""The development channel: nothing leaves; a line says that something would have, and the last ones are
kept.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence

from workers.channels.batch import Attempt, BatchRun, Queue
from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.clock import Clock

Judge = Callable[[Outgoing], tuple[Verdict, str]]


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")


class ConsoleChannel:
    """The console implementation of the channel port.

    `sent` holds the last `keep` accepted items. `echo` gets one line for each, without recipient or words;
    None keeps silent. `judge` may play trouble: it returns verdict and reason for an item.
    """

    batch_size = 50

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "console",
        keep: int = 200,
        echo: Callable[[str], None] | None = _to_stderr,
        judge: Judge | None = None,
        timeout: float = 1.0,
    ) -> None:
        self.name = name
        self.timeout = timeout
        self.sent: deque[Outgoing] = deque(maxlen=keep)
        self._clock = clock
        self._echo = echo
        self._judge = judge
        self._gate = asyncio.Semaphore(1)

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Keep the batch; see `Channel.deliver`."""
        run = BatchRun(self._send, report, until=until, timeout=self.timeout)
        await run.run([Queue(batch, self._gate, 1)])

    async def aclose(self) -> None:
        """Nothing to give back."""

    async def _send(self, attempt: Attempt) -> Outcome:
        item = attempt.item
        attempt.host = self.name
        verdict, reason = self._judge(item) if self._judge else (Verdict.SENT, "accepted")
        if self._echo is not None:
            self._echo(f"{self.name}: {verdict} {item.id}, {len(item.payload)} bytes, lane {item.lane}")
        if verdict is not Verdict.SENT:
            return attempt.outcome(verdict, reason)
        self.sent.append(item)
        return attempt.outcome(verdict, reason, provider_id=str(item.id), accepted_at=self._clock.now())
