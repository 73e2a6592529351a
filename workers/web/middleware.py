"""What every request passes: headers of answers, the key of the API, the cap of its bodies, the last net."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.access import ApiKey
from models.people import Staff
from workers.errors import BadSignature, InvalidInput
from workers.settings import Settings
from workers.web.bodies import MEGABYTE, bearer, read_body, same_secret

API = "/api/"
PASSED = "closeloop.key_shown"
API_CAP = MEGABYTE
BARE_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

FoundKey = tuple[ApiKey | None, Staff | None]
FindKey = Callable[[str], Awaitable[FoundKey | None]]
Answer = Callable[[Request, Exception], Awaitable[Response]]


class SafeHeaders:
    """Puts the security headers on every answer that does not bring its own.

    Nothing is cached or indexed, since nearly every address here holds a token or a customer's data.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
            "Content-Security-Policy": BARE_CSP,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
            "X-Robots-Tag": "noindex, nofollow",
        }
        if https:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        self._raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                brought = {name for name, _ in message["headers"]}
                more = [header for header in self._raw if header[0] not in brought]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


class LastNet:
    """Answers what no handler caught, unless the answer has begun; the server's log hears nothing."""

    def __init__(self, app: ASGIApp, *, answer: Answer) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            if begun:
                raise
            response = await self._answer(Request(scope), error)
            await response(scope, receive, send)


class ApiDoor:
    """Lets nobody without a key into the API, before anything of the body is read, and caps the body.

    `find_key` looks up what is not the key of the settings; what opens is left in the scope for the rules.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, find_key: FindKey) -> None:
        self._app = app
        self._key = settings.api_key
        self._find_key = find_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises BadSignature, TooLarge and InvalidInput for the last net."""
        if scope["type"] != "http" or not _own_path(scope).startswith(API):
            await self._app(scope, receive, send)
            return
        opened_by = await self._opened_by(Headers(scope=scope))
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise InvalidInput("the address holds a NUL character")
        body = await read_body(Request(scope, receive), API_CAP)
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app({**scope, PASSED: opened_by}, replay, send)

    async def _opened_by(self, headers: Headers) -> FoundKey:
        """The key that was brought. Raises BadSignature, in the same words whatever is wrong with it."""
        given = bearer(headers.get("authorization")) or headers.get("x-api-key", "")
        if same_secret(given, self._key):
            return None, None
        found = await self._find_key(given)
        if found is not None:
            return found
        if not self._key:
            raise BadSignature(
                "the API is closed", hint="set CLOSELOOP_API_KEY to open it, or make a key: closeloop key add"
            )
        raise BadSignature(
            "the API key is missing or wrong", hint="send Authorization: Bearer <key>, or X-API-Key"
        )


def _own_path(scope: Scope) -> str:
    """The path within this application, which may be mounted below another's (ASGI's root_path)."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def opened_by(request: Request) -> FoundKey:
    """The key that let this request in, and whose it is; (None, None) is the key of the settings.

    Raises BadSignature for a request that found a way around `ApiDoor`.
    """
    if PASSED not in request.scope:
        raise BadSignature("the API key is missing")
    found: FoundKey = request.scope[PASSED]
    return found
