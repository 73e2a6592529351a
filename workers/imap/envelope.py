"""For whom a fetched mail was: its last servers wrote down what SMTP's envelope had said."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workers.delivery.identity import is_return_path
from workers.intake.addresses import parse_addresses
from workers.intake.own_marks import OwnMarks
from workers.settings import Settings

LONGEST = 256 * 1024
LONGEST_ADDRESS = 320
DELIVERED = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-forwarded-to")
SHOWN = ("to", "cc")
_FOLD = re.compile(rb"\r?\n[ \t]")
_END = re.compile(rb"\r?\n\r?\n")


def envelope_of(raw: bytes, settings: Settings) -> dict[str, str]:
    """`to`: the address of ours that it was delivered to, "" if none can be told; `from`: its return path, ""
    for the null sender, left out where the mailbox's server did not write it down.

    Return-Path counts above all Received lines only (RFC 5321 §4.4): further down anybody may have put it.
    """
    found: dict[str, list[str]] = {}
    told: dict[str, str] = {}
    for name, value in _headers(raw):
        if name == "return-path" and "received" not in found and "from" not in told:
            told["from"] = value.strip().strip("<> ")[:LONGEST_ADDRESS]
        found.setdefault(name, []).append(value)
    candidates = [
        address
        for name in (*DELIVERED, *SHOWN)
        for value in found.get(name, ())
        for _, address in parse_addresses(value)
    ]
    told["to"] = next((each for each in candidates if _is_ours(each, settings)), "")[:LONGEST_ADDRESS]
    return told


def _is_ours(address: str, settings: Settings) -> bool:
    token = OwnMarks.of(settings).reply_tokens(address)
    return bool(token) or is_return_path(address, settings) or address.lower() == settings.mail_from.lower()


def _headers(raw: bytes) -> Iterator[tuple[str, str]]:
    head = raw[:LONGEST]
    if end := _END.search(head):
        head = head[: end.start()]
    for line in _FOLD.sub(b" ", head).splitlines():
        name, colon, value = line.partition(b":")
        if colon:
            yield name.strip().lower().decode("ascii", "replace"), value.decode("utf-8", "replace")
