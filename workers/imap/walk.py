"""Reads the folders of a mailbox to their ends: in small batches, stored before they are marked."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import structlog

from workers.imap.envelope import envelope_of
from workers.imap.faults import BYE, CONNECTION, LOST, NO_FOLDER, TIMEOUT, TOO_LARGE, Fault
from workers.imap.hands import Hands
from workers.imap.keeper import Arrival, Keeper, Position
from workers.imap.session import Fact, Opened, Session
from workers.intake.junk import is_junk_folder
from workers.intake.store import Event, content_id
from workers.settings import Settings
from workers.settings.imap_url import MailboxUrl, Mode

T = TypeVar("T")

MEGABYTE = 1024 * 1024
SIZE_LIMIT = 25 * MEGABYTE
BATCH_MAILS = 25
BATCH_BYTES = 2 * MEGABYTE
WINDOW = 80_000
"""UIDs asked for at once: the answer is one line, and no client takes a line of more than a megabyte."""
GAP = 10_000
PATIENCE = 120.0
FETCH_PATIENCE = 600.0
CROWDED_SECONDS = 1.0
LOSS, REFUSAL, ENOUGH = 1, 4, 10
"""A mail that is refused alone is laid aside the third time, one at which connections break the tenth."""
NETWORK = frozenset({LOST, BYE, TIMEOUT, CONNECTION})

log = structlog.get_logger(__name__)


class Suspects:
    """Mails at which fetching failed: what fails alone and again is laid aside, so that others get by."""

    def __init__(self) -> None:
        self._failures: Counter[tuple[str, int, int]] = Counter()
        self._oversized: set[tuple[str, int, int]] = set()
        self.careful = False

    def failed(self, position: Position, uids: Sequence[int], reason: str) -> None:
        """Fetching these failed; from now on mails are fetched one by one."""
        self.careful = True
        if len(uids) == 1:
            key = (position.folder, position.uidvalidity, uids[0])
            self._failures[key] += LOSS if reason in NETWORK else REFUSAL
            if reason == TOO_LARGE:
                self._oversized.add(key)

    def verdict(self, position: Position, fact: Fact) -> str:
        """Why this mail must not be fetched as a whole, or ""."""
        key = (position.folder, position.uidvalidity, fact.uid)
        if fact.size > SIZE_LIMIT or key in self._oversized:
            return f"larger than {SIZE_LIMIT // MEGABYTE} MB: only its headers were fetched"
        return "the mailbox does not give it out" if self._failures[key] >= ENOUGH else ""


class Walk:
    """One look through all folders of a mailbox, on one connection."""

    def __init__(
        self,
        hands: Hands,
        session: Session,
        keeper: Keeper,
        box: MailboxUrl,
        settings: Settings,
        suspects: Suspects,
        halted: Callable[[], bool],
    ) -> None:
        self._hands = hands
        self._session = session
        self._keeper = keeper
        self._box = box
        self._settings = settings
        self._suspects = suspects
        self._halted = halted
        self.new = 0

    async def look(self) -> bool:
        """Read each folder from where it was left; False if told to halt before the end. `new` counts the
        mails that had not come before. Raises Fault, LeaseLost. The first folder is open afterwards.

        A folder that cannot be opened does not keep the others from being read, unless there are none.
        """
        refused: Fault | None = None
        for folder in reversed(self._box.folders):
            try:
                opened = await self._ask(self._session.open_folder, folder)
            except Fault as fault:
                if fault.reason != NO_FOLDER:
                    raise
                refused = fault
                log.warning("folder_refused", mailbox=self._box.name, folder=folder, code=fault.code)
                continue
            position = await self._keeper.position(folder, opened.uidvalidity, opened.uidnext)
            await self._read_folder(await self._tidy_rest(position), opened)
            if self._halted():
                return False
        if refused is not None and len(self._box.folders) == 1:
            raise refused
        await self._keeper.looked(refused.reason if refused is not None else None)
        self._suspects.careful = False
        return True

    async def _ask(self, work: Callable[..., T], *arguments: object) -> T:
        return await self._hands.do(PATIENCE, work, *arguments)

    async def _read_folder(self, position: Position, opened: Opened) -> None:
        """Read on from `position`, in windows of UIDs, to the end."""
        end = (opened.uidnext or 0) - 1
        first = position.last_uid + 1
        while not self._halted():
            last = first + WINDOW - 1 if first + WINDOW <= end else None
            old = position.is_before_first_look(last or end)
            # Only there a bound may stand for the end: what comes in meanwhile must not be passed over.
            bound = last or (end if old else None)
            uids = await self._ask(self._session.uids, first, bound, position.not_before if old else None)
            position = await self._read(position, uids)
            if last is None:
                if not uids and end - first > GAP:
                    await self._pass_over(position, end)
                return
            if not self._halted():
                position = await self._pass_over(position, last)
            first = last + 1

    async def _read(self, position: Position, uids: Sequence[int]) -> Position:
        for chunk in _chunks(uids, 200):
            facts = await self._ask(self._session.facts, chunk)
            wanted = [fact for fact in facts if not position.is_too_old(fact.uid, fact.arrived)]
            for batch in self._batches(position, wanted):
                await self._give_way()
                if self._halted():
                    return position
                position = await self._take(position, batch)
            position = await self._pass_over(position, chunk[-1])  # what is left of it is too old, or gone
        return position

    async def _pass_over(self, position: Position, uid: int) -> Position:
        if position.last_uid >= uid:
            return position
        position, _ = await self._keeper.keep(position, (), uid)
        return await self._tidied(position, uid)

    def _batches(self, position: Position, facts: Sequence[Fact]) -> Iterator[list[Fact]]:
        """So many that they fit into the memory; alone what is large or suspect."""
        batch: list[Fact] = []
        size = 0
        for fact in facts:
            alone = self._suspects.careful or self._suspects.verdict(position, fact) != ""
            if batch and (alone or len(batch) >= BATCH_MAILS or size + fact.size > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(fact)
            size += fact.size
            if alone:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _take(self, position: Position, batch: Sequence[Fact]) -> Position:
        """Fetch, store, commit; only then mark or move."""
        arrivals = await self._fetch(position, batch)
        position, new = await self._keeper.keep(position, arrivals, batch[-1].uid)
        self.new += new
        uids = [fact.uid for fact in batch]
        if self._box.mode is not Mode.READ_ONLY:
            await self._ask(self._session.tidy, uids)
            position = await self._tidied(position, uids[-1])
        if new:
            log.info("mails_fetched", mailbox=self._box.name, folder=position.folder, new=new)
        return position

    async def _fetch(self, position: Position, batch: Sequence[Fact]) -> list[Arrival]:
        uids = [fact.uid for fact in batch]
        verdict = self._suspects.verdict(position, batch[0]) if len(batch) == 1 else ""
        if verdict:
            return [await self._headers_only(position, batch[0], verdict)]
        try:
            mails = await self._hands.do(FETCH_PATIENCE, self._session.mails, uids)
        except Fault as fault:
            self._suspects.failed(position, uids, fault.reason)
            raise
        await self._must_be_gone(position, [uid for uid in uids if not mails.get(uid)])
        place = position.folder
        return [self._arrival(place, fact, mails[fact.uid]) for fact in batch if mails.get(fact.uid)]

    async def _must_be_gone(self, position: Position, uids: Sequence[int]) -> None:
        """What was not given out must have been deleted meanwhile. Raises Fault if it was not."""
        for uid in uids:
            if await self._ask(self._session.uids, uid, uid, None):
                self._suspects.failed(position, [uid], "not_given")
                raise Fault("not_given")

    def _arrival(self, folder: str, fact: Fact, raw: bytes) -> Arrival:
        envelope = envelope_of(raw, self._settings)
        if is_junk_folder(folder):
            envelope["junk_folder"] = folder
        # By its bytes alone: the same mail in two folders, or read again, is one event.
        event = Event("imap", content_id(raw, ""), "mail", raw, envelope)
        return Arrival(event, fact.arrived)

    async def _headers_only(self, position: Position, fact: Fact, why: str) -> Arrival:
        try:
            head = await self._ask(self._session.headers, fact.uid)
        except Fault as fault:
            if fault.reason in NETWORK:
                raise
            head = b""  # it may not even give these out
        place = f"{self._box.user}@{self._box.name}/{position.folder}/{position.uidvalidity}/{fact.uid}"
        ident = content_id(head, f"size {fact.size}") if head else hashlib.sha256(place.encode()).hexdigest()
        log.warning("mail_laid_aside", mailbox=self._box.name, folder=position.folder, size=fact.size)
        return Arrival(
            Event("imap", ident, "mail", head, envelope_of(head, self._settings)), fact.arrived, why
        )

    async def _tidy_rest(self, position: Position) -> Position:
        """Mark or move what was stored when the process ended before it could."""
        if self._box.mode is Mode.READ_ONLY or position.tidied_uid >= position.last_uid:
            return position
        last = position.last_uid
        for first in range(position.tidied_uid + 1, last + 1, WINDOW):
            uids = await self._ask(self._session.uids, first, min(last, first + WINDOW - 1), None)
            facts = [
                fact for chunk in _chunks(uids, 200) for fact in await self._ask(self._session.facts, chunk)
            ]
            taken = [fact.uid for fact in facts if not position.is_too_old(fact.uid, fact.arrived)]
            for chunk in _chunks(taken, 200):
                await self._ask(self._session.tidy, chunk)
        return await self._tidied(position, last)

    async def _tidied(self, position: Position, uid: int) -> Position:
        return position if self._box.mode is Mode.READ_ONLY else await self._keeper.tidied(position, uid)

    async def _give_way(self) -> None:
        """Fetch no more while the intake desk has enough to do: mail waits in the mailbox as well."""
        while not self._halted() and await self._keeper.crowded():  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(CROWDED_SECONDS)


def _chunks(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for at in range(0, len(uids), size):
        yield uids[at : at + size]
