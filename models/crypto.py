"""The crypto that keeps customers' data unreadable at rest.

Two layers: a *data key* seals one customer's fields (`Sealer`), and a *key ring* wraps the data keys
(`KeyRing`). Rotating the ring re-wraps small rows; destroying a data key makes all that it sealed
unreadable at once. AES-256-GCM (NIST SP 800-38D) with random 96-bit nonces throughout.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
VERSION = b"\x01"
WRAP_PLACE = b"closeloop data key"


class Erased(ValueError):
    """The data key was destroyed on purpose: what it sealed is gone for good."""


class Tampered(ValueError):
    """The sealed bytes are not what was sealed: changed, moved to another place, or under another key."""


class UnknownKey(ValueError):
    """The ring lacks the key that wrapped a data key (an old key was taken out of the ring too early)."""


def new_key() -> bytes:
    """32 random bytes, fit for a data key or a ring key."""
    return os.urandom(KEY_BYTES)


def keyed_hash(key: bytes, purpose: str, text: str) -> bytes:
    """32 bytes of HMAC-SHA256 (RFC 2104) for looking `text` up without storing it.

    `purpose` keeps equal texts of different kinds apart (a phone number and an order number).
    """
    return hmac.digest(key, purpose.encode() + b"\x00" + text.encode(), hashlib.sha256)


def _seal(cipher: AESGCM, plain: bytes, place: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + cipher.encrypt(nonce, plain, place)


def _open(cipher: AESGCM, sealed: bytes, place: bytes) -> bytes:
    start = len(VERSION) + NONCE_BYTES
    if len(sealed) < start + TAG_BYTES or sealed[: len(VERSION)] != VERSION:
        raise Tampered("these are not sealed bytes")
    try:
        return cipher.decrypt(sealed[len(VERSION) : start], sealed[start:], place)
    except InvalidTag:
        raise Tampered("sealed bytes do not open here: changed, moved, or under another key") from None


class Sealer:
    """Seals and opens fields under one data key.

    `place` names where a value belongs ("tickets.subject"); it is authenticated, so that bytes moved to
    another column do not open there.
    """

    __slots__ = ("_cipher",)

    def __init__(self, data_key: bytes) -> None:
        if len(data_key) != KEY_BYTES:
            raise ValueError(f"a data key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(data_key)

    def seal(self, plain: str | bytes, place: str) -> bytes:
        """The sealed form of `plain` (text as UTF-8): version byte, nonce, ciphertext and tag."""
        return _seal(self._cipher, plain.encode() if isinstance(plain, str) else plain, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """The bytes that were sealed for `place`. Raises Tampered."""
        return _open(self._cipher, sealed, place.encode())

    def text(self, sealed: bytes | None, place: str) -> str:
        """The text that was sealed for `place`; '' for None. Raises Tampered."""
        return "" if sealed is None else self.open(sealed, place).decode()

    def seal_json(self, value: Any, place: str) -> bytes:
        """The sealed form of a JSON value (compact, not escaped)."""
        return self.seal(json.dumps(value, ensure_ascii=False, separators=(",", ":")), place)

    def json(self, sealed: bytes | None, place: str) -> Any:
        """The JSON value that was sealed for `place`; None for None. Raises Tampered."""
        return None if sealed is None else json.loads(self.open(sealed, place))


class KeyRing:
    """The installation's keys that wrap data keys, newest first; only the newest wraps, all unwrap."""

    __slots__ = ("_ciphers", "_newest")

    def __init__(self, keys: tuple[tuple[str, bytes], ...]) -> None:
        if not keys:
            raise ValueError("a key ring needs at least one key")
        if len({name for name, _ in keys}) != len(keys):
            raise ValueError("two keys of the ring have the same id")
        for name, key in keys:
            if len(key) != KEY_BYTES:
                raise ValueError(f"key '{name}' has {len(key)} bytes instead of {KEY_BYTES}")
        self._newest = keys[0][0]
        self._ciphers = {name: AESGCM(key) for name, key in keys}

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """A ring from "id:base64,id2:base64", newest first. ValueError says what is wrong, not the key."""
        keys: list[tuple[str, bytes]] = []
        for place, item in enumerate((part.strip() for part in text.split(",") if part.strip()), start=1):
            name, colon, encoded = item.partition(":")
            if not colon or not name.strip():
                raise ValueError(f"key {place} of the ring is not written as id:base64")
            if len(name.strip()) > 32:
                raise ValueError(f"the id of key {place} of the ring is longer than 32 characters")
            try:
                keys.append((name.strip(), base64.b64decode(encoded.strip(), validate=True)))
            except binascii.Error:
                raise ValueError(f"key '{name.strip()}' of the ring is not base64") from None
        return cls(tuple(keys))

    @property
    def newest(self) -> str:
        """The id of the key that wraps new data keys."""
        return self._newest

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, newest first."""
        return tuple(self._ciphers)

    def wrap(self, data_key: bytes) -> tuple[str, bytes]:
        """(id of the wrapping key, the data key wrapped by it)."""
        return self._newest, _seal(self._ciphers[self._newest], data_key, WRAP_PLACE)

    def unwrap(self, ring_key: str, wrapped: bytes) -> bytes:
        """The data key wrapped by the ring's key `ring_key`. Raises UnknownKey, Tampered."""
        cipher = self._ciphers.get(ring_key)
        if cipher is None:
            raise UnknownKey(f"the key ring has no key '{ring_key}' (it has: {', '.join(self._ciphers)})")
        return _open(cipher, wrapped, WRAP_PLACE)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"
