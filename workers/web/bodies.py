"""Read a request's body as it came, never more than a cap."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from workers.errors import InvalidInput, TooLarge, Unavailable

MEGABYTE = 1024 * 1024
MAIL_CAP = 25 * MEGABYTE
WRAPPED_CAP = 36 * MEGABYTE
"""The largest mail as providers wrap it: Base64 in JSON or in a form."""
FORM_CAP = MEGABYTE
READ_SECONDS = 120.0
UNPROVED_BUDGET = 4 * WRAPPED_CAP
"""How many bytes of bodies a process holds whose sender nobody has proved yet: each may be forged."""


class Budget:
    """What bodies that are not proved yet may take up together. One for a process and its event loop."""

    def __init__(self, most: int = UNPROVED_BUDGET) -> None:
        self._left = most

    @contextmanager
    def share(self) -> Iterator[Share]:
        """A part of it for one body, given back at the end."""
        taken = Share(self)
        try:
            yield taken
        finally:
            self._left += taken.bytes

    def take(self, size: int) -> None:
        """Raises Unavailable (503) when it is used up: a real provider tries again."""
        if size > self._left:
            raise Unavailable("too many calls are being read at once", hint="send it again in a minute")
        self._left -= size


class Share:
    """How much of a budget one body has taken so far."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.bytes = 0

    def take(self, size: int) -> None:
        """As `Budget.take`."""
        self._budget.take(size)
        self.bytes += size


async def read_body(request: Request, cap: int, share: Share | None = None) -> bytes:
    """The raw bytes of the body. With `share`, what has come in counts towards the budget it is of.

    Raises TooLarge beyond `cap` bytes (said or real), InvalidInput when it stalls, Unavailable when the
    budget is used up. Starlette's own form
    parser cuts and re-codes what it reads, which would break signatures and charsets.
    """
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and (len(said) > 12 or int(said) > cap):
        raise too_large(cap)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > cap:
                    raise too_large(cap)
                if share is not None:
                    share.take(len(chunk))
                chunks.append(chunk)
    except TimeoutError as error:
        raise InvalidInput("the body did not arrive in time", hint="send it again") from error
    return b"".join(chunks)


def too_large(cap: int) -> TooLarge:
    """The error for a body of more than `cap` bytes."""
    return TooLarge(f"the body is larger than {cap // MEGABYTE} MB", hint="send less")


def same_secret(given: str, expected: str) -> bool:
    """Whether a secret from a header is the expected one, in constant time; an empty one never is."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def bearer(header: str | None) -> str:
    """The token of an `Authorization: Bearer …` header (RFC 6750 §2.1), '' when it has none."""
    scheme, _, token = (header or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
