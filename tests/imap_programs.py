"""Where Dovecot comes from: this machine, or Debian's packages, unpacked into `.venv` without root.

`python -m tests.imap_programs` fetches it once, so that no test needs a network.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.servers import ServerMissing

PACKAGES = ("dovecot-core", "dovecot-imapd")
CACHE = Path(__file__).resolve().parent.parent / ".venv" / "dovecot"
WANTED = ("usr/sbin/dovecot", "usr/bin/doveconf", "usr/lib/dovecot/imap", "usr/lib/dovecot/imap-login")
LOADED = (*WANTED, "usr/lib/dovecot/auth", "usr/lib/dovecot/modules/libssl_iostream_openssl.so")
VERSION = "2.3."
MOST_ROUNDS = 5
WAIT = 300


def programs() -> Path:
    """The folder that stands for / to Dovecot's programs: / itself, or where they were unpacked.

    Raises ServerMissing when there are none and none can be had.
    """
    if (found := _found()) is not None:
        return found
    CACHE.parent.mkdir(exist_ok=True)
    with CACHE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers of one run may want it at once
        if (found := _found()) is not None:
            return found
        fetch()
    return CACHE


def _found() -> Path | None:
    for root in (Path("/"), CACHE):
        if all((root / name).exists() for name in WANTED) and _version(root).startswith(VERSION):
            return root
    return None


def library_path(root: Path) -> str:
    """LD_LIBRARY_PATH for programs below `root`."""
    folders = [root / "usr/lib/dovecot", *sorted(root.glob("usr/lib/*-linux-*")), *root.glob("lib/*-linux-*")]
    return ":".join(str(folder) for folder in folders if root != Path("/"))


def fetch() -> None:
    """Download and unpack Dovecot and the libraries that this machine lacks. Raises ServerMissing."""
    if not all(map(shutil.which, ("apt-get", "dpkg-deb", "ldd"))):
        raise ServerMissing("No Dovecot: install Dovecot 2.3 (Debian 12 gives its programs without root).")
    with tempfile.TemporaryDirectory(dir=CACHE.parent, prefix="dovecot-") as place:
        root, debs = Path(place) / "root", Path(place) / "debs"
        debs.mkdir()
        apt = _Apt(debs, Path(place) / "apt")
        wanted = list(PACKAGES)
        for _ in range(MOST_ROUNDS):
            apt.download(wanted)
            for deb in debs.glob("*.deb"):
                _run(["dpkg-deb", "-x", deb, root])
            if not (missing := _missing_libraries(root)):
                break
            wanted = _packages_with(missing, debs)
        if missing or not _version(root).startswith(VERSION):
            raise ServerMissing(
                f"Debian's Dovecot does not run here: it lacks {', '.join(missing) or VERSION}"
            )
        shutil.rmtree(CACHE, ignore_errors=True)
        root.rename(CACHE)


class _Apt:
    """apt-get for whoever may not change the machine; with lists of its own where there are none."""

    def __init__(self, debs: Path, state: Path) -> None:
        self._debs = debs
        self._state = state
        self._options: list[str] = ["-o", "APT::Sandbox::User="]

    def download(self, packages: Iterable[str]) -> None:
        names = sorted(packages)
        try:
            self._get("download", *names)
        except ServerMissing:
            self._make_lists()
            self._get("download", *names)

    def _make_lists(self) -> None:
        for folder in ("lists/partial", "cache/archives/partial"):
            (self._state / folder).mkdir(parents=True, exist_ok=True)
        self._options += [
            "-o",
            f"Dir::State::Lists={self._state}/lists",
            "-o",
            f"Dir::Cache={self._state}/cache",
        ]
        self._get("update")

    def _get(self, *words: str) -> None:
        _run(["apt-get", "-q", "-o", "Acquire::Retries=1", *self._options, *words], self._debs)


def _version(root: Path) -> str:
    words: list[str | Path] = [root / "usr/sbin/dovecot", "--version"]
    environment = {**os.environ, "LD_LIBRARY_PATH": library_path(root)}
    try:
        told = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return ""
    return told.stdout


def _missing_libraries(root: Path) -> list[str]:
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": f"{library_path(root)}:{root}/usr/lib/dovecot/modules/old-stats",
    }
    words: list[str | Path] = ["ldd", *(root / name for name in LOADED)]
    told = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return sorted(set(re.findall(r"^\s*(\S+) => not found", told.stdout, re.M)))


def _packages_with(libraries: Iterable[str], debs: Path) -> list[str]:
    """Which packages of those depended on seem to hold these: libunwind8 has libunwind.so.8."""
    depends = "".join(_run(["dpkg-deb", "-f", deb, "Depends", "Pre-Depends"]) for deb in debs.glob("*.deb"))
    named = set(re.findall(r"\blib[a-z0-9.+-]+", depends))
    stems = {re.split(r"\.so|-", library)[0].rstrip("0123456789") for library in libraries}
    return [name for name in named if any(name.startswith(stem) for stem in stems)]


def _run(words: list[str | Path], folder: Path | None = None) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=WAIT)
    if done.returncode != 0:
        raise ServerMissing(f"No Dovecot: {words[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    try:
        programs()
    except ServerMissing as missing:
        sys.exit(
            f"{missing}\nThe tests that need an IMAP server are skipped here; where CI is set, they fail."
        )
