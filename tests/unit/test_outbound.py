"""Calls to addresses that a user has set: never into a private network, never elsewhere than was judged."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.fakes_https import Answer, https_server
from workers.errors import InvalidInput
from workers.outbound import Caller, CallFailed, CallRefused, checked_url, may_call, signed_headers
from workers.settings import load_settings

pytestmark = pytest.mark.anyio

HERE = [ip_network("127.0.0.0/8")]
SECRET = "whsec_" + "QUJD" * 8


class Resolver:
    """Gives these addresses, one list for each look-up, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.0.192",
        "168.63.129.16",
        "198.18.0.1",
        "203.0.113.9",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "localhost",
        "",
    ],
)
def test_what_is_private_special_or_wrapped_is_not_called(address: str) -> None:
    assert not may_call(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_the_open_internet_is_called(address: str) -> None:
    assert may_call(address)


def test_the_operator_may_allow_networks_of_their_own_and_nothing_else_comes_with_them() -> None:
    environ = {"CLOSELOOP_SECRET_KEYS": "k:" + "QUJD" * 10 + "QUI=", "CLOSELOOP_WEBHOOK_HTTP": "yes"}
    settings = load_settings({**environ, "CLOSELOOP_WEBHOOK_NETWORKS": "10.2.0.0/16, fd12::/32"})
    assert settings.webhook_http
    allowed = settings.webhook_networks
    assert may_call("10.2.3.4", allowed)
    assert may_call("::ffff:10.2.3.4", allowed)
    assert may_call("fd12::7", allowed)
    assert not any(may_call(each, allowed) for each in ("10.3.0.1", "127.0.0.1", "169.254.169.254"))
    for wrong in ("10.2.0.1/16", "everything", "10.2.0.0/33"):
        with pytest.raises(Exception, match="WEBHOOK_NETWORKS"):
            load_settings({**environ, "CLOSELOOP_WEBHOOK_NETWORKS": wrong})


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https:///path",
        "https://",
        "https://user@hooks.example/",
        "https://user:word@hooks.example/",
        "https://hooks.example:99999/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://hooks.example/\r\nX-Evil: 1",
        "https://hooks.example/a b",
        "https://hooks.example\\@evil.example/",
        "https://hooks.example/\x00",
        "https://höoks.example/",
        "https://hooks.example/" + "a" * 2000,
        "//hooks.example/",
        "gopher://hooks.example/",
        "",
    ],
)
def test_addresses_that_are_none_are_refused_before_anything_is_looked_up(url: str) -> None:
    with pytest.raises(InvalidInput):
        checked_url(url)


async def test_a_name_is_looked_up_once_and_the_judged_address_is_called() -> None:
    async with https_server("rebind.example") as server:
        server.answers["/hook"] = Answer(200, b"thanks")
        resolver = Resolver(["127.0.0.1"], ["169.254.169.254"])
        caller = Caller(allowed=HERE, trust=server.trust, resolve=resolver)
        answer = await caller.post(
            f"https://rebind.example:{server.port}/hook", b"{}", {"webhook-id": "evt_1"}
        )
        assert (answer.status, answer.body) == (200, b"thanks")
        assert resolver.asked == ["rebind.example"]
        assert server.calls[0].headers["host"] == f"rebind.example:{server.port}"
        with pytest.raises(CallRefused, match="private"):
            await caller.post(f"https://rebind.example:{server.port}/hook", b"{}", {})
        assert len(server.calls) == 1


@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], []]
)
async def test_a_name_that_leads_inside_is_not_called(found: list[str]) -> None:
    async with https_server("hooks.example") as server:
        caller = Caller(trust=server.trust, resolve=Resolver(found))
        with pytest.raises(CallRefused) as refused:
            await caller.post(f"https://hooks.example:{server.port}/", b"{}", {})
        assert refused.value.reason == "private_network"
        assert server.calls == []


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f000001", "127.1", "017700000001"])
async def test_other_spellings_of_this_machine_do_not_help(spelling: str) -> None:
    meant = str(ip_address(socket.inet_aton(spelling)))  # what the system's resolver makes of it
    assert meant == "127.0.0.1"
    with pytest.raises(CallRefused):
        await Caller(resolve=Resolver([meant])).post(f"https://{spelling}:1/", b"{}", {})


