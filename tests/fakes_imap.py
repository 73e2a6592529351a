"""A scripted IMAP server for what Dovecot cannot be made to do: it refuses, cuts, hangs, lies and says BYE.

    with ScriptedImap() as server:
        server.on("SELECT", no("[UNAVAILABLE] later"), times=1).on("FETCH", cut(after=500), times=1)

It knows the commands that closeloop uses (RFC 3501, 2177, 2971, 6851). Rules may be added while it runs.
"""

from __future__ import annotations

import base64
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import quote

USER, PASSWORD = "support@qq.example", "authorization-code-1"
CAPABILITIES = ("IMAP4rev1", "ID", "IDLE", "UIDPLUS", "MOVE")


@dataclass
class Kept:
    """A mail in a folder."""

    uid: int
    raw: bytes
    at: datetime
    flags: set[str] = field(default_factory=set)
    size: int | None = None  # what RFC822.SIZE claims, if not the truth


@dataclass
class Folder:
    """A folder; `validity` is its UIDVALIDITY."""

    validity: int = 1
    next: int = 1
    mails: list[Kept] = field(default_factory=list)


Action = Callable[["_Talk", bytes, bytes], None]
"""What to do instead of the usual: given the dialogue, the tag and the usual answer."""


def no(words: str) -> Action:
    """Answer NO."""
    return lambda talk, tag, _: talk.send(tag + b" NO " + words.encode() + b"\r\n")


def bye(words: str) -> Action:
    """Say BYE and hang up."""

    def act(talk: _Talk, _: bytes, __: bytes) -> None:
        talk.send(b"* BYE " + words.encode() + b"\r\n")
        raise _HangUp

    return act


def cut(after: int = 0) -> Action:
    """Hang up, after so many bytes of the usual answer."""

    def act(talk: _Talk, _: bytes, usual: bytes) -> None:
        talk.send(usual[:after])
        raise _HangUp

    return act


def say(raw: bytes) -> Action:
    """Send exactly these bytes instead."""
    return lambda talk, _, __: talk.send(raw)


def garble(raw: bytes) -> Action:
    """Send these bytes instead, and that all is well."""
    return lambda talk, tag, _: talk.send(raw + tag + b" OK done\r\n")


def hang() -> Action:
    """Never answer."""
    return lambda talk, _, __: talk.wait_for_ever()


def drip(pause: float) -> Action:
    """Send the usual byte by byte."""

    def act(talk: _Talk, _: bytes, usual: bytes) -> None:
        for at in range(len(usual)):
            talk.send(usual[at : at + 1])
            time.sleep(pause)

    return act


@dataclass
class _Rule:
    step: str
    action: Action
    times: int
    skip: int

    def fits(self, step: str) -> bool:
        if step != self.step or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class ScriptedImap:
    """The server, in threads of its own. `needs_id`: SELECT is refused before ID, as by 163; `deaf`: IDLE is
    taken and nothing ever told; `broken`: UIDs of mails that it does not give out; `token`: of XOAUTH2.
    """

    def __init__(self, capabilities: Iterable[str] = CAPABILITIES, *, needs_id: bool = False) -> None:
        self.capabilities = tuple(capabilities)
        self.needs_id = needs_id
        self.deaf = False
        self.broken: set[int] = set()
        self.token = ""
        self.folders: dict[str, Folder] = {"INBOX": Folder()}
        self.commands: list[str] = []
        self.connections = 0
        self.changed = threading.Condition()
        self.ended = threading.Event()
        self._rules: list[_Rule] = []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.connections += 1
                _Talk(outer, self.request).run()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        with self.changed:
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def url(self, path: str = "", *, password: str = PASSWORD, **options: str) -> str:
        """A URL for CLOSELOOP_IMAP_URL."""
        query = "&".join(
            f"{name}={quote(value, safe='')}" for name, value in {"tls": "none", **options}.items()
        )
        return f"imap://{quote(USER, safe='')}:{password}@127.0.0.1:{self.port}/{path}?{query}"

    def on(self, step: str, action: Action, *, times: int = 1_000_000, skip: int = 0) -> Self:
        """Do this at a command (LOGIN, SELECT, SEARCH, FETCH, BODY for whole mails, IDLE …)."""
        self._rules.append(_Rule(step, action, times, skip))
        return self

    def clear(self) -> None:
        """Behave from now on."""
        self._rules.clear()

    def rule(self, step: str) -> Action | None:
        """The action for this step, if there is a rule."""
        return next((rule.action for rule in self._rules if rule.fits(step)), None)

    def put(
        self, raw: bytes, folder: str = "INBOX", *, at: datetime | None = None, size: int | None = None
    ) -> None:
        """A mail comes in."""
        with self.changed:
            kept = self.folders.setdefault(folder, Folder())
            kept.mails.append(Kept(kept.next, raw, at or datetime.now(UTC), size=size))
            kept.next += 1
            self.changed.notify_all()

    def seen(self, folder: str = "INBOX") -> int:
        """How many mails of a folder are marked as seen."""
        return sum("\\Seen" in mail.flags for mail in self.folders[folder].mails)

    def count(self, folder: str = "INBOX") -> int:
        """How many mails a folder has."""
        return len(self.folders.get(folder, Folder()).mails)

    def forget_uids(self, folder: str = "INBOX") -> None:
        """Give all mails new UIDs, under another UIDVALIDITY."""
        with self.changed:
            kept = self.folders[folder]
            kept.validity += 1
            for number, mail in enumerate(kept.mails, start=1):
                mail.uid = number
            kept.next = len(kept.mails) + 1

    def asked(self, command: str) -> int:
        """How often a command came in."""
        return sum(1 for line in self.commands if line.startswith(command))


