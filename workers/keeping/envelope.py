"""Secrets that leave the house: encrypted with a passphrase, or to an operator's public key.

After age (age-encryption.org/v1): the file key is wrapped by scrypt (RFC 7914) of a passphrase, or by X25519
(RFC 7748) with HKDF-SHA256 (RFC 5869) to a public key whose other half lies elsewhere; what is inside is
sealed by ChaCha20-Poly1305 (RFC 8439). Whoever holds the envelope alone reads nothing, and a changed one does
not open. The other half of a public key never needs to be on the machine that makes backups.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from workers.errors import InvalidInput
from workers.settings.backups import PUBLIC_KEY

NAME, FORMAT = "closeloop-keys", 1
PRIVATE_KEY = "CLOSELOOP-BACKUP-SECRET-KEY1"
WORK = 15
"""Power of two of scrypt's cost: 32 MB and a tenth of a second for each guess."""
MOST_WORK = 20
MISSED = "the keys do not open: another passphrase or key, or the file was changed"


def new_pair() -> tuple[str, str]:
    """A fresh pair of keys: (private, to be kept elsewhere; public, for CLOSELOOP_BACKUP_KEY)."""
    private = X25519PrivateKey.generate()
    public = _text(private.public_key().public_bytes_raw())
    return f"{PRIVATE_KEY}:{_text(private.private_bytes_raw())}", f"{PUBLIC_KEY}:{public}"


def sealed_with(passphrase: str, inside: bytes) -> bytes:
    """`inside`, to be opened by whoever knows the passphrase."""
    salt = os.urandom(16)
    return _sealed(
        {"by": "passphrase", "salt": _text(salt), "work": WORK}, _stretched(passphrase, salt, WORK), inside
    )


def sealed_to(public_key: str, inside: bytes) -> bytes:
    """`inside`, to be opened by whoever holds the other half of `public_key`."""
    theirs = _bytes(public_key.partition(":")[2])
    ours = X25519PrivateKey.generate()
    half = ours.public_key().public_bytes_raw()
    shared = ours.exchange(X25519PublicKey.from_public_bytes(theirs))
    return _sealed({"by": "key", "half": _text(half)}, _agreed(shared, half, theirs), inside)


def opened(envelope: bytes, *, passphrase: str = "", private_key: str = "") -> bytes:
    """What is inside. Raises InvalidInput when it does not open, or needs the other kind of secret."""
    head, nonce, inside = _read(envelope)
    if head["by"] == "key":
        if not private_key:
            raise InvalidInput("these keys open by a private key", hint="name its file: --identity FILE")
        key = _by_half(head, private_key)
    else:
        if not passphrase:
            raise InvalidInput(
                "these keys open by a passphrase", hint="set CLOSELOOP_BACKUP_PASSPHRASE (or …_FILE)"
            )
        key = _stretched(passphrase, _bytes(head["salt"]), min(int(head["work"]), MOST_WORK))
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, inside, _authenticated(head))
    except InvalidTag:
        raise InvalidInput(MISSED) from None


def _by_half(head: dict[str, Any], private_key: str) -> bytes:
    start, _, encoded = private_key.strip().partition(":")
    if start != PRIVATE_KEY:
        raise InvalidInput("this is no private key of `closeloop backup key`")
    try:
        ours = X25519PrivateKey.from_private_bytes(_bytes(encoded))
        half = _bytes(head["half"])
        shared = ours.exchange(X25519PublicKey.from_public_bytes(half))
    except ValueError:
        raise InvalidInput(MISSED) from None
    return _agreed(shared, half, ours.public_key().public_bytes_raw())


def _sealed(head: dict[str, Any], key: bytes, inside: bytes) -> bytes:
    nonce = os.urandom(12)
    whole = {NAME: FORMAT, **head}
    sealed = ChaCha20Poly1305(key).encrypt(nonce, inside, _authenticated(whole))
    return json.dumps({**whole, "nonce": _text(nonce), "sealed": _text(sealed)}, indent=1).encode() + b"\n"


def _read(envelope: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    try:
        whole = json.loads(envelope)
        nonce, sealed = _bytes(whole.pop("nonce")), _bytes(whole.pop("sealed"))
        needed = {"key": ("half",), "passphrase": ("salt", "work")}[whole["by"]]
        if whole[NAME] != FORMAT or any(name not in whole for name in needed):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput("this is no file of keys that closeloop has written") from None
    return whole, nonce, sealed


def _authenticated(head: dict[str, Any]) -> bytes:
    return json.dumps(head, sort_keys=True).encode()


def _stretched(passphrase: str, salt: bytes, work: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=1 << work, r=8, p=1).derive(passphrase.encode())


def _agreed(shared: bytes, half: bytes, theirs: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=half + theirs, info=NAME.encode()).derive(shared)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
