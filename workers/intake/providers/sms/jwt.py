"""JSON Web Tokens as providers sign webhooks with them: HS256 only (RFC 7519, RFC 7518 §3.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from workers.errors import BadSignature

LEEWAY = timedelta(seconds=30)


def verify_token(token: str, secrets: Iterable[str], at: datetime) -> dict[str, Any]:
    """The claims of `token` when one of `secrets` signed it and `at` lies between its nbf and exp.

    The algorithm is taken from us, never from the token. Raises BadSignature.
    """
    try:
        signed, _, signature = token.strip().rpartition(".")
        head, _, body = signed.partition(".")
        header, claims, given = _json(head), _json(body), _decoded(signature)
    except (ValueError, RecursionError) as error:
        raise BadSignature("the signature is no token") from error
    if header.get("alg") != "HS256":
        raise BadSignature("the token is not signed with HS256")
    macs = [hmac.digest(secret.encode(), signed.encode(), "sha256") for secret in secrets if secret]
    matches = [hmac.compare_digest(given, mac) for mac in macs]
    if not any(matches):
        raise BadSignature("the signature does not match", "is the signing secret the provider's?")
    _check_time(claims, at)
    return claims


def check_payload(claims: dict[str, Any], body: bytes) -> None:
    """Raises BadSignature unless the claim payload_hash is the SHA-256 of `body`; without a body there is
    none.
    """
    claim = claims.get("payload_hash")
    if not body and claim is None:
        return
    if not isinstance(claim, str) or not hmac.compare_digest(
        claim.lower().encode(), hashlib.sha256(body).hexdigest().encode()
    ):
        raise BadSignature("the body is not the one that was signed")


def _check_time(claims: dict[str, Any], at: datetime) -> None:
    now = at.timestamp()
    early, late = claims.get("nbf"), claims.get("exp")
    if isinstance(early, int | float) and now < early - LEEWAY.total_seconds():
        raise BadSignature("the token is not yet valid", "is this machine's clock right?")
    if isinstance(late, int | float) and now > late + LEEWAY.total_seconds():
        raise BadSignature("the token has expired", "is this machine's clock right?")


def _json(part: str) -> dict[str, Any]:
    whole = json.loads(_decoded(part))
    if not isinstance(whole, dict):
        raise ValueError("not an object")
    return whole


def _decoded(part: str) -> bytes:
    return base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
