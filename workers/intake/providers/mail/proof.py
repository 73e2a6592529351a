"""What proves a call where the provider signs nothing, and what is the same for all who sign."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import UTC, datetime

from workers.errors import BadSignature
from workers.intake.providers.calls import HookRequest, same
from workers.intake.providers.mail.account import MailAccount

MINUTES = 15
"""How old or early a signed moment may be, unless the account's option `window` says otherwise."""


class Stale(BadSignature):
    """Signed by the right key, but not now: a replay, a late retry, or one of two clocks is wrong."""


def need_login(call: HookRequest, account: MailAccount) -> None:
    """User and password of the account (Basic, RFC 7617), or its ?token=. Raises BadSignature."""
    token = account.option("token")
    given = next((value for name, value in call.query() if name == "token"), "")
    by_token = bool(token) and same(given, token)
    user, password = basic(call)
    login = same(user, account.user) & same(password, account.secret)
    by_login = bool(account.user and account.secret) and login
    if not (by_token or by_login):
        raise BadSignature(
            "user and password, or the token, are missing or wrong",
            "put them into the address that the provider calls: https://user:password@… or …?token=…",
        )


def basic(call: HookRequest) -> tuple[str, str]:
    """User and password of an `Authorization: Basic` header; two empty texts when there is none."""
    scheme, _, coded = call.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        plain = base64.b64decode(coded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return "", ""
    user, _, password = plain.partition(":")
    return user, password


def need_hmac(given: str, key: str, signed: bytes, digest: str = "sha256") -> None:
    """Raises BadSignature unless `given` is the hexadecimal HMAC of `signed`."""
    if not key or not given or not same(given, hmac.new(key.encode(), signed, digest).hexdigest()):
        raise BadSignature("the signature is missing or does not match", "is the key that of this account?")


def need_fresh(call: HookRequest, seconds: float, account: MailAccount, minutes: int = MINUTES) -> None:
    """Raises Stale unless a signed Unix time is within the account's window (minutes) around now."""
    window = 60 * account.number("window", minutes)
    if not abs(call.at.timestamp() - seconds) <= window:
        raise Stale(
            f"the signature is older or newer than {window // 60} minutes",
            "is this machine's clock right?",
        )


def unix(text: str) -> float:
    """A Unix time in digits; one long past when it is none."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0.0


def iso(text: str) -> float:
    """The Unix time of an ISO 8601 moment; one long past when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
