"""How a mailbox is entered where passwords are switched off: OAuth 2.0 at Google or Microsoft (RFC 6749).

In the mailbox's URL: `auth=google` or `auth=microsoft`, `client=` (the application's id), `secret=`,
`tenant=` (Microsoft's directory) and `keep=/path` (where a renewed refresh token is kept). The refresh token
stands where the password would.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OPTIONS = frozenset({"auth", "client", "secret", "tenant", "keep"})
PROVIDERS = ("google", "microsoft")
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,200}")
_SECRET = re.compile(r"[ -~]{1,400}")


@dataclass(frozen=True, slots=True)
class Oauth:
    """An application's right to a mailbox. Without a refresh token Microsoft lets the application in itself
    (client credentials). `keep`: the file of the newest refresh token, which goes before the URL's.
    """

    provider: str
    client: str
    secret: str = field(default="", repr=False)
    tenant: str = "common"
    keep: str | None = None


def read_oauth(
    options: Mapping[str, Sequence[str]], refresh_token: str, wrong: Callable[[str], None]
) -> Oauth | None:
    """What the options of a mailbox's URL say; None where it is entered by a password.

    `wrong` is told each mistake, in words without any secret.
    """
    told = {name: options.get(name, [""])[-1] for name in OPTIONS}
    provider = told["auth"]
    if provider in ("", "password"):
        if stray := sorted(name for name in OPTIONS - {"auth"} if told[name]):
            wrong(f"has {', '.join(stray)}=, which belongs to auth=google or auth=microsoft")
        return None
    if provider not in PROVIDERS:
        wrong("has an unknown auth=: use password, google or microsoft")
        return None
    tenant = told["tenant"] or "common"
    if not _PLAIN.fullmatch(told["client"]):
        wrong(f"has auth={provider}, which needs the application's id: client=")
    if told["secret"] and not _SECRET.fullmatch(told["secret"]):
        wrong("has a secret= with characters other than printable ASCII")
    if not _PLAIN.fullmatch(tenant) or (told["tenant"] and provider != "microsoft"):
        wrong("has a tenant= that is no id or domain of a Microsoft directory")
    if not refresh_token and provider == "google":
        wrong("has auth=google, which needs the refresh token in place of the password")
    if not refresh_token and provider == "microsoft" and (not told["secret"] or tenant == "common"):
        wrong("has auth=microsoft without a refresh token, which needs secret= and tenant=")
    if told["keep"] and not os.access(Path(told["keep"]).parent, os.W_OK):
        wrong("has a keep= file whose folder cannot be written to")
    return Oauth(provider, told["client"], told["secret"], tenant, told["keep"] or None)
