"""A real IMAP server, Dovecot, for the tests: one account, its own port, data in a folder of its own.

It runs as whoever runs the tests, or as `nobody` when that is root, whom it refuses.
"""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import shutil
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import trustme

from tests.debian_programs import DOVECOT, library_path, root_of
from tests.servers import Account, ServerMissing, _unprivileged_account, running_server, server_folder

PASSWORD = "auth/code+1"
NATIVE = "/usr/lib/dovecot"

CONFIG = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
libexec_dir = {libexec}
login_plugin_dir = {libexec}/modules/login
mail_plugin_dir = {libexec}/modules
import_environment = LD_LIBRARY_PATH
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
log_path = {folder}/log
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/cert.pem
ssl_dh =
disable_plaintext_auth = no
auth_failure_delay = 0
mail_location = maildir:{folder}/mail/%u
mail_fsync = never
first_valid_uid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_max_userip_connections = 100
mailbox_list_index = no
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = home={folder}/home
}}
"""


@dataclass(frozen=True, slots=True)
class ImapServer:
    """A running server; `folder` is its own, `ca` the PEM file of its certificate's authority."""

    port: int
    folder: Path
    ca: Path

    def mailbox(self) -> Mailbox:
        """A fresh, empty one."""
        return Mailbox(self, f"support{os.urandom(4).hex()}@help.example")

    def words(self) -> str:
        """What it has logged."""
        return (self.folder / "log").read_text(errors="replace")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One account of a server, from outside."""

    server: ImapServer
    user: str

    def url(self, path: str = "", *, password: str = PASSWORD, **options: str) -> str:
        """A URL for CLOSELOOP_IMAP_URL; over STARTTLS unless `tls` says otherwise."""
        chosen = {"tls": "start", "ca": str(self.server.ca), **options}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in chosen.items() if value)
        login = f"{quote(self.user, safe='')}:{quote(password, safe='')}"
        return f"imap://{login}@127.0.0.1:{self.server.port}/{path}?{query}"

    def put(self, raw: bytes, folder: str = "INBOX", *, at: datetime | None = None) -> None:
        """A mail comes into a folder, as if at `at`."""
        when = imaplib.Time2Internaldate(at) if at else ""
        with self._client() as client:
            client.create(folder)
            kind, told = client.append(folder, "", when, raw)
            assert kind == "OK", told

    def seen(self, folder: str = "INBOX") -> int:
        """How many mails of a folder are marked as seen."""
        with self._client() as client:
            client.select(folder, readonly=True)
            found: bytes = client.search(None, "SEEN")[1][0]
        return len(found.split())

    def count(self, folder: str = "INBOX") -> int:
        """How many mails a folder has; 0 when there is none."""
        with self._client() as client:
            kind, told = client.select(folder, readonly=True)
            return int(told[0] or b"0") if kind == "OK" else 0

    def forget_uids(self, folder: str = "INBOX") -> None:
        """Give all mails of a folder new UIDs, under another UIDVALIDITY."""
        place = self.server.folder / "mail" / self.user / ("" if folder == "INBOX" else f".{folder}")
        known = (place / "dovecot-uidlist").read_text().split()
        validity = int(next(word for word in known if word.startswith("V"))[1:])
        for path in place.glob("dovecot*"):
            path.unlink()
        uidlist = place / "dovecot-uidlist"
        uidlist.write_text(f"3 V{validity + 1} N1\n")
        shutil.chown(uidlist, place.owner(), place.group())

    @contextmanager
    def _client(self) -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4("127.0.0.1", self.server.port, timeout=30) as client:
            client.login(self.user, PASSWORD)
            yield client


@contextmanager
def imap_server() -> Iterator[ImapServer]:
    """A server for as long as the context lasts; raises ServerMissing."""
    root, account = root_of(DOVECOT), _unprivileged_account()
    with server_folder("imap") as folder, _reachable(root) as installed:
        own = f"{installed.libexec}:{library_path(root)}"
        environment = {"LD_LIBRARY_PATH": own} if root != Path("/") else {}
        authority = _certificate(folder)
        for name in ("run", "state", "mail", "home"):
            (folder / name).mkdir()
        if account:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, account.user, account.group)
        config = folder / "dovecot.conf"

        def command(port: int) -> list[str | Path]:
            config.write_text(_config(folder, installed.libexec, port, account))
            # The daemon looks for doveconf only where Debian installs it; so doveconf starts the daemon.
            settings: list[str | Path] = [
                installed.doveconf,
                "-f",
                "service=master",
                "-c",
                config,
                "-m",
                "master",
            ]
            return [*settings, "-e", installed.daemon, "-F", "-c", config]

        def ready(port: int) -> bool:
            return _greets(port, folder / "log")

        with (
            _environment(environment),
            running_server(command, ready, folder / "output", ending="TERM", account=account) as port,
        ):
            yield ImapServer(port, folder, authority)


def _config(folder: Path, libexec: Path, port: int, account: Account | None) -> str:
    user, group = (account.user, account.group) if account else (os.geteuid(), os.getegid())
    names = {"user": pwd.getpwuid(user).pw_name, "group": grp.getgrgid(group).gr_name}
    return CONFIG.format(
        folder=folder, password=PASSWORD, libexec=libexec, port=port, uid=user, gid=group, **names
    )


def _certificate(folder: Path) -> Path:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "ca.pem"


@dataclass(frozen=True, slots=True)
class Programs:
    """Dovecot where it can be run."""

    daemon: Path
    doveconf: Path
    libexec: Path


@contextmanager
def _reachable(root: Path) -> Iterator[Programs]:
    """Dovecot as it is installed; if it was only unpacked, a copy where anybody can run it.

    It has the path of its modules built in. In the copy another path of the same length stands for it.
    """
    if root == Path("/"):
        yield Programs(Path("/usr/sbin/dovecot"), Path("/usr/bin/doveconf"), Path(NATIVE))
        return
    home = Path(f"/tmp/dvct{os.urandom(8).hex()}"[: len(NATIVE)])
    try:
        shutil.copytree(root / "usr/lib/dovecot", home, symlinks=True)
        for name in ("usr/sbin/dovecot", "usr/bin/doveconf"):
            shutil.copy(root / name, home)
        home.chmod(0o755)
        for path in (each for each in home.rglob("*") if each.is_file() and not each.is_symlink()):
            content = path.read_bytes()
            if NATIVE.encode() in content:
                path.write_bytes(content.replace(NATIVE.encode(), str(home).encode()))
        yield Programs(home / "dovecot", home / "doveconf", home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _greets(port: int, log: Path) -> bool:
    if log.exists() and "Fatal" in log.read_text(errors="replace"):
        raise ServerMissing(f"Dovecot does not start:\n{log.read_text(errors='replace')}")
    try:
        with imaplib.IMAP4("127.0.0.1", port, timeout=10) as client:
            client.starttls(ssl._create_unverified_context())
            return True
    except (OSError, imaplib.IMAP4.error):
        time.sleep(0.05)
        return False
