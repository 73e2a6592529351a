"""Calls are signed as Standard Webhooks says (standardwebhooks.com, spec 1.0, symmetric signatures)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from standardwebhooks import Webhook

from workers import __version__


def signed_headers(ident: str, at: datetime, body: str, secrets: Sequence[str]) -> Mapping[str, str]:
    """The headers of a call with this `body`. `ident` is the same on every try, `at` (UTC) is the try's own.

    Each of the valid `secrets` (`whsec_…`) signs, so that the other side may change over at any time.
    """
    signatures = [Webhook(secret).sign(ident, at, body) for secret in secrets]
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"closeloop/{__version__}",
        "webhook-id": ident,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
