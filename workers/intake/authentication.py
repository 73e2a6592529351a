"""Whether a mail's claim of its sender failed its check, as a server says that the operator trusts.

Authentication-Results (RFC 8601) can be written by anybody, so it counts only from a configured server; a
mail provider's own verdicts came with its signed call and count always.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_RESULT = re.compile(r"\s*(dmarc|dkim|spf)\s*=\s*([a-z]{1,20})", re.IGNORECASE)
_FAILED = frozenset({"fail", "hardfail", "reject"})
_LONGEST = 8_000


def sender_failed(headers: Mapping[str, tuple[str, ...]], verdicts: object, servers: Collection[str]) -> bool:
    """Whether the sender is disproved. `servers` are the trusted names (authserv-id, lower case).

    DMARC decides where it was checked. Else SPF or DKIM has to fail and none of them to pass: a forwarded
    mail loses one of both.
    """
    return any(_disproved(results) for results in _told(headers, verdicts, servers))


def dmarc_failed(headers: Mapping[str, tuple[str, ...]], verdicts: object, servers: Collection[str]) -> bool:
    """Whether the domain of From disowns the mail (RFC 7489), as a trusted server or the provider found.

    SPF and DKIM alone say nothing of From, and a mailbox that is forwarded here breaks them.
    """
    return any(results.get("dmarc", set()) & _FAILED for results in _told(headers, verdicts, servers))


def _told(
    headers: Mapping[str, tuple[str, ...]], verdicts: object, servers: Collection[str]
) -> Iterator[dict[str, set[str]]]:
    for value in headers.get("authentication-results", ()):
        yield _of_server(value, servers)
    if isinstance(verdicts, Mapping):
        yield _of_provider(verdicts)


def _disproved(results: Mapping[str, set[str]]) -> bool:
    dmarc = results.get("dmarc", set())
    if dmarc & _FAILED:
        return True
    others = results.get("spf", set()) | results.get("dkim", set())
    return "pass" not in dmarc | others and bool(others & _FAILED)


def _of_provider(verdicts: Mapping[str, Any]) -> dict[str, set[str]]:
    return {name: {str(verdicts[name])} for name in ("dmarc", "dkim", "spf") if name in verdicts}


def _of_server(value: str, servers: Collection[str]) -> dict[str, set[str]]:
    """The results of one header by method; none when its server is not trusted."""
    parts = "".join(_without_comments(value[:_LONGEST])).split(";")
    server = (parts[0].split() or [""])[0].lower()
    if server not in servers:
        return {}
    found: dict[str, set[str]] = {}
    for part in parts[1:]:
        result = _RESULT.match(part)
        if result:
            found.setdefault(result[1].lower(), set()).add(result[2].lower())
    return found


def _without_comments(value: str) -> Iterator[str]:
    """The characters outside of comments in parentheses, which may nest (RFC 5322 section 3.2.2)."""
    depth = 0
    for letter in value:
        if letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif not depth:
            yield letter
