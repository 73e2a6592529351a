"""The settings that `closeloop init` writes down, kept beside the data; the environment wins over them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from workers.errors import InvalidInput, SettingsError

FILE_NAME = "settings.env"
PREFIX = "CLOSELOOP_"
HEADER = (
    "# Written by closeloop init; what stands in the environment wins. Lines of your own stay as they are.\n"
    "# It may hold passwords of mail servers: keep it as you keep secrets.env.\n"
)


def known_settings(data: Path) -> dict[str, str]:
    """The settings kept in `<data>/settings.env` by their names; empty when there is no such file.

    Raises SettingsError when the file is there and cannot be read.
    """
    path = data / FILE_NAME
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        hint = "run closeloop as whoever made the data folder, or let them give you the file"
        raise SettingsError(f"the settings in {path} cannot be read: {reason}", hint=hint) from error
    pairs = (_pair(line) for line in text.splitlines())
    return {name: value for name, value in pairs if name}


def write_settings(data: Path, changes: Mapping[str, str]) -> Path:
    """Change settings in `<data>/settings.env` (0600) and give its path; an empty value takes one out.

    All or nothing: the new file takes the old one's place in one step. Comments, their order and all other
    lines stay. Raises InvalidInput for a value of several lines, SettingsError if it cannot be written.
    """
    if any("\n" in value or "\r" in value for value in changes.values()):
        raise InvalidInput("a setting is one line", hint="put it into a file, and name that by NAME_FILE")
    path = data / FILE_NAME
    try:
        data.mkdir(parents=True, exist_ok=True)
        old = path.read_text("utf-8") if path.exists() else HEADER
        _replace(path, _changed(old, changes))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise SettingsError(f"the settings cannot be kept in {path}: {reason}") from error
    return path


def _changed(text: str, changes: Mapping[str, str]) -> str:
    left = dict(changes)
    lines = []
    for line in text.splitlines():
        name, _ = _pair(line)
        if name not in changes:
            lines.append(line)
        elif value := left.pop(name, ""):
            lines.append(f"{name}={value}")
    lines += [f"{name}={value}" for name, value in left.items() if value]
    return "".join(f"{line}\n" for line in lines)


def _pair(line: str) -> tuple[str, str]:
    """Name and value of a line; empty ones for a comment. Quotes around a value, as shells want, are none."""
    name, equals, value = line.strip().removeprefix("export ").partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not name.startswith(PREFIX):
        return "", ""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return name, value


def _replace(path: Path, text: str) -> None:
    """Written beside it and brought to the disk first: a reader sees the old file or the new one."""
    descriptor, spare = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from the start
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(spare).replace(path)
    except BaseException:
        Path(spare).unlink(missing_ok=True)
        raise
