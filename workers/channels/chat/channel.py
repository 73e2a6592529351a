"""The channel port over Apprise: a thread for each post, an end to its time, an honest outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from workers.channels.batch import Attempt, BatchRun, Queue
from workers.channels.chat.answers import judge, without_secrets
from workers.channels.chat.plugin import post
from workers.channels.chat.wire import Witness
from workers.channels.limits import Limit, Limiter, LocalLimiter
from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.clock import Clock
from workers.errors import SettingsError
from workers.settings.chat import ChatGroup

BURST, INTERVAL = 10, 6.0
"""Ten posts to a group at once, then one in six seconds: 钉钉 and 企业微信 allow twenty in a minute."""


class ChatChannel:
    """Posts to groups; a message's recipient is the name of a group. `timeout`: seconds for one post,
    `connections`: how many are under way at a time.
    """

    name = "chat"

    def __init__(
        self,
        groups: Iterable[ChatGroup],
        clock: Clock,
        *,
        limiter: Limiter | None = None,
        timeout: float = 10,
        connections: int = 4,
    ) -> None:
        self.timeout = timeout
        self.batch_size = connections  # what has an attempt on record waits for a person after a kill
        self._groups = {group.name: group for group in groups}
        self._clock = clock
        self._limiter = limiter or LocalLimiter()
        self._width = connections
        self._gate = asyncio.Semaphore(connections)
        # Its own threads: one that hangs in a name look-up must not keep those of everybody else waiting.
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="chat")

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Post the batch; see `Channel.deliver`."""
        run = BatchRun(self._send, report, until=until, timeout=self.timeout)
        await run.run([Queue(batch, self._gate, self._width)])

    async def aclose(self) -> None:
        """Wait for what still runs (its connections have been broken off) and let go of the threads."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        await self._limiter.aclose()

    async def _send(self, attempt: Attempt) -> Outcome:
        group = self._groups.get(attempt.item.recipient)
        if group is None:
            words = "this group is not in CLOSELOOP_CHAT_URLS (any more)"
            return attempt.outcome(Verdict.REJECTED, "invalid_recipient", text=words)
        try:
            text = attempt.item.payload.decode()
        except UnicodeDecodeError:
            return attempt.outcome(Verdict.REJECTED, "content_rejected", text="the text is not UTF-8")
        if wait := await self._limiter.take([Limit(f"chat|{group.name}", INTERVAL, BURST)]):
            return attempt.outcome(Verdict.NOT_STARTED, "throttled", retry_after=wait)
        return await self._post(attempt, group, text)

    async def _post(self, attempt: Attempt, group: ChatGroup, text: str) -> Outcome:
        def connected() -> None:
            attempt.beyond_recall = True

        # A little less than the whole time, so that what is known of the end comes from the network itself.
        witness = Witness(self.timeout * 0.9, connected)
        loop = asyncio.get_running_loop()
        try:
            yes = await loop.run_in_executor(self._threads, partial(post, group, text, witness))
        except SettingsError as error:
            return attempt.outcome(Verdict.RETRY, "url_not_understood", text=error.message)
        finally:
            witness.abort()
            if witness.exchanges:
                attempt.host, attempt.tls = witness.exchanges[-1].host, witness.exchanges[-1].tls
        found = judge(group.scheme, yes, witness.exchanges)
        sent = found.verdict is Verdict.SENT
        return attempt.outcome(
            found.verdict,
            found.reason,
            code=found.code,
            text=without_secrets(found.text, group.url),
            # Webhooks give no id; ours says at least which post it was.
            provider_id=str(attempt.item.id) if sent else None,
            accepted_at=self._clock.now() if sent else None,
            retry_after=found.wait,
        )
