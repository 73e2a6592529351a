"""Attacks on the webhooks of mail providers by whoever can reach them."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from tests import mail_hooks_signed as signed
from tests.conftest import Backend
from tests.fakes import MONDAY_MORNING as NOW
from tests.house import open_house
from tests.mail_hooks_json import PUBLIC, URLS, Call
from tests.mail_hooks_reading import NOTHING
from workers.errors import BadSignature, SettingsError
from workers.intake.providers.calls import HookRequest
from workers.intake.providers.mail.account import MailAccount, parse_account
from workers.intake.providers.mail.registry import PROVIDERS, check_accounts, proved_by
from workers.web.bodies import UNPROVED_BUDGET, Budget

MEGABYTE = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
ALL: Mapping[str, str] = {**URLS, **{name: each[0] for name, each in signed.urls().items()}}


@pytest.mark.anyio
async def test_nothing_of_a_stranger_is_kept_however_broken_the_address(backend: Backend) -> None:
    async with open_house(backend, settings={"email_hooks": tuple(ALL.values())}) as house:
        for name, provider in PROVIDERS.items():
            for query in ("?token=%FF", "?" + "a=1&" * 600, "?token=", "?%00"):
                for kind in ("application/json", FORM, "multipart/form-data; boundary=b", "text/plain"):
                    answer = await house.web.post(
                        f"/hooks/email/{name}{query}", content=b"{}", headers={"content-type": kind}
                    )
                    assert answer.status_code == provider.refused, (name, query, kind)
        assert await house.events() == []


@pytest.mark.parametrize("name", ["mailgun", "mandrill"])
def test_a_form_of_nothing_but_escapes_fills_no_memory(name: str) -> None:
    body = b"token=" + b"%41" * (2 * MEGABYTE)
    used = _peak(name, Call(name, body, {"content-type": FORM}).request(NOW))
    assert used < 6 * len(body), f"{used / MEGABYTE:.0f} MB for {len(body) / MEGABYTE:.0f} MB"


@pytest.mark.parametrize("name", ["mailgun", "ses"])
def test_json_of_nothing_but_brackets_fills_no_memory(name: str) -> None:
    body = b"[" + b"[]," * (2 * MEGABYTE) + b"0]"
    used = _peak(name, Call(name, body, {"content-type": "application/json"}).request(NOW))
    assert used < MEGABYTE


def _peak(name: str, call: HookRequest) -> int:
    """Bytes that are needed at a time to find out that a call is a stranger's."""
    accounts = [parse_account(ALL[name])]
    tracemalloc.start()
    try:
        with pytest.raises(BadSignature):
            proved_by(PROVIDERS[name], call, accounts, NOTHING)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_one_signature_of_mailgun_carries_one_body() -> None:
    """Timestamp and token are signed, the body is not: who sees one call could else write any number."""
    account = parse_account(ALL["mailgun"])
    calls = [
        signed.mailgun_event(NOW, "failed", id="1", severity="permanent"),
        signed.mailgun_event(NOW, "complained", id="2"),
    ]
    keys = {item.key for call in calls for item in PROVIDERS["mailgun"].read(call.request(NOW), account)}
    (mail,) = PROVIDERS["mailgun"].read(signed.mailgun_mime(NOW, token="e" * 50).request(NOW), account)
    assert keys == {mail.key}


@pytest.mark.parametrize(
    "url",
    [
        "sparkpost://me:pw@?token=0123456789abcdef",
        "sparkpost://me:0123456789abcdef@?token=short",
        "brevo://me:pw@?token=0123456789abcdef",
        "sendgrid://me:pw@?token=0123456789abcdef",
    ],
)
def test_a_long_token_does_not_hide_a_short_password(url: str) -> None:
    with pytest.raises(SettingsError, match="too short"):
        check_accounts((url,))


def test_what_is_not_set_proves_nothing() -> None:
    """Empty keys, passwords and tokens match no empty signature."""
    shown: dict[str, Any] = {"authorization": "Basic Og==", "x-messagesystems-webhook-token": ""}
    for name in PROVIDERS:
        for path in ("", "?token="):
            call = HookRequest("POST", f"{PUBLIC}/hooks/email/{name}{path}", shown, b"", NOW)
            with pytest.raises(BadSignature):
                proved_by(PROVIDERS[name], call, [MailAccount(name)], NOTHING)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["brevo", "mailjet", "postmark", "sparkpost"])
async def test_no_byte_is_read_of_who_has_no_login(backend: Backend, name: str) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for piece in range(40):
            read.append(piece)
            yield b"x" * MEGABYTE

    async with open_house(backend, settings={"email_hooks": tuple(ALL.values())}) as house:
        answer = await house.web.post(f"/hooks/email/{name}", content=body())
        assert (answer.status_code, read) == (PROVIDERS[name].refused, [])


@pytest.mark.anyio
async def test_what_nobody_has_proved_takes_up_a_bounded_part_of_the_memory(backend: Backend) -> None:
    async with open_house(backend, settings={"email_hooks": tuple(ALL.values())}) as house:
        budget: Budget = house.app.state.parts.unproved
        with budget.share() as others:
            others.take(UNPROVED_BUDGET - 100)
            answer = await house.web.post("/hooks/email/mailgun", content=b"x" * 101)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        # Given back, also by the one that was refused in between.
        answer = await house.web.post("/hooks/email/mailgun", content=b"x" * 101)
        assert answer.status_code == PROVIDERS["mailgun"].refused
        with budget.share() as all_of_it:
            all_of_it.take(UNPROVED_BUDGET)
