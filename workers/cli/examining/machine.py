"""The machine: room on its disks, and the files that hold secrets or people's data."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from workers.cli.output import Finding

if TYPE_CHECKING:
    from workers.settings import Settings

LEAST_FREE = 200 * 1024**2
LITTLE_FREE = 2 * 1024**3
OLD_KEYS = timedelta(days=400)
ENDS_SOON = timedelta(days=14)
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def disk_findings(settings: Settings) -> Iterator[Finding]:
    """Free room where the data folder is: at least 200 MB, better 2 GB."""
    folder = settings.data
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    words = f"{usage.free / 1024**3:.1f} GB of {usage.total / 1024**3:.1f} GB free at {folder}"
    hint = "make room, or closeloop purge what has passed its time"
    if usage.free < LEAST_FREE:
        yield Finding("disk", "bad", words, hint)
    else:
        yield Finding("disk", *(("warning", words, hint) if usage.free < LITTLE_FREE else ("good", words)))


def key_findings(settings: Settings) -> Iterator[Finding]:
    """Files with secrets and the SQLite file: who may read them, how old keys are, when certificates end."""
    from models.session import async_url, is_sqlite
    from workers.settings.own_secrets import FILE_NAME

    own = settings.data / FILE_NAME
    if own.exists():
        yield from _file(own, "closeloop keys rotate, and read ops/docs/privacy.md")
    if is_sqlite(settings.database_url):
        yield from _open_database(Path(str(async_url(settings.database_url).database)))
    if settings.dkim:
        yield from _file(Path(settings.dkim.partition(":")[2]), "make another selector and key, publish both")
    if settings.smtp_intake_key is not None:
        yield from _file(settings.smtp_intake_key, "")
    if settings.smtp_intake_cert is not None:
        yield from _certificate(settings.smtp_intake_cert)


def _file(path: Path, renew: str) -> Iterator[Finding]:
    try:
        found = path.stat()
    except OSError as error:
        yield Finding("keys", "bad", f"{path} cannot be read: {error.strerror}")
        return
    age = datetime.now(UTC) - datetime.fromtimestamp(found.st_mtime, UTC)
    if found.st_mode & OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        yield Finding("keys", "bad", f"{path} may be read by others (mode {mode:04o})", f"chmod 600 {path}")
    elif renew and age > OLD_KEYS:
        yield Finding("keys", "warning", f"{path} has not changed for {age.days} days", renew)
    else:
        yield Finding("keys", "good", f"{path} is for its owner alone, {age.days} days old")


def _open_database(path: Path) -> Iterator[Finding]:
    with suppress(OSError):  # a file that cannot be read is told of by who opens it
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            hint = f"chmod 600 {path}*, unless a group is meant to read it"
            yield Finding("database", "warning", f"{path} may be read by others (mode {mode:04o})", hint)


def _certificate(path: Path) -> Iterator[Finding]:
    from cryptography import x509

    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        yield Finding("keys", "bad", f"{path} is no certificate that can be read ({type(error).__name__})")
        return
    left = ends - datetime.now(UTC)
    words = f"the certificate of the SMTP intake ends on {ends:%Y-%m-%d}"
    if left < timedelta(0):
        yield Finding("keys", "bad", words, "renew it: mail servers may refuse to talk to us")
    else:
        yield Finding("keys", "warning" if left < ENDS_SOON else "good", words)
