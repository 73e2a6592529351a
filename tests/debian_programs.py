"""Programs of the tests that no Python package brings: this machine's, or Debian's, unpacked into `.venv`.

Nobody need be root: packages are resolved against what the machine has, downloaded, and unpacked only.
`python -m tests.debian_programs` fetches all of them once, so that no test needs a network.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ServerMissing

VENV = Path(__file__).resolve().parent.parent / ".venv"
MACHINE = Path("/")
WAIT = 600


@dataclass(frozen=True, slots=True)
class Program:
    """What is wanted: Debian's `packages`, the `files` in them that are used, a `command` that tells the
    version, and how that must begin. Without a command being there is enough.
    """

    name: str
    packages: tuple[str, ...]
    files: tuple[str, ...]
    command: tuple[str, ...] = ()
    version: str = ""

    @property
    def cache(self) -> Path:
        """Where its packages are unpacked when the machine has none."""
        return VENV / self.name

    def found(self) -> Path | None:
        """The folder that stands for / to this program, None when it is nowhere yet."""
        for root in (MACHINE, self.cache):
            if all((root / name).exists() for name in self.files) and self._runs(root):
                return root
        return None

    def _runs(self, root: Path) -> bool:
        if not self.command:
            return True
        words = [str(root / self.command[0]), *self.command[1:]]
        try:
            told = subprocess.run(
                words, env=environment(root), capture_output=True, text=True, check=False, timeout=60
            )
        except OSError:
            return False
        return told.stdout.startswith(self.version)


DOVECOT = Program(
    "dovecot",
    ("dovecot-core", "dovecot-imapd"),
    ("usr/sbin/dovecot", "usr/bin/doveconf", "usr/lib/dovecot/imap", "usr/lib/dovecot/imap-login"),
    ("usr/sbin/dovecot", "--version"),
    "2.3.",
)
CHROMIUM = Program(
    "chromium",
    ("chromium", "fonts-noto-cjk", "fonts-liberation"),
    ("usr/lib/chromium/chromium", "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    ("usr/lib/chromium/chromium", "--version"),
    "Chromium ",
)
RABBITMQ = Program(
    "rabbitmq",
    ("rabbitmq-server",),
    ("usr/lib/rabbitmq/bin/rabbitmq-server", "usr/lib/erlang/bin/erl"),  # says no version without starting
)
PROMETHEUS = Program(
    "prometheus",
    ("prometheus",),
    ("usr/bin/promtool",),
    ("usr/bin/promtool", "--version"),
    "promtool, version",
)
NGINX = Program("nginx", ("nginx-light",), ("usr/sbin/nginx",))
CADDY = Program("caddy", ("caddy",), ("usr/bin/caddy",), ("usr/bin/caddy", "version"), "2.")
ALL = (DOVECOT, CHROMIUM, PROMETHEUS, NGINX, CADDY, RABBITMQ)


def root_of(program: Program) -> Path:
    """The folder that stands for / to a program: / itself, or where its packages were unpacked.

    Raises ServerMissing when there is none and none can be had.
    """
    if (found := program.found()) is not None:
        return found
    VENV.mkdir(exist_ok=True)
    with program.cache.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers of one run may want it at once
        if (found := program.found()) is not None:
            return found
        _fetch(program)
    return program.cache


def library_path(root: Path) -> str:
    """LD_LIBRARY_PATH for programs below `root`; empty for the machine's own."""
    if root == MACHINE:
        return ""
    folders = [*root.glob("usr/lib/dovecot"), *root.glob("usr/lib/*-linux-*"), *root.glob("lib/*-linux-*")]
    within = [folder for one in folders for folder in (one, one / "nss", one / "pulseaudio")]
    return ":".join(str(folder) for folder in within if folder.is_dir())


def environment(root: Path) -> dict[str, str]:
    """This process's environment, in which programs below `root` find their libraries."""
    return {**os.environ, "LD_LIBRARY_PATH": path} if (path := library_path(root)) else dict(os.environ)


def _fetch(program: Program) -> None:
    if not all(map(shutil.which, ("apt-get", "dpkg-deb"))):
        raise ServerMissing(f"No {program.name}: install it; without root only Debian's can be unpacked.")
    with tempfile.TemporaryDirectory(dir=VENV, prefix=f"{program.name}-") as place:
        root = Path(place) / "root"
        for deb in _downloaded(program.packages, Path(place)):
            _run(program, ["dpkg-deb", "-x", str(deb), str(root)])
        shutil.rmtree(program.cache, ignore_errors=True)
        root.rename(program.cache)
    if program.found() is None:
        raise ServerMissing(f"Debian's {program.name} does not run here (wanted: {program.version})")


def _downloaded(packages: Sequence[str], place: Path) -> list[Path]:
    """The packages and all they depend on that this machine lacks, as files."""
    for folder in ("lists/partial", "cache/archives/partial", "state"):
        (place / folder).mkdir(parents=True)
    settings = {
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
        "Dir::State": place / "state",
        "Dir::State::lists": place / "lists",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": place / "cache",
        "Acquire::Retries": "2",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    apt = ["apt-get", "-q", "-y", *options]
    _run(None, [*apt, "update"])
    # Reinstalling: a program that is there and does not run may lack a file; its libraries are the machine's.
    wanted = ["install", "--download-only", "--reinstall", "--no-install-recommends", *packages]
    _run(None, [*apt, *wanted])
    return sorted((place / "cache/archives").glob("*.deb"))


def _run(program: Program | None, words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=WAIT)
    if done.returncode != 0:
        name = program.name if program else "packages"
        raise ServerMissing(f"No {name}: {words[0]} failed: {done.stderr.strip()[-500:]}")


def main() -> int:
    """Fetch what is lacking; gives how many programs cannot be had."""
    lacking = 0
    for program in ALL:
        try:
            root_of(program)
        except ServerMissing as missing:
            lacking += 1
            print(
                f"{missing}\nTests that need it are skipped here; where CI is set, they fail.",
                file=sys.stderr,
            )
    return lacking


if __name__ == "__main__":
    sys.exit(main())
