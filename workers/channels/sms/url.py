"""Where text messages go out: `twilio://SID:TOKEN@/SENDER`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from workers.errors import SettingsError

TWILIO_API = "https://api.twilio.com"

_EXPECTED = "twilio://ACCOUNT_SID:AUTH_TOKEN@/+15550100 or …@/MG… for a messaging service"
_SENDER = re.compile(r"\+[1-9]\d{4,14}|\d{3,8}|MG[0-9a-fA-F]{32}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_API = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._/-]*)?")


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """An account and its sender: a number (E.164), a short code, an alphanumeric name, or a messaging
    service.

    `api` is the base URL; `status_callback` the URL that receipts are asked for at, None to ask for none.
    """

    sid: str
    token: str = field(repr=False)
    sender: str
    api: str = TWILIO_API
    status_callback: str | None = None


def parse_sms_url(url: str, *, status_callback: str | None = None) -> TwilioAccount:
    """Return the account named in `url`: `twilio://SID:TOKEN@/SENDER[?api=URL]`.

    `api` is for a proxy or a test server. Raises SettingsError; its message never contains the token.
    """
    try:
        parts = urlsplit(url.strip())
        sid, token = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError as error:
        raise SettingsError("SMS URL: not a URL", _EXPECTED) from error
    if parts.scheme != "twilio":
        raise SettingsError("SMS URL: the provider is not known", _EXPECTED)
    if not sid or not token:
        raise SettingsError("SMS URL: account SID and token are needed", _EXPECTED)
    if not sid.isalnum():
        raise SettingsError("SMS URL: the account SID has letters and digits only", _EXPECTED)
    sender = unquote(parts.path.lstrip("/"))
    if not _SENDER.fullmatch(sender):
        raise SettingsError("SMS URL: no usable sender after the slash", _EXPECTED)
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(set(options) - {"api"}):
        raise SettingsError(f"SMS URL: unknown option {', '.join(unknown)}", "known is api")
    api = options.get("api", [TWILIO_API])[-1].rstrip("/")
    if not _API.fullmatch(api):
        raise SettingsError("SMS URL: api must be an http or https URL")
    return TwilioAccount(sid, token, sender, api, status_callback)
