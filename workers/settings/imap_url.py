"""Where mail is fetched: `imaps://user:code@imap.example.com/INBOX?folder=Junk&mode=seen`, one or several.

Options: `tls=implicit|start|none`, `ca=/path.pem`, `folder=` (again for each further one),
`mode=read-only|seen|move`, `to=Folder` (with `mode=move`), `since=now|all|7d`, `poll=60` (seconds); those of
OAuth stand in `imap_oauth`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit

from workers.settings.imap_oauth import OPTIONS as OAUTH_OPTIONS
from workers.settings.imap_oauth import Oauth, read_oauth

_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_OPTIONS = frozenset({"tls", "ca", "folder", "mode", "to", "since", "poll"}) | OAUTH_OPTIONS
_DAYS = re.compile(r"([1-9]\d{0,3})d", re.ASCII)
_PRINTABLE = re.compile(r"[ -~]+")
MOST_FOLDERS = 20
LONGEST_FOLDER = 200


class ImapTls(StrEnum):
    """How a connection is secured. There is no "if possible"."""

    IMPLICIT = "implicit"
    START = "start"
    NONE = "none"


class Mode(StrEnum):
    """What becomes of a mail in the mailbox once it is stored here."""

    READ_ONLY = "read-only"
    """Nothing: it is not even marked as seen."""
    SEEN = "seen"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class MailboxUrl:
    """One mailbox to fetch. `since`: how far back its first reading goes, None for all of it; `poll`: seconds
    between two looks where the server does not tell of new mail. `ca_file`: PEM file of a private authority.
    With `oauth`, `password` is the refresh token, or empty.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: ImapTls = ImapTls.IMPLICIT
    ca_file: str | None = None
    folders: tuple[str, ...] = ("INBOX",)
    mode: Mode = Mode.READ_ONLY
    move_to: str = ""
    since: timedelta | None = timedelta(0)
    poll: float = 60.0
    oauth: Oauth | None = None

    @property
    def name(self) -> str:
        """How logs and metrics call it: host and port, never the login."""
        return f"{self.host}:{self.port}"


def parse_imap_urls(text: str) -> tuple[MailboxUrl, ...]:
    """The mailboxes named in `text`, separated by blanks. User, password and folders are percent-encoded.

    `tls` defaults to `implicit` for imaps, to `start` for imap; the port follows it (993, 143).
    Raises ValueError that names all mistakes and never quotes a URL, which holds a password.
    """
    mistakes: list[str] = []
    found = [
        _Reader(f"(number {place}) ", mistakes).read(url) for place, url in enumerate(text.split(), start=1)
    ]
    boxes = [box for box in found if box is not None]
    if len({(box.host.lower(), box.port, box.user) for box in boxes}) < len(boxes):
        mistakes.append("names a mailbox twice: give it several folder= instead")
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return tuple(boxes)


