"""One POST to an address that a user has set.

The name is looked up once, each address is judged, and the connection goes to the very address that was
judged: a second look-up, which might give another one (DNS rebinding), never happens. Redirects are not
followed, of the answer so much is read as was allowed, and the whole has an end. The environment's proxy is
passed by: a proxy looks names up itself, and nobody could hold it to what was judged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from workers.errors import CloseloopError, InvalidInput
from workers.outbound.addresses import Networks, Resolve, look_up, may_call
from workers.outbound.urls import PORTS, checked_url

if TYPE_CHECKING:
    import httpx

SECONDS = 15.0
MOST_READ = 4096
BODY_SECONDS = 2.0
"""The status decides: for the body, which only people read, nobody waits longer."""


class CallRefused(CloseloopError):
    """It must not be called: nothing has left. `reason` is snake case."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class CallFailed(CloseloopError):
    """No answer. `sent`: the other side may have heard; else nothing has left."""

    def __init__(self, reason: str, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said: status, headers with lower-case names, the first bytes of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller:
    """Calls; keeps no connections, so there is nothing to close. For one event loop.

    `seconds` is for the whole of a call. `allowed` are networks of the operator's own that may be called,
    `http` allows calls without TLS. `trust` replaces the certificate authorities of the system, `resolve` the
    name look-up.
    """

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        allowed: Networks = (),
        http: bool = False,
        trust: ssl.SSLContext | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        self.seconds = seconds
        self._allowed = allowed
        self._http = http
        self._trust = trust
        self._resolve = resolve

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], on_sent: Callable[[], None] | None = None
    ) -> Answer:
        """POST `body`; `on_sent` is called just before its first byte leaves.

        Raises CallRefused, CallFailed.
        """
        heard = _Heard(on_sent)
        try:
            parts = checked_url(url, http=self._http, allowed=self._allowed)
        except InvalidInput as error:
            raise CallRefused("address_refused", error.message) from error
        try:
            async with asyncio.timeout(self.seconds):
                return await self._post(parts, body, headers, heard)
        except TimeoutError as error:
            raise CallFailed(heard.timeout, "no answer in time", sent=heard.sent) from error

    async def _post(
        self, parts: SplitResult, body: bytes, headers: Mapping[str, str], heard: _Heard
    ) -> Answer:
        import httpx  # 0.2 s and 11 MB, which an installation that calls nobody need not pay

        self._trust = self._trust or httpx.create_ssl_context()
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        fixed = {**headers, "Host": parts.netloc, "Accept-Encoding": "identity"}
        # One client for a call: a kept connection is known by its address alone, and two hosts may share one.
        why = "the host cannot be reached"
        async with httpx.AsyncClient(verify=self._trust, trust_env=False, timeout=self.seconds) as web:
            for address in await self._addresses(host, port):
                where = f"[{address}]" if ":" in address else address
                request = web.build_request(
                    "POST", parts._replace(netloc=f"{where}:{port}").geturl(), content=body, headers=fixed
                )
                request.extensions = {**request.extensions, "sni_hostname": host, "trace": heard.trace}
                try:
                    return await _read(await web.send(request, stream=True, follow_redirects=False))
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    why = str(error) or why
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    reason = "lost_after_data" if heard.sent else "connection_failed"
                    raise CallFailed(reason, type(error).__name__, sent=heard.sent) from error
        raise CallFailed("connection_failed", why, sent=False)

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = list(await self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise CallFailed("name_not_found", "the name cannot be looked up", sent=False) from error
        # One bad address among good ones is reason enough: who answers so means to be called there.
        if not found or not all(may_call(address, self._allowed) for address in found):
            raise CallRefused("private_network", "the name leads into a private network")
        return found


class _Heard:
    """Whether the other side may have heard of a call."""

    def __init__(self, on_sent: Callable[[], None] | None) -> None:
        self.sent = False
        self._on_sent = on_sent

    @property
    def timeout(self) -> str:
        return "timeout_after_data" if self.sent else "timeout_before_data"

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event.endswith("send_request_body.started") and not self.sent:
            self.sent = True
            if self._on_sent is not None:
                self._on_sent()


async def _read(answer: httpx.Response) -> Answer:
    import httpx

    kept = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in answer.aiter_raw():
                kept += chunk[: MOST_READ - len(kept)]
                if len(kept) >= MOST_READ:
                    break
    except (TimeoutError, httpx.HTTPError):
        kept += b" (broken off)"
    finally:
        await answer.aclose()
    return Answer(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, kept)
