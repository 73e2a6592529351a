"""Webhooks without the right to call them: half tokens, other methods, moved parameters, odd bodies."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from models.intake import IntakeEvent
from tests.conftest import Backend
from tests.factories import API_KEY, HOOK_TOKEN, PUBLIC, TWILIO_TOKEN, Desk, all_of, make_desk
from workers.intake.providers.sms import twilio

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True),
]

RAW = "/hooks/email/raw"
SMS = "/hooks/sms/twilio"
MAIL = b"From: li.na@customer.example\r\nSubject: x\r\n\r\nhelp\r\n"
BEARER = {"Authorization": f"Bearer {HOOK_TOKEN}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PARAMS = [("Body", "help"), ("From", "+8613800005678"), ("MessageSid", "SM1"), ("NumMedia", "0")]


@pytest.fixture
async def desk(backend: Backend) -> AsyncIterator[Desk]:
    async with make_desk(backend) as desk:
        yield desk


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"Authorization": f"Bearer {HOOK_TOKEN[:-1]}"},
        {"Authorization": f"Bearer {API_KEY}"},
        {"Authorization": f"Basic {HOOK_TOKEN}"},
        {"Authorization": f"Bearer x, Bearer {HOOK_TOKEN}"},
        {"X-API-Key": HOOK_TOKEN},
        {"Cookie": f"token={HOOK_TOKEN}"},
    ],
)
async def test_without_the_whole_token_nothing_is_read(desk: Desk, headers: dict[str, str]) -> None:
    for path in (RAW, f"{RAW}?token={HOOK_TOKEN}", f"{RAW}?Authorization=Bearer+{HOOK_TOKEN}"):
        answer = await desk.web.post(path, content=MAIL, headers=headers)
        assert answer.status_code == 401
        assert HOOK_TOKEN not in answer.text
    assert await all_of(desk.workshop, IntakeEvent) == []


async def test_the_hook_token_opens_no_other_door(desk: Desk) -> None:
    assert (await desk.web.get("/api/v1/tickets", headers=BEARER)).status_code == 401
    assert (await desk.web.get("/api/v1/tickets", headers={"X-API-Key": HOOK_TOKEN})).status_code == 401


@pytest.mark.parametrize("path", [RAW, SMS, "/hooks/receipts/twilio"])
async def test_other_methods_are_no_calls(desk: Desk, path: str) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        answer = await desk.web.request(method, path, headers=BEARER)
        assert answer.status_code in (401, 405), method  # some SMS providers call by GET, signed
    assert await all_of(desk.workshop, IntakeEvent) == []


async def test_a_signature_holds_for_these_parameters_on_this_address_only(desk: Desk) -> None:
    signed = {**FORM, "X-Twilio-Signature": twilio.sign(PUBLIC + SMS, PARAMS, TWILIO_TOKEN)}
    body = urlencode(PARAMS)
    for path, content in (
        (SMS, body + "&Body=other"),
        (SMS, "Body=other&" + body),
        (SMS, body.replace("Body=help", "Body=help+")),
        (SMS, body.replace("From=", "from=")),
        (SMS, body + "&MediaUrl0=http://evil.example"),
        (SMS, body.replace("&MessageSid=SM1", "")),
        (SMS, ""),
        (f"{SMS}?Body=other", body),
        (f"{SMS}?{body}", ""),
        ("/hooks/receipts/twilio", body),
        (f"{SMS}/", body),
    ):
        answer = await desk.web.post(path, content=content, headers=signed)
        assert answer.status_code in (401, 404), (path, content)
    for signature in (
        "",
        "=",
        "AAAA",
        signed["X-Twilio-Signature"].lower(),
        signed["X-Twilio-Signature"][:-1],
    ):
        headers = {**FORM, "X-Twilio-Signature": signature}
        assert (await desk.web.post(SMS, content=body, headers=headers)).status_code == 401
    lying = {**signed, "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    assert await all_of(desk.workshop, IntakeEvent) == []
    assert (await desk.web.post(SMS, content=body, headers=lying)).status_code == 204


async def test_a_signed_call_repeated_is_one_event(desk: Desk) -> None:
    signed = {**FORM, "X-Twilio-Signature": twilio.sign(PUBLIC + SMS, PARAMS, TWILIO_TOKEN)}
    for _ in range(5):
        assert (await desk.web.post(SMS, content=urlencode(PARAMS), headers=signed)).status_code == 204
    assert len(await all_of(desk.workshop, IntakeEvent)) == 1


async def test_bodies_that_are_no_mail_are_kept_and_break_nothing(desk: Desk) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    for body, headers in (
        (bomb, {"Content-Encoding": "gzip"}),
        (b"\xff" * 1000, {"Content-Type": "application/json"}),
        (b"{}", {"Content-Type": "multipart/form-data; boundary=" + "x" * 5000}),
        (MAIL + b"1", {f"X-{number}": "y" * 100 for number in range(90)}),
        (MAIL + b"2", {"X-Envelope-From": "a" * 5000, "X-Envelope-To": "<\t>" * 500}),
    ):
        answer = await desk.web.post(RAW, content=body, headers={**BEARER, **headers})
        assert answer.status_code == 200, answer.text
    assert len(await all_of(desk.workshop, IntakeEvent)) == 5


@pytest.mark.parametrize("said", ["-1", "1e9", "99999999999999999999", "0x10", "25 ", "٣"])
async def test_a_length_that_lies_is_no_way_past_the_cap(desk: Desk, said: str) -> None:
    async def flood() -> AsyncIterator[bytes]:
        for _ in range(27):
            yield b"a" * 1_048_576

    headers = [(b"Authorization", BEARER["Authorization"].encode()), (b"Content-Length", said.encode())]
    answer = await desk.web.post(RAW, content=flood(), headers=headers)
    assert answer.status_code == 413
    assert await all_of(desk.workshop, IntakeEvent) == []
