"""What belongs to an installation beside its tables: settings, keys, templates and policies of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path, PurePosixPath

from workers.errors import InvalidInput
from workers.keeping.archive import Kept
from workers.keeping.envelope import sealed_to, sealed_with
from workers.settings import Settings

MOST = 32 * 1024 * 1024
"""Bytes of files that go into a backup; what is larger is no template."""
ALONE = ("sms_templates.toml",)
FOLDERS = ("templates",)
POLICY = "policy"
SHOWN_ELSEWHERE = frozenset({"chat_urls", "data", "texts"})


def shown_settings(settings: Settings) -> dict[str, str]:
    """The settings that hold no secret, by name, as they were written."""
    plain = {each.name.upper() for each in fields(Settings) if each.repr and each.name not in SHOWN_ELSEWHERE}
    return {name: text for name, text in settings.texts if name in plain}


def kept_files(settings: Settings) -> Iterator[Kept]:
    """Files of the data folder, and the policy where it is a file of the operator's own.

    Raises InvalidInput when they are far too large together.
    """
    found = {name: settings.data / name for name in ALONE}
    for folder in FOLDERS:
        top = settings.data / folder
        for path in sorted(top.rglob("*")) if top.is_dir() else ():
            found[path.relative_to(settings.data).as_posix()] = path
    own = Path(settings.policy)
    if own.suffix == ".toml":
        found[f"{POLICY}/{own.name}"] = own
    left = MOST
    for name, path in found.items():
        if not path.is_file() or path.is_symlink():
            continue
        left -= path.stat().st_size
        if left < 0:
            raise InvalidInput(f"the files of {settings.data} are too large for a backup", hint=name)
        yield Kept(name, path.read_bytes())


def put_back(data: Path, kept: Kept) -> Path | None:
    """Write a file into the data folder where there is none of that name; None if there is one.

    Raises InvalidInput for a name that leads elsewhere.
    """
    name = PurePosixPath(kept.name)
    known = kept.name in ALONE or name.parts[0] in (*FOLDERS, POLICY)
    if not known or name.is_absolute() or ".." in name.parts or "\\" in kept.name:
        raise InvalidInput("the backup holds a file that belongs nowhere", hint=kept.name[:80])
    path = data / name
    if path.exists() or any(each.is_symlink() for each in (path, *path.parents)):
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(kept.data)
    return path


def sealed_secrets(settings: Settings) -> bytes | None:
    """All settings, keys and passwords among them, encrypted; None where nobody said how."""
    without = {"BACKUP_PASSPHRASE", "DATA"}
    inside = json.dumps({name: text for name, text in settings.texts if name not in without}).encode()
    if settings.backup_key:
        return sealed_to(settings.backup_key, inside)
    if settings.backup_passphrase:
        return sealed_with(settings.backup_passphrase, inside)
    return None


def read_secrets(inside: bytes) -> Mapping[str, str]:
    """What was in an envelope, by names of settings. Raises InvalidInput."""
    try:
        found = json.loads(inside)
        return {str(name): str(text) for name, text in found.items()}
    except (ValueError, AttributeError):
        raise InvalidInput("there are no settings in this file of keys") from None
