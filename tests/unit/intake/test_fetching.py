"""Fetching goes where it may, to whom it meant to, and takes no more than it was allowed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fakes_https import Answer, FakeHttps, https_server
from workers.errors import Unavailable
from workers.intake.fetching import Fetcher, FetchRefused

pytestmark = pytest.mark.anyio

CAP = 1_000


def _fetcher(server: FakeHttps, *, seconds: float = 20.0) -> Fetcher:
    return Fetcher(private=True, trust=server.trust, seconds=seconds)


async def _here(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_the_body_comes_back_and_the_key_goes_along() -> None:
    async with https_server() as server:
        server.answers["/mail"] = Answer(body=b"From: a@b.example\r\n\r\nhello")
        url = f"https://{server.host}/mail?Signature=abc"
        body = await _fetcher(server)(url, hosts={server.host}, cap=CAP, headers={"api-key": "k1"})
    assert body.endswith(b"hello")
    (call,) = server.calls
    assert call.path == "/mail?Signature=abc"
    assert call.headers["api-key"] == "k1"
    assert call.headers["host"] == server.host


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example/x",
        "ftp://api.example/x",
        "https://evil.example/x",
        "https://api.example.evil.example/x",
        "https://xapi.example/x",
        "https://api.example:8443/x",
        "https://api.example@evil.example/x",
        "https://user:word@api.example/x",
        "https://api.example./x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://api.example:99999/x",
        "https://api.example/x y",
        "https://api.example/x\r\nX-Evil: 1",
        "https://аpi.example/x",
        "https:///x",
        "//api.example/x",
        "",
    ],
)
async def test_only_https_to_a_host_on_the_list_is_fetched(url: str) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        raise AssertionError("it was about to connect")

    with pytest.raises(FetchRefused):
        await Fetcher(resolve=never)(url, hosts={"api.example"}, cap=CAP)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1",
     "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "224.0.0.1"],
)  # fmt: skip # packed, to be read at a glance
async def test_a_host_that_leads_into_a_private_network_is_refused(address: str) -> None:
    async def there(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8", address]

    with pytest.raises(FetchRefused, match="private network"):
        await Fetcher(resolve=there)("https://api.example/x", hosts={"api.example"}, cap=CAP)


async def test_the_certificate_must_be_the_hosts_own() -> None:
    async with https_server("files.example") as server:
        server.answers["/x"] = Answer(body=b"it is me")
        fetch = Fetcher(private=True, trust=server.trust, resolve=_here)
        own, other = f"files.example:{server.port}", f"other.example:{server.port}"
        assert await fetch(f"https://{own}/x", hosts={own}, cap=CAP) == b"it is me"
        with pytest.raises(Unavailable):
            await fetch(f"https://{other}/x", hosts={other}, cap=CAP)
        with pytest.raises(Unavailable):
            await Fetcher(private=True, resolve=_here)(f"https://{own}/x", hosts={own}, cap=CAP)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with https_server() as server:
        elsewhere = {"Location": f"https://{server.host}/secret"}
        server.answers |= {"/x": Answer(status, headers=elsewhere), "/secret": Answer(body=b"secret")}
        with pytest.raises(FetchRefused, match=str(status)):
            await _fetcher(server)(f"https://{server.host}/x", hosts={server.host}, cap=CAP)
    assert [call.path for call in server.calls] == ["/x"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_more_than_the_cap_is_refused_said_or_not(chunked: bool) -> None:
    async with https_server() as server:
        unsaid = Answer(body=b"x" * (CAP + 1), chunked=True)
        server.answers = {
            "/x": unsaid if chunked else Answer(body=b"x" * (CAP + 1)),
            "/y": Answer(body=b"y" * CAP),
        }
        fetch = _fetcher(server)
        with pytest.raises(FetchRefused, match="more than 1000 bytes"):
            await fetch(f"https://{server.host}/x", hosts={server.host}, cap=CAP)
        assert len(await fetch(f"https://{server.host}/y", hosts={server.host}, cap=CAP)) == CAP


async def test_a_compressed_answer_is_refused() -> None:
    async with https_server() as server:
        server.answers["/x"] = Answer(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
        with pytest.raises(FetchRefused, match="compressed"):
            await _fetcher(server)(f"https://{server.host}/x", hosts={server.host}, cap=CAP)
    assert server.calls[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(("status", "error"), [
    (404, FetchRefused), (401, FetchRefused), (204, FetchRefused), (429, Unavailable), (503, Unavailable),
])  # fmt: skip # packed, to be read at a glance
async def test_a_refusal_is_told_from_a_later(status: int, error: type[Exception]) -> None:
    async with https_server() as server:
        server.answers["/x"] = Answer(status)
        with pytest.raises(error, match=str(status)):
            await _fetcher(server)(f"https://{server.host}/x", hosts={server.host}, cap=CAP)


async def test_who_does_not_answer_in_time_is_left() -> None:
    async with https_server() as server:
        server.answers["/x"] = Answer(body=b"late", silence=3)
        with pytest.raises(Unavailable, match="in time"):
            await _fetcher(server, seconds=0.5)(f"https://{server.host}/x", hosts={server.host}, cap=CAP)


async def test_nobody_there_is_for_later_and_no_error_tells_the_address() -> None:
    async with https_server() as server:
        host = server.host
    with pytest.raises(Unavailable) as raised:
        await Fetcher(private=True)(f"https://{host}/x?Signature=secret", hosts={host}, cap=CAP)
    assert "secret" not in str(raised.value)
