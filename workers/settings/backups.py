"""Settings of backups: how often, how many, and who can open the keys that lie beside them."""

from __future__ import annotations

import base64
import binascii
import re

LONGEST_HOURS = 24 * 31
MOST_COPIES = 1000
SHORTEST_PASSPHRASE = 16
PUBLIC_KEY = "closeloop-backup-key1"
"""What a public key for backups begins with, before its 32 bytes in base64."""


def hours(text: str) -> int:
    """Hours between two backups."""
    return _number(text, LONGEST_HOURS, "hours")


def copies(text: str) -> int:
    """How many backups are kept."""
    return _number(text, MOST_COPIES, "backups")


def _number(text: str, most: int, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise ValueError(f"must be a whole number of {what} from 1 to {most}")
    return int(text)


def passphrase(text: str) -> str:
    """What the keys are encrypted with; '' stands for none."""
    if text and len(text) < SHORTEST_PASSPHRASE:
        raise ValueError(f"is too short to be safe: at least {SHORTEST_PASSPHRASE} characters")
    return text


def public_key(text: str) -> str:
    """The public key to encrypt the keys to; '' stands for none."""
    if not text:
        return ""
    start, _, encoded = text.partition(":")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raw = b""
    if start != PUBLIC_KEY or len(raw) != 32:
        raise ValueError(f"must be a public key as `closeloop backup key` prints it ({PUBLIC_KEY}:…)")
    return text