class _HangUp(Exception):
    pass


class _Talk:
    """The dialogue on one connection."""

    def __init__(self, server: ScriptedImap, door: socket.socket) -> None:
        self.server = server
        self.door = door
        self.lines = door.makefile("rb")
        self.introduced = False
        self.folder = Folder()
        self.known = 0

    def run(self) -> None:
        try:
            self.send(b"* OK scripted server ready\r\n")
            while line := self.lines.readline():
                self.command(line.rstrip(b"\r\n"))
        except (_HangUp, OSError):
            pass
        finally:
            self.lines.close()
            self.door.close()

    def send(self, data: bytes) -> None:
        self.door.sendall(data)

    def wait_for_ever(self) -> None:
        while not self.server.ended.wait(0.1) and _alive(self.door):
            pass
        raise _HangUp

    def command(self, line: bytes) -> None:
        tag, _, rest = line.partition(b" ")
        words = rest.decode("utf-8", "replace")
        words = words[4:] if words.upper().startswith("UID ") else words
        name, _, argument = words.partition(" ")
        step = name.upper()
        self.server.commands.append(words if step != "LOGIN" else step)
        if step == "FETCH" and "BODY.PEEK[]" in argument:
            step = "BODY"
        action = self.server.rule(step)
        if step == "AUTHENTICATE":
            self.authenticate(tag)
            return
        if step == "IDLE" and action is None:
            self.idle(tag)
            return
        handler = getattr(self, f"do_{name.lower()}", None)
        usual = handler(argument) if handler else None
        answer = b"" if usual is None else usual
        verdict = b"BAD unknown" if usual is None else b"OK done"
        if answer.startswith(b"NO "):
            answer, verdict = b"", answer
        whole = answer + tag + b" " + verdict + b"\r\n"
        if action is not None:
            action(self, tag, whole)
        else:
            self.send(whole)
        if step == "LOGOUT":
            raise _HangUp

    def authenticate(self, tag: bytes) -> None:
        """XOAUTH2; a wrong token is told in a challenge first, as by Gmail, which wants an answer."""
        self.send(b"+ \r\n")
        given = base64.b64decode(self.lines.readline())
        if self.server.token and given == f"user={USER}\1auth=Bearer {self.server.token}\1\1".encode():
            self.send(tag + b" OK done\r\n")
            return
        self.send(b"+ " + base64.b64encode(b'{"status":"400"}') + b"\r\n")
        self.lines.readline()
        self.send(tag + b" NO [AUTHENTICATIONFAILED] Invalid credentials\r\n")

    def idle(self, tag: bytes) -> None:
        self.send(b"+ idling\r\n")
        self.door.settimeout(0.05)
        told = b""
        while b"\n" not in told:
            if not self.server.deaf and len(self.folder.mails) > self.known:
                self.known = len(self.folder.mails)
                self.send(b"* %d EXISTS\r\n" % self.known)
            try:
                more = self.door.recv(100)
            except TimeoutError:
                if self.server.ended.is_set():
                    raise _HangUp from None
                if (action := self.server.rule("IDLING")) is not None:
                    action(self, tag, b"")
                continue
            if not more:
                raise _HangUp
            told += more
        self.door.settimeout(None)
        self.send(tag + b" OK idle is over\r\n")

    def do_capability(self, _: str) -> bytes:
        return f"* CAPABILITY {' '.join(self.server.capabilities)}\r\n".encode()

    def do_login(self, argument: str) -> bytes:
        return (
            b""
            if argument == f'"{USER}" "{PASSWORD}"' or argument == f'{USER} "{PASSWORD}"'
            else (b"NO [AUTHENTICATIONFAILED] LOGIN Login error password error")
        )

    def do_id(self, argument: str) -> bytes:
        self.introduced = '"name" "closeloop"' in argument
        return b'* ID ("name" "scripted")\r\n'

    def do_noop(self, _: str) -> bytes:
        return b""

    def do_logout(self, _: str) -> bytes:
        return b"* BYE see you\r\n"

    def do_list(self, _: str) -> bytes:
        return b"".join(f'* LIST () "/" "{name}"\r\n'.encode() for name in self.server.folders)

    def do_status(self, argument: str) -> bytes:
        name = _name(argument)
        return f'* STATUS "{name}" (MESSAGES {self.server.count(name)})\r\n'.encode()

    def do_create(self, argument: str) -> bytes:
        self.server.folders.setdefault(_name(argument), Folder())
        return b""

    def do_examine(self, argument: str) -> bytes:
        return self.do_select(argument)

    def do_select(self, argument: str) -> bytes:
        if self.server.needs_id and not self.introduced:
            return b"NO SELECT Unsafe Login. Please contact kefu@188.com for help"
        if _name(argument) not in self.server.folders:
            return b"NO [NONEXISTENT] no such folder"
        self.folder = self.server.folders[_name(argument)]
        self.known = len(self.folder.mails)
        return b"* %d EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT %d] ok\r\n" % (
            self.known,
            self.folder.validity,
            self.folder.next,
        )

    def do_search(self, argument: str) -> bytes:
        first, last = _range(re.search(r"UID (\S+)", argument)[1])  # type: ignore[index]  # always there
        since = re.search(r"SINCE (\S+)", argument)
        day = datetime.strptime(since[1], "%d-%b-%Y").date() if since else None  # noqa: DTZ007 - a day
        found = [
            m.uid for m in self.folder.mails if first <= m.uid <= last and (not day or m.at.date() >= day)
        ]
        return f"* SEARCH {' '.join(map(str, found))}".rstrip().encode() + b"\r\n"

    def do_fetch(self, argument: str) -> bytes:
        which, _, what = argument.partition(" ")
        if "BODY.PEEK" in what and self.server.broken & _set(which):
            return b"NO [SERVERBUG] some messages cannot be had"
        answer = b""
        for place, mail in enumerate(self.folder.mails, start=1):
            if mail.uid in _set(which):
                answer += b"* %d FETCH (UID %d %s)\r\n" % (place, mail.uid, _items(mail, what))
        return answer

    def do_store(self, argument: str) -> bytes:
        which, _, what = argument.partition(" ")
        for mail in self._those(which):
            mail.flags |= set(re.findall(r"\\\w+", what))
        return b""

    def do_copy(self, argument: str) -> bytes:
        which, _, name = argument.partition(" ")
        for mail in self._those(which):
            self.server.put(mail.raw, _name(name), at=mail.at)
        return b""

    def do_move(self, argument: str) -> bytes:
        self.do_copy(argument)
        gone = self._those(argument.partition(" ")[0])
        self.folder.mails[:] = [mail for mail in self.folder.mails if mail not in gone]
        self.known = min(self.known, len(self.folder.mails))
        return b""

    def do_expunge(self, which: str) -> bytes:
        gone = [mail for mail in self._those(which) if "\\Deleted" in mail.flags]
        self.folder.mails[:] = [mail for mail in self.folder.mails if mail not in gone]
        self.known = min(self.known, len(self.folder.mails))
        return b""

    def _those(self, which: str) -> list[Kept]:
        return [mail for mail in self.folder.mails if mail.uid in _set(which)]


def _items(mail: Kept, what: str) -> bytes:
    if "RFC822.SIZE" in what:
        size = len(mail.raw) if mail.size is None else mail.size
        when = mail.at.astimezone(UTC).strftime("%d-%b-%Y %H:%M:%S +0000")
        return f'RFC822.SIZE {size} INTERNALDATE "{when}"'.encode()
    if "HEADER" in what:
        head = mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return b"BODY[HEADER]<0> {%d}\r\n%s" % (len(head), head)
    return b"BODY[] {%d}\r\n%s" % (len(mail.raw), mail.raw)


def _name(argument: str) -> str:
    found = re.match(r'"([^"]*)"|(\S+)', argument)
    assert found
    return found[1] if found[1] is not None else found[2]


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    return int(first), int(last or first) if last != "*" else 2**32


def _set(text: str) -> set[int]:
    return {n for part in text.split(",") for n in range(_range(part)[0], _range(part)[1] + 1)}


def _alive(door: socket.socket) -> bool:
    try:
        door.setblocking(False)
        return door.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        door.setblocking(True)
