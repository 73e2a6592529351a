"""What is asked of a mailbox: one folder at a time, by UID, so that nothing is changed unless it is wanted.

Everything here blocks and runs in a thread of its own (`workers.imap.hands`).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from workers.imap.faults import BYE, MALFORMED, Fault, explained
from workers.imap.wire import Wire, close, open_wire
from workers.settings.imap_url import MailboxUrl, Mode

HEADERS_CAP = 64 * 1024
IDLE_SLICE = 0.5
NEWS = (b"EXISTS", b"RECENT")
HIGHEST = 2**32 - 1
"""Of a UID and a UIDVALIDITY (RFC 3501 section 9, nz-number)."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder as the server described it. `uidnext`: None where the server does not tell it."""

    uidvalidity: int
    uidnext: int | None


@dataclass(frozen=True, slots=True)
class Fact:
    """What is asked of a mail before it is fetched: bytes by RFC822.SIZE, and its arrival there (UTC)."""

    uid: int
    size: int
    arrived: datetime | None


class Session:
    """A connection that is logged in. Any Fault means that it is of no more use, but for `refused`."""

    def __init__(self, wire: Wire, box: MailboxUrl) -> None:
        self._wire = wire
        self._box = box
        self.capabilities = frozenset(
            word.decode("ascii", "replace") for word in _told(wire.capabilities, step="login")
        )

    @classmethod
    def open(
        cls, box: MailboxUrl, told: Callable[[socket.socket], None], *, make_folder: bool = True
    ) -> Session:
        """Connect, log in, introduce ourselves; make the folder to move to if it is lacking. Raises Fault."""
        wire = open_wire(box, told)
        try:
            session = cls(wire, box)
            if make_folder and box.mode is Mode.MOVE and not _told(wire.folder_exists, box.move_to):
                _told(wire.create_folder, box.move_to)
        except Fault:
            close(wire)
            raise
        return session

    @property
    def can_idle(self) -> bool:
        """Whether the server offers IDLE (RFC 2177)."""
        return "IDLE" in self.capabilities

    def open_folder(self, folder: str) -> Opened:
        """EXAMINE it, or SELECT it where mails are marked or moved. Raises Fault."""
        told = _told(
            self._wire.select_folder, folder, readonly=self._box.mode is Mode.READ_ONLY, step="select"
        )
        validity = told.get(b"UIDVALIDITY")
        if not isinstance(validity, int) or not 0 < validity <= HIGHEST:
            raise Fault(MALFORMED, words="no UIDVALIDITY")
        uidnext = told.get(b"UIDNEXT")
        known = isinstance(uidnext, int) and 0 < uidnext <= HIGHEST + 1
        return Opened(validity, uidnext if known else None)

    def uids(self, first: int, last: int | None, not_before: datetime | None) -> list[int]:
        """UIDs from `first` to `last` (None: to the end), ascending; `not_before` leaves out whole days."""
        criteria: list[Any] = ["UID", f"{first}:{last or '*'}"]
        if not_before is not None:
            # SEARCH compares days in the server's own zone, which may be any.
            criteria += ["SINCE", (not_before - timedelta(days=1)).date()]
        found = _told(self._wire.search, criteria)
        if any(uid > HIGHEST for uid in found):
            raise Fault(MALFORMED, words="no UID")
        # `9:*` gives the last mail even when its UID is below 9 (RFC 3501 §6.4.8).
        return sorted({int(uid) for uid in found if uid >= first and (last is None or uid <= last)})

    def facts(self, uids: Sequence[int]) -> list[Fact]:
        """Sizes and arrival times of those that are still there, by UID."""
        told = _told(self._wire.fetch, uids, ["RFC822.SIZE", "INTERNALDATE"])
        facts = []
        # What changes meanwhile is told in between, and by its place in the folder in place of its UID.
        for uid in sorted(told.keys() & set(uids)):
            size, arrived = told[uid].get(b"RFC822.SIZE"), told[uid].get(b"INTERNALDATE")
            facts.append(Fact(int(uid), size if isinstance(size, int) else 0, _moment(arrived)))
        return facts

    def mails(self, uids: Sequence[int]) -> dict[int, bytes]:
        """The whole bytes of each that is still there; BODY.PEEK marks nothing as seen."""
        told = _told(self._wire.fetch, uids, ["BODY.PEEK[]"])
        return {
            int(uid): bytes(part[b"BODY[]"])
            for uid, part in told.items()
            if isinstance(part.get(b"BODY[]"), bytes)
        }

    def headers(self, uid: int) -> bytes:
        """The first 64 KB of a mail's headers; empty when it is gone."""
        told = _told(self._wire.fetch, [uid], [f"BODY.PEEK[HEADER]<0.{HEADERS_CAP}>"])
        for name, value in told.get(uid, {}).items():
            if name.startswith(b"BODY[HEADER]") and isinstance(value, bytes):
                return bytes(value)
        return b""

    def tidy(self, uids: Sequence[int]) -> None:
        """Mark as seen, or move, as the URL says. What is no longer there is no mistake."""
        if not uids or self._box.mode is Mode.READ_ONLY:
            return
        if self._box.mode is Mode.SEEN:
            _told(self._wire.add_flags, uids, b"\\Seen", silent=True)
        elif "MOVE" in self.capabilities:
            _told(self._wire.move, uids, self._box.move_to)
        else:
            _told(self._wire.copy, uids, self._box.move_to)
            _told(self._wire.add_flags, uids, b"\\Deleted", silent=True)
            if "UIDPLUS" in self.capabilities:  # a plain EXPUNGE would delete what others have marked
                _told(self._wire.uid_expunge, uids)

    def grown(self) -> bool:
        """Whether the server has told of new mail in passing, since the folder was opened."""
        return bool(_told(self._wire.has_grown))

    def idle(self, seconds: float, halt: threading.Event) -> bool:
        """Wait for new mail in the open folder (RFC 2177), up to `seconds` or until `halt`; says if any."""
        _told(self._wire.begin_idle)
        news = _is_news(_told(self._wire.idle_check, 0)) or self.grown()
        ends = time.monotonic() + seconds
        while not news and not halt.is_set() and time.monotonic() < ends:
            asked = time.monotonic()
            told = _told(self._wire.idle_check, IDLE_SLICE)
            news = _is_news(told)
            if not told and time.monotonic() - asked < IDLE_SLICE / 2:
                break  # readable, and nothing to read: most likely its end, which DONE will show
        _, rest = _told(self._wire.idle_done)
        return news or _is_news(rest)

    def folders(self) -> dict[str, int]:
        """Each folder that can be opened, with the number of its mails."""
        found = {}
        for flags, _, name in _told(self._wire.list_folders):
            if b"\\Noselect" not in flags and b"\\NonExistent" not in flags:
                try:
                    found[name] = int(_told(self._wire.folder_status, name, ["MESSAGES"])[b"MESSAGES"])
                except (Fault, KeyError):
                    found[name] = -1
        return found

    def close(self, *, politely: bool) -> None:
        """End it. Never raises."""
        close(self._wire, politely=politely)


def _told(ask: Callable[..., Any], *arguments: Any, step: str = "", **options: Any) -> Any:
    """The server's answer; whatever goes wrong becomes a Fault."""
    try:
        return ask(*arguments, **options)
    except Exception as error:
        raise explained(error, step=step) from error


def _moment(arrived: object) -> datetime | None:
    """A time as UTC; None where it tells no zone, or lies at the end of all times."""
    if not isinstance(arrived, datetime) or arrived.tzinfo is None:
        return None
    try:
        return arrived.astimezone(UTC)
    except OverflowError:
        return None


def _is_news(told: Iterable[Any]) -> bool:
    """Whether new mail was told of. Raises Fault for BYE."""
    news = False
    for each in told:
        if each and each[0] == b"BYE":
            raise Fault(BYE)
        news = news or (len(each) > 1 and each[1] in NEWS)
    return news
