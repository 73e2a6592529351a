"""Mailboxes that take no password: a token is had from the provider's own host, and opens the mailbox."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.conftest import Backend
from tests.fakes_https import Answer, FakeHttps, https_server
from tests.fakes_imap import CAPABILITIES, ScriptedImap
from tests.fetching import count, fault, fetching, looked, until, workshop_for
from tests.integration.test_imap import mail
from workers.imap import faults, tokens
from workers.settings.imap_url import parse_imap_urls

pytestmark = pytest.mark.anyio

TOKEN = "ya29.access-token"
TENANT = "contoso.example"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedImap]:
    """A server that takes a token only."""
    monkeypatch.setattr(faults, "USUAL", (0.1, 0.2))
    monkeypatch.setitem(faults.LONG, faults.THROTTLED, (0.1, 0.2))
    with ScriptedImap([*CAPABILITIES, "LOGINDISABLED", "AUTH=XOAUTH2"]) as server:
        server.token = TOKEN
        yield server


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeHttps]:
    """The token endpoint of either provider."""
    async with https_server() as fake:
        monkeypatch.setattr(tokens, "_trust", lambda: fake.trust)
        addresses = {
            "google": f"https://{fake.host}/google",
            "microsoft": f"https://{fake.host}/{{tenant}}/v2.0",
        }
        monkeypatch.setattr(tokens, "ENDPOINTS", addresses)
        yield fake


def given(**more: str) -> Answer:
    """What an endpoint answers when it gives a token."""
    return Answer(body=json.dumps({"access_token": TOKEN, "expires_in": 3599, **more}).encode())


def form_of(fake: FakeHttps) -> dict[str, str]:
    """The newest request for a token."""
    return {name: values[0] for name, values in parse_qs(fake.calls[-1].body.decode()).items()}


async def test_a_renewed_refresh_token_is_kept_and_goes_before_the_old_one(
    backend: Backend,
    server: ScriptedImap,
    provider: FakeHttps,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG", logger="workers")
    keep = tmp_path / "token"
    url = server.url(
        password="1%2F%2Fold", auth="google", client="app.id", secret="app-s", keep=str(keep), since="all"
    )
    provider.answers["/google"] = given(refresh_token="1//new")
    server.put(mail(1))
    async with workshop_for(backend) as workshop:
        async with fetching(workshop, url):
            await until(lambda: count(workshop))
        assert form_of(provider) == {
            "client_id": "app.id",
            "client_secret": "app-s",
            "grant_type": "refresh_token",
            "refresh_token": "1//old",
        }
        assert (keep.read_text(), stat.S_IMODE(keep.stat().st_mode)) == ("1//new", 0o600)
        async with fetching(workshop, url):
            await until(lambda: len(provider.calls) > 1)
            await until(lambda: looked(workshop))
    assert form_of(provider)["refresh_token"] == "1//new"
    assert server.asked("LOGIN") == 0
    assert not [word for word in (TOKEN, "1//old", "1//new", "app-s") if word in caplog.text]


async def test_an_application_enters_a_microsoft_mailbox_in_its_own_name(
    backend: Backend, server: ScriptedImap, provider: FakeHttps
) -> None:
    provider.answers[f"/{TENANT}/v2.0"] = given()
    server.put(mail(1))
    url = server.url(password="", auth="microsoft", client="app", secret="s", tenant=TENANT, since="all")
    async with workshop_for(backend) as workshop, fetching(workshop, url):
        await until(lambda: count(workshop))
    assert form_of(provider) == {
        "client_id": "app",
        "client_secret": "s",
        "grant_type": "client_credentials",
        "scope": "https://outlook.office365.com/.default",
    }


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(400, b'{"error": "invalid_grant"}'), "authentication_failed"),
        (Answer(body=b'{"access_token": "another"}'), "authentication_failed"),
        (Answer(503), "throttled"),
        (Answer(302, headers={"Location": "https://elsewhere.example/"}), "malformed_answer"),
        (Answer(body=b"[" * 70_000), "malformed_answer"),
        (Answer(body=b"no json"), "malformed_answer"),
        (Answer(body=b'{"access_token": "a\\u0001b"}'), "malformed_answer"),
    ],
)
async def test_what_is_wrong_with_a_token_is_told(
    backend: Backend, server: ScriptedImap, provider: FakeHttps, answer: Answer, reason: str
) -> None:
    provider.answers["/google"] = answer
    url = server.url(password="old", auth="google", client="app")
    async with workshop_for(backend) as workshop, fetching(workshop, url):
        await until(lambda: fault(workshop))
        assert await fault(workshop) == reason


def test_a_refresh_token_goes_to_the_providers_own_host_alone() -> None:
    assert tokens.ENDPOINTS["google"] == "https://oauth2.googleapis.com/token"
    assert tokens.ENDPOINTS["microsoft"].startswith("https://login.microsoftonline.com/{tenant}/")
    for tenant in ("a%2Fb", "a%40evil.example", "..%5C", "%0D%0Ax", "x%3Fy"):
        with pytest.raises(ValueError, match="tenant="):
            parse_imap_urls(f"imaps://u:p@h/?auth=microsoft&client=a&tenant={tenant}")
