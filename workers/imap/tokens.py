"""Access tokens for mailboxes that take no password: OAuth 2.0 at Google's and Microsoft's own hosts only.

https://developers.google.com/gmail/imap/xoauth2-protocol and
https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth.
A token is asked for at each login: a connection lives for hours, and nothing has to be remembered.

Everything here blocks and runs in a thread of its own (`workers.imap.hands`).
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.imap.faults import AUTHENTICATION, CONNECTION, MALFORMED, THROTTLED, Fault
from workers.settings.imap_oauth import Oauth
from workers.settings.imap_url import MailboxUrl

ENDPOINTS: Mapping[str, str] = {
    "google": "https://oauth2.googleapis.com/token",
    "microsoft": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
}
"""The only places that a refresh token is ever sent to."""
_SCOPES = {
    ("microsoft", True): "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
    ("microsoft", False): "https://outlook.office365.com/.default",
}
_SECONDS = 15.0
_CAP = 64 * 1024
_BAD_REQUEST, _LATER, _TROUBLE = 400, 429, 500


def access_token(box: MailboxUrl, oauth: Oauth) -> str:
    """A fresh access token for the mailbox.

    A renewed refresh token is kept where `oauth.keep` says. Raises Fault: AUTHENTICATION when the provider
    says no (its code for why is in the fault's words), THROTTLED or CONNECTION when a later try may help.
    """
    refresh_token = _kept(oauth) or box.password
    form = {"client_id": oauth.client, "grant_type": "refresh_token", "refresh_token": refresh_token}
    if not refresh_token:
        form = {"client_id": oauth.client, "grant_type": "client_credentials"}
    if oauth.secret:
        form["client_secret"] = oauth.secret
    if scope := _SCOPES.get((oauth.provider, bool(refresh_token))):
        form["scope"] = scope
    told = _asked(ENDPOINTS[oauth.provider].format(tenant=oauth.tenant), form)
    token = told.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise Fault(MALFORMED, words="no access token")
    renewed = told.get("refresh_token")
    if oauth.keep and isinstance(renewed, str) and renewed and renewed != refresh_token:
        _keep(Path(oauth.keep), renewed)
    return token


def _asked(url: str, form: Mapping[str, str]) -> dict[str, Any]:
    import httpx  # 0.2 s and 11 MB, which a mailbox with a password need not pay

    try:
        with (
            httpx.Client(verify=_trust(), timeout=_SECONDS) as web,
            web.stream("POST", url, data=dict(form)) as answer,
        ):
            status, body = answer.status_code, _body(answer)
    except (httpx.HTTPError, OSError) as error:
        raise Fault(CONNECTION, words=f"no token could be had ({type(error).__name__})") from error
    if status == _LATER or status >= _TROUBLE:
        raise Fault(THROTTLED, words=f"the token endpoint answers {status}")
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Fault(MALFORMED) from error
    if status >= _BAD_REQUEST and isinstance(told, dict):
        why = str(told.get("error", ""))[:60]
        raise Fault(AUTHENTICATION, words=f"no token was given: {why if why.isprintable() else status}")
    if status != 200 or not isinstance(told, dict):
        raise Fault(MALFORMED, words=f"the token endpoint answers {status}")
    return told


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _body(answer: Any) -> bytes:
    ends = time.monotonic() + 2 * _SECONDS
    body = b""
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > _CAP or time.monotonic() > ends:
            raise Fault(MALFORMED, words="the token endpoint says too much")
    return body


def _kept(oauth: Oauth) -> str:
    try:
        return Path(oauth.keep).read_text("ascii").strip() if oauth.keep else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _keep(path: Path, token: str) -> None:
    """Written beside it first: a token that is half written lets nobody in. A full disk loses none, either:
    the one before stays valid until its own end.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(token)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
