"""Two cookies: one for the browser before anybody is signed in, one for the session afterwards.

`__Host-` cookies (RFC 6265bis §4.1.3.2) can be set by no other host, not even one of the same domain, so
nobody can plant theirs. On plain http, which is for trying it out on one's own machine only, they have other
names.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from workers.errors import Forbidden
from workers.settings import Settings

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST = 64
BROWSER, SESSION, LANGUAGE = "browser", "session", "language"


def cookie_name(settings: Settings, what: str) -> str:
    """The name of the cookie. Raises Forbidden where cookies would go over a wire in clear."""
    url = urlsplit(settings.public_url)
    if url.scheme == "https":
        return f"__Host-closeloop-{what}"
    if url.hostname in LOCAL:
        return f"closeloop-local-{what}"
    raise Forbidden("sign-in needs https", hint="set CLOSELOOP_PUBLIC_URL to an https address")


def read_cookie(request: Request, settings: Settings, what: str) -> str:
    """Its value, "" when there is none."""
    return request.cookies.get(cookie_name(settings, what), "")[:LONGEST]


def set_cookie(response: Response, settings: Settings, what: str, value: str, seconds: int) -> None:
    """Set it for at most so many seconds; 0 takes it away."""
    name = cookie_name(settings, what)
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=name.startswith("__Host-"),
        httponly=True,
        samesite="lax",
    )
