"""What providers that take a mail apart into JSON have in common, once it is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from workers.errors import InvalidInput
from workers.intake.providers.mail.fields import code_in

_REPLY = re.compile(r"(?<![\d.])([245]\d\d)(?=[ -]|\Z)")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


def stored_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in a stored piece of a call. Raises InvalidInput."""
    try:
        whole = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("what was stored is no JSON") from error
    if not isinstance(whole, dict):
        raise InvalidInput("what was stored is no JSON object")
    return whole


def header_lines(told: Any, instead: Mapping[str, str]) -> list[tuple[str, str]]:
    """Header lines out of an object of name to value, or to the values of a header that occurs several times.

    `instead` are values, told elsewhere, of headers that may be missing; empty ones are left out.
    """
    found: list[tuple[str, str]] = []
    for name, lines in told.items() if isinstance(told, dict) else ():
        each = lines if isinstance(lines, list) else [lines]
        found += [(name, line) for line in each if isinstance(line, str)]
    known = {name.lower() for name, _ in found}
    return found + [(name, value) for name, value in instead.items() if value and name.lower() not in known]


def reply_in(words: str) -> tuple[int, str]:
    """Reply code (RFC 5321 section 4.2; 0: none) and enhanced status (RFC 3463; "": none) in what a server
    is said to have answered.
    """
    code, status = _REPLY.search(words[:500]), _STATUS.search(words[:500])
    return code_in(code[1]) if code else 0, status[1] if status else ""