async def test_this_machine_by_its_name_is_not_called() -> None:
    with pytest.raises(CallRefused):
        await Caller().post("https://localhost:1/", b"{}", {})


async def test_who_cannot_prove_its_name_hears_nothing() -> None:
    async with https_server("hooks.example") as server:
        caller = Caller(allowed=HERE, trust=server.trust, resolve=Resolver(["127.0.0.1"]))
        with pytest.raises(CallFailed) as failed:
            await caller.post(f"https://other.example:{server.port}/", b"{}", {})
        assert (failed.value.sent, failed.value.reason, server.calls) == (False, "connection_failed", [])


async def test_redirects_are_not_followed_and_long_answers_not_read() -> None:
    async with https_server("hooks.example") as server:
        server.answers["/moved"] = Answer(302, headers={"Location": "https://169.254.169.254/"})
        server.answers["/long"] = Answer(200, b"x" * 3_000_000)
        server.answers["/packed"] = Answer(200, b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
        caller = Caller(allowed=HERE, trust=server.trust, resolve=Resolver(*[["127.0.0.1"]] * 3))
        base = f"https://hooks.example:{server.port}"
        assert (await caller.post(f"{base}/moved", b"{}", {})).status == 302
        assert len((await caller.post(f"{base}/long", b"{}", {})).body) <= 4096
        assert (await caller.post(f"{base}/packed", b"{}", {})).status == 200
        assert all(call.headers["accept-encoding"] == "identity" for call in server.calls)
        assert len(server.calls) == 3


@asynccontextmanager
async def talking(*parts: bytes, pause: float = 0.0) -> AsyncIterator[int]:
    """A server that says these parts, with a pause between, then nothing; gives its port."""

    served: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):  # callers may hang up whenever they like
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            await reader.read()
        writer.close()
        with suppress(OSError):  # it is gone already
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in served if task is not None))


async def test_silence_endless_heads_and_slow_words_have_an_end() -> None:
    caller = Caller(seconds=0.5, allowed=HERE, http=True)
    async with talking() as port:
        for _ in range(50):  # on a busy machine its time may be over before it has said anything
            with pytest.raises(CallFailed) as failed:
                await caller.post(f"http://127.0.0.1:{port}/", b"{}", {})
            if failed.value.sent:
                break
        assert (failed.value.sent, failed.value.reason) == (True, "timeout_after_data")
    caller = Caller(seconds=60, allowed=HERE, http=True)
    async with talking(b"HTTP/1.1 200 OK\r\n", *[b"X-More: " + b"x" * 9000 + b"\r\n"] * 40) as port:
        with pytest.raises(CallFailed) as failed:
            await caller.post(f"http://127.0.0.1:{port}/", b"{}", {})
        assert failed.value.sent
    patient = Caller(seconds=60, allowed=HERE, http=True)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    async with talking(head, *[b"x"] * 1000, pause=0.05) as port:
        started = time.monotonic()
        assert (await patient.post(f"http://127.0.0.1:{port}/", b"{}", {})).status == 200
        assert time.monotonic() - started < 40, "the status decides: nobody waits for fifty seconds of words"


def test_a_call_that_was_recorded_proves_nothing_after_five_minutes() -> None:
    body, now = '{"type":"test"}', datetime.now(UTC)
    fresh = dict(signed_headers("evt_1", now, body, [SECRET, "whsec_" + "REVG" * 8]))
    assert Webhook(SECRET).verify(body, fresh) == {"type": "test"}
    assert Webhook("whsec_" + "REVG" * 8).verify(body, fresh)
    old = dict(signed_headers("evt_1", now - timedelta(minutes=6), body, [SECRET]))
    forged = [old, {**old, "webhook-timestamp": fresh["webhook-timestamp"]}, {**fresh, "webhook-id": "evt_2"}]
    for headers in forged:
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + " ", fresh)
