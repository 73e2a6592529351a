"""Which addresses of the internet protocol may be called (server-side request forgery, OWASP A10:2021)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks = Collection[Network]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a host as text. Raises OSError."""

_SPECIAL = tuple(
    ipaddress.ip_network(each)
    for each in (
        "64:ff9b::/96",  # NAT64 (RFC 6052 §2.1): an IPv4 address, private ones too, in IPv6 clothes
        "64:ff9b:1::/48",  # NAT64 of a network of one's own (RFC 8215)
        "2002::/16",  # 6to4 (RFC 3056 §2)
        "2001::/32",  # Teredo (RFC 4380 §2.6)
        "::/96",  # IPv4-compatible (RFC 4291 §2.5.5.1)
        "fec0::/10",  # site-local, given up and still routed by some (RFC 3879)
        # Of IANA's special-purpose registries what one Python takes for global and the next does not.
        "192.0.0.0/24",
        "192.88.99.0/24",
        "100::/64",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
    )
)
_PLATFORM = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Azure's own services for its machines, at a public address: learn.microsoft.com/azure/virtual-network/
what-is-ip-address-168-63-129-16. What other clouds have for this is link-local or private."""


def may_call(address: str, allowed: Networks = ()) -> bool:
    """Whether `address` may be called: a public one, or one in a network that the operator has `allowed`."""
    try:
        ip = _plain(address)
    except ValueError:
        return False
    return any(ip in network for network in allowed) or _is_public(ip)


def is_public(address: str) -> bool:
    """Whether `address` is one of the open internet: neither private, loopback, link-local, multicast nor
    reserved, nor one in which another one is wrapped (IPv4-mapped ones are judged by what they wrap).

    Raises ValueError for what is no address.
    """
    return _is_public(_plain(address))


def _plain(address: str) -> Address:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return getattr(ip, "ipv4_mapped", None) or ip


def _is_public(ip: Address) -> bool:
    special = any(ip in network for network in _SPECIAL)
    return ip.is_global and not ip.is_multicast and not special and ip not in _PLATFORM


async def look_up(host: str, port: int) -> Sequence[str]:
    """`Resolve` by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