class _Reader:
    """Reads one URL and collects its mistakes instead of stopping at the first."""

    def __init__(self, place: str, mistakes: list[str]) -> None:
        self._place = place
        self._mistakes = mistakes
        self._options: dict[str, list[str]] = {}

    def read(self, url: str) -> MailboxUrl | None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            self._wrong("is not a URL: percent-encode special characters in user and password")
            return None
        if parts.scheme not in ("imap", "imaps") or not _HOST.fullmatch(parts.hostname or ""):
            self._wrong("must look like imaps://user:password@imap.example.com/INBOX")
            return None
        if parts.fragment:
            self._wrong("has a # in it: percent-encode it as %23")
        before = len(self._mistakes)
        # Not `parse_qs` as for forms: a + in a folder's name is a +.
        self._options = parse_qs(parts.query.replace("+", "%2B"), keep_blank_values=True)
        if unknown := sorted(set(self._options) - _OPTIONS):
            self._wrong(f"has unknown options {', '.join(unknown)}: known are {', '.join(sorted(_OPTIONS))}")
        tls = self._tls(parts.scheme)
        user = self._word("user", parts.username)
        oauth = read_oauth(self._options, parts.password or "", self._wrong)
        password = "" if oauth and not parts.password else self._word("password", parts.password)
        folders = self._folders(unquote(parts.path).strip("/"))
        mode, move_to = self._mode(folders)
        since, poll, ca_file = self._since(), self._poll(), self._ca_file()
        if len(self._mistakes) > before:
            return None
        return MailboxUrl(
            host=parts.hostname or "",
            port=port or (993 if tls is ImapTls.IMPLICIT else 143),
            user=user,
            password=password,
            tls=tls,
            ca_file=ca_file,
            folders=folders,
            mode=mode,
            move_to=move_to,
            since=since,
            poll=poll,
            oauth=oauth,
        )

    def _wrong(self, words: str) -> None:
        self._mistakes.append(self._place + words)

    def _option(self, name: str, default: str) -> str:
        return self._options.get(name, [default])[-1]

    def _word(self, name: str, raw: str | None) -> str:
        """A login's half. LOGIN takes ASCII only, and a line break would begin a command of its own."""
        text = unquote(raw or "")
        if not text:
            self._wrong(f"lacks the {name}")
        elif not _PRINTABLE.fullmatch(text):
            self._wrong(f"has a {name} with characters other than printable ASCII")
        return text

    def _tls(self, scheme: str) -> ImapTls:
        default = ImapTls.IMPLICIT if scheme == "imaps" else ImapTls.START
        try:
            tls = ImapTls(self._option("tls", default))
        except ValueError:
            self._wrong("has an unknown tls=: use implicit, start or none")
            return default
        if scheme == "imaps" and tls is not ImapTls.IMPLICIT:
            self._wrong(f"is imaps, which means tls=implicit, but tls={tls} is given")
        return tls

    def _folders(self, path: str) -> tuple[str, ...]:
        names = tuple(
            dict.fromkeys(_inbox(name) for name in (path or "INBOX", *self._options.get("folder", ())))
        )
        if len(names) > MOST_FOLDERS:
            self._wrong(f"names more than {MOST_FOLDERS} folders")
        if not all(map(_is_folder, names)):
            self._wrong("has an empty, overlong or unprintable folder name")
        return names

    def _mode(self, folders: Iterable[str]) -> tuple[Mode, str]:
        target = _inbox(self._option("to", ""))
        try:
            mode = Mode(self._option("mode", Mode.READ_ONLY))
        except ValueError:
            self._wrong("has an unknown mode=: use read-only, seen or move (with to=Folder)")
            return Mode.READ_ONLY, ""
        if mode is Mode.MOVE and not _is_folder(target):
            self._wrong("has mode=move, which needs the folder to move to: to=Folder")
        if mode is not Mode.MOVE and target:
            self._wrong("has to=, which belongs to mode=move")
        if mode is Mode.MOVE and target in folders:
            self._wrong("moves mails to a folder that it fetches: choose another to=")
        return mode, target

    def _since(self) -> timedelta | None:
        text = self._option("since", "now")
        if text in ("now", "all"):
            return timedelta(0) if text == "now" else None
        days = _DAYS.fullmatch(text)
        if days is None:
            self._wrong("has an unknown since=: use now, all, or a number of days such as 7d")
        return timedelta(days=int(days[1])) if days else None

    def _poll(self) -> float:
        text = self._option("poll", "60")
        if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or not 5 <= int(text) <= 3600:
            self._wrong("has a poll= that is no number of seconds from 5 to 3600")
            return 60.0
        return float(text)

    def _ca_file(self) -> str | None:
        path = self._option("ca", "")
        if path and not os.access(path, os.R_OK):
            self._wrong("has a ca= file that cannot be read")
        return path or None


def _inbox(name: str) -> str:
    """RFC 3501 §5.1: INBOX is the same in any case."""
    return "INBOX" if name.upper() == "INBOX" else name


def _is_folder(name: str) -> bool:
    return 0 < len(name) <= LONGEST_FOLDER and name.isprintable()
