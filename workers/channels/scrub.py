"""Other servers' words, made fit to be kept: short, printable, without addresses and phone numbers."""

from __future__ import annotations

import re

MASK = "***"
LONGEST = 500

_ADDRESS = re.compile(r"""(?:"[^"@]{1,64}"|[^\s<>()\[\]:;,"'@]{1,256})@[^\s<>()\[\];,"'@]{1,256}""")
_PHONE = re.compile(r"\+\d(?:[ ().-]{0,2}\d){6,14}(?!\d)|(?<![\dA-Za-z])1[3-9]\d{9}(?![\dA-Za-z])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def scrub(text: str | bytes, *secrets: str) -> str:
    """Return at most 500 characters of `text` in which mail addresses, phone numbers and `secrets` are
    masked.

    Bytes that are not UTF-8 and lone surrogates are shown as escapes, so that the result can always be
    stored. `secrets` are addresses or numbers known to be meant: their local part or digits are masked on
    their own too.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    elif not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    text = _CONTROL.sub(" ", text).strip()
    if "@" in text:
        text = _ADDRESS.sub(f"{MASK}@{MASK}", text)
    text = _PHONE.sub(MASK, text)
    for secret in secrets:
        text = _without(text, secret)
    return text[:LONGEST]


def _without(text: str, secret: str) -> str:
    bare = secret.rpartition("@")[0] or secret.lstrip("+")
    if len(bare) < 3 or bare.lower() not in text.lower():
        return text  # nearly always; building the expression would cost more than the rest of the send
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(bare)}(?![A-Za-z0-9])", MASK, text, flags=re.IGNORECASE)
