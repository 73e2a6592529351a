"""The one way in which intake fetches from elsewhere: a provider's API, a signed link, a certificate.

Whoever is allowed to write to us must not choose what we call (server-side request forgery). So: https only,
hosts from a list that the caller knows beforehand, no address of a private network, no redirect, no more
bytes and seconds than were allowed. Everything else that wants to fetch in this layer takes `Fetch`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from workers.errors import CloseloopError, Unavailable
from workers.outbound import Resolve, is_public, look_up

if TYPE_CHECKING:
    import httpx

HTTPS = 443
SECONDS = 20.0
_LATER = frozenset({408, 425, 429})
"""Client errors that say "later" (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)."""


class FetchRefused(CloseloopError):
    """This will not be fetched however often it is tried: the address is not allowed, or the other side says
    no. Neither path nor query of the address are told: they carry what opens it.
    """


class Fetch(Protocol):
    """What fetches; tests hand in one of their own."""

    async def __call__(
        self, url: str, *, hosts: Collection[str], cap: int, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of a 200 answer to GET `url`, at most `cap` bytes.

        `hosts` are the only ones allowed, in lower case, compared exactly; one with another port than 443 is
        named with it (`files.example:8443`). `headers` go to that host and nowhere else.

        Raises FetchRefused, or Unavailable where trying again may help.
        """
        ...


class Fetcher:
    """`Fetch` over HTTPS. One for a process; it keeps no connections, so there is nothing to close.

    `seconds` is for the whole of a fetch. `private` allows addresses of this machine and of private networks
    (tests only), `trust` replaces the certificate authorities of the system, `resolve` the name look-up.
    """

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        private: bool = False,
        trust: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._seconds = seconds
        self._private = private
        self._trust = trust
        self._resolve = resolve or look_up

    async def __call__(
        self, url: str, *, hosts: Collection[str], cap: int, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """See `Fetch`."""
        parts = _checked(url, hosts)
        host = parts.hostname or ""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._get(parts, headers or {}, cap)
        except TimeoutError as error:
            raise Unavailable(f"{host} does not answer in time") from error

    async def _get(self, parts: SplitResult, headers: Mapping[str, str], cap: int) -> bytes:
        import httpx  # 0.2 s and 11 MB, which an installation that fetches nothing need not pay

        self._trust = self._trust or httpx.create_ssl_context()
        host = parts.hostname or ""
        # Without a compressed answer there is no small body that unpacks to a large one.
        fixed = {**headers, "Host": parts.netloc, "Accept-Encoding": "identity"}
        patience = httpx.Timeout(self._seconds, connect=self._seconds / 3)
        proxied = _goes_by_proxy(host)
        async with httpx.AsyncClient(verify=self._trust, trust_env=proxied, timeout=patience) as web:
            for address in await self._addresses(host, parts.port or HTTPS, proxied):
                request = web.build_request("GET", _at(parts, address), headers=fixed)
                request.extensions = {**request.extensions, "sni_hostname": host}
                try:
                    answer = await web.send(request, stream=True, follow_redirects=False)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    continue
                except httpx.HTTPError as error:
                    raise Unavailable(f"{host} cannot be reached ({type(error).__name__})") from error
                return await _body(answer, host, cap)
        raise Unavailable(f"{host} cannot be reached")

    async def _addresses(self, host: str, port: int, proxied: bool) -> Sequence[str]:
        """Where to connect: addresses that were looked at, so that a second look-up cannot give others.

        Behind a proxy it looks the name up; then the list of hosts has to do alone.
        """
        if proxied:
            return [host]
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            raise Unavailable(f"the name {host} cannot be looked up") from error
        if not self._private and not all(is_public(address) for address in found):
            raise FetchRefused(f"{host} leads into a private network", "nothing is fetched from there")
        return found


def _checked(url: str, hosts: Collection[str]) -> SplitResult:
    """The parts of an address that may be fetched. Raises FetchRefused."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port or HTTPS
    except ValueError as error:
        raise FetchRefused("the address to fetch from is none") from error
    if parts.scheme != "https" or not url.isascii() or not url.isprintable() or " " in url:
        raise FetchRefused("the address to fetch from is no https:// address")
    if parts.username is not None or parts.password is not None:
        raise FetchRefused("the address to fetch from carries a login")
    if (host if port == HTTPS else f"{host}:{port}") not in hosts:
        raise FetchRefused(
            f"{host or 'nowhere'} is not among the hosts to fetch from", "see the account's settings"
        )
    return parts._replace(fragment="")


def _at(parts: SplitResult, address: str) -> str:
    """The URL with an IP address in the place of the host."""
    where = f"[{address}]" if ":" in address else address
    return parts._replace(netloc=f"{where}:{parts.port or HTTPS}").geturl()


def _goes_by_proxy(host: str) -> bool:
    return "https" in getproxies() and not proxy_bypass(host)


async def _body(answer: httpx.Response, host: str, cap: int) -> bytes:
    import httpx

    try:
        _judge(answer, host, cap)
        return await _read(answer.aiter_raw(), host, cap)
    except httpx.HTTPError as error:
        raise Unavailable(f"{host} broke off ({type(error).__name__})") from error
    finally:
        await answer.aclose()


def _judge(answer: httpx.Response, host: str, cap: int) -> None:
    status = answer.status_code
    if status >= 500 or status in _LATER:
        raise Unavailable(f"{host} answers {status}")
    if answer.is_redirect or status != 200:
        hint = "is the API key right, and allowed to read?" if status in (401, 403) else ""
        raise FetchRefused(f"{host} answers {status}", hint)
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise FetchRefused(f"{host} sends a compressed body, which was not asked for")
    said = answer.headers.get("content-length", "")
    if said.isdecimal() and (len(said) > 12 or int(said) > cap):
        raise FetchRefused(f"{host} sends more than {cap} bytes")


async def _read(chunks: AsyncIterator[bytes], host: str, cap: int) -> bytes:
    kept, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > cap:
            raise FetchRefused(f"{host} sends more than {cap} bytes")
        kept.append(chunk)
    return b"".join(kept)
