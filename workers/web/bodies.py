"""Read a request's body as it came, never more than a cap."""

from __future__ import annotations

import asyncio
import hmac

from fastapi import Request

from workers.errors import InvalidInput, TooLarge

MEGABYTE = 1024 * 1024
MAIL_CAP = 25 * MEGABYTE
WRAPPED_CAP = 36 * MEGABYTE
"""The largest mail as providers wrap it: Base64 in JSON or in a form."""
FORM_CAP = MEGABYTE
READ_SECONDS = 120.0


async def read_body(request: Request, cap: int) -> bytes:
    """The raw bytes of the body.

    Raises TooLarge beyond `cap` bytes (said or real), InvalidInput when it stalls. Starlette's own form
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
