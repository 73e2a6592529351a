"""The secrets that `closeloop up` makes for itself, kept beside its data."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from models.crypto import new_key
from workers.errors import SettingsError

FILE_NAME = "secrets.env"
HEADER = (
    "# Made by closeloop. Keep it safe and backed up: without CLOSELOOP_SECRET_KEYS no data can be read.\n"
)


def _ring_key() -> str:
    return f"k1:{base64.b64encode(new_key()).decode()}"


def _token() -> str:
    return secrets.token_urlsafe(24)


MAKERS: dict[str, Callable[[], str]] = {
    "CLOSELOOP_SECRET_KEYS": _ring_key,
    "CLOSELOOP_HOOK_TOKEN": _token,
    "CLOSELOOP_API_KEY": _token,
}


def ensure_secrets(data: Path) -> dict[str, str]:
    """The installation's secrets by name of their setting; lacking ones are made first.

    They live in `<data>/secrets.env`, readable by its owner only (0600); the folder is made too. Two
    processes that start at once end up with the same secrets. Raises SettingsError if it cannot be written.
    """
    path = data / FILE_NAME
    try:
        data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            _lock(file.fileno())
            os.fchmod(file.fileno(), 0o600)
            text = file.read()
            known = _read(text)
            lacking = {name: make() for name, make in MAKERS.items() if not known.get(name)}
            if lacking:
                start = "" if not text or text.endswith("\n") else "\n"
                file.write(
                    (HEADER if not text else start) + "".join(f"{n}={v}\n" for n, v in lacking.items())
                )
                file.flush()
                os.fsync(file.fileno())
            return {**known, **lacking}
    except OSError as error:
        raise SettingsError(f"the secrets cannot be kept in {path}: {error.strerror}") from error


def known_secrets(data: Path) -> dict[str, str]:
    """The secrets kept in `<data>/secrets.env`; empty when there is no such file. Nothing is made.

    Raises SettingsError when the file is there and cannot be read.
    """
    path = data / FILE_NAME
    try:
        return _read(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        hint = "run closeloop as whoever made the data folder, or let them give you the file"
        raise SettingsError(f"the secrets in {path} cannot be read: {reason}", hint=hint) from error


def _lock(descriptor: int) -> None:
    import fcntl  # there is none on Windows, where this module must still be importable

    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _read(text: str) -> dict[str, str]:
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in MAKERS}
