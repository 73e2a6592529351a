"""Webhooks: proved, stored once before they are answered, and refused with the right status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import text

from models.intake import IntakeBody, IntakeEvent
from models.vocabulary import EventState
from tests.conftest import Backend
from tests.factories import (
    HOOK_TOKEN,
    KEY,
    PUBLIC,
    TWILIO_TOKEN,
    Desk,
    all_of,
    make_desk,
    make_workshop,
)
from tests.fakes import ManualClock
from tests.workbench import BellBook
from workers.intake.providers.sms import twilio
from workers.intake.store import load
from workers.metrics import Metrics
from workers.rendering import Renderer
from workers.web.app import WebParts, make_app

pytestmark = pytest.mark.anyio

MAIL = b"From: Li Na <li.na@customer.example>\r\nSubject: =?gb2312?B?vfTH0A==?=\r\n\r\nhelp\r\n"
BEARER = {"Authorization": f"Bearer {HOOK_TOKEN}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SMS = [
    ("Body", " 付款 失败 "),
    ("From", "+8613800005678"),
    ("MessageSid", "SM1"),
    ("NumMedia", "0"),
    ("Q", ""),
]


async def events(desk: Desk) -> list[IntakeEvent]:
    return await all_of(desk.workshop, IntakeEvent)


async def test_a_mail_is_stored_sealed_before_it_is_answered_and_rings(desk: Desk) -> None:
    headers = {
        **BEARER,
        "X-Envelope-From": "<li.na@customer.example>",
        "X-Envelope-To": "support@help.example",
    }
    answer = await desk.web.post("/hooks/email/raw", content=MAIL, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"stored": True})
    (row,) = await events(desk)
    assert (row.source, row.kind, row.state) == ("raw", "mail", EventState.RECEIVED)
    async with desk.workshop.read() as uow:
        event = await load(uow, row)
        sealed = await uow.session.scalar(text("SELECT raw_sealed FROM intake_bodies"))
    assert (event.raw, event.envelope["from"]) == (MAIL, "li.na@customer.example")
    assert event.envelope["to"] == "support@help.example"
    assert b"customer.example" not in bytes(sealed)
    ring = desk.workshop._ring
    assert isinstance(ring, BellBook)
    assert [bell.desk for bell in ring.rung][-1] == "intake"


async def test_the_same_mail_ten_times_at_once_is_one_event_and_every_answer_is_200(desk: Desk) -> None:
    posts = [desk.web.post("/hooks/email/raw", content=MAIL, headers=BEARER) for _ in range(10)]
    answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["stored"] for answer in answers) == [False] * 9 + [True]
    assert len(await events(desk)) == 1


async def test_the_same_mail_for_another_recipient_is_another_event(desk: Desk) -> None:
    for to in ("support@help.example", "Support@help.example ", "support+tag@help.example"):
        await desk.web.post("/hooks/email/raw", content=MAIL, headers={**BEARER, "X-Envelope-To": to})
    assert len(await events(desk)) == 2


async def test_a_broken_mail_is_authentic_and_kept(desk: Desk) -> None:
    broken = b"\x00\xff\xfe Content-Type: multipart/mixed; boundary=\r\n--\r\n" + bytes(range(256))
    answer = await desk.web.post("/hooks/email/raw", content=broken, headers=BEARER)
    assert (answer.status_code, len(await events(desk))) == (200, 1)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, MAIL, 401),
        ({"Authorization": "Bearer wrong"}, MAIL, 401),
        ({"Authorization": f"Basic {HOOK_TOKEN}"}, MAIL, 401),
        (KEY, MAIL, 401),
        (BEARER, b"", 400),
        ({**BEARER, "Content-Length": str(26 * 1024 * 1024)}, MAIL, 413),
    ],
    ids=["no token", "wrong token", "wrong scheme", "the API's key", "empty", "said to be too large"],
)
async def test_what_is_not_taken_is_not_stored(
    desk: Desk, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = await desk.web.post("/hooks/email/raw", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert await events(desk) == []


async def test_a_body_that_turns_out_too_large_is_refused_while_it_comes_in(desk: Desk) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(60):
            sent += 1
            yield b"x" * 1024 * 1024

    answer = await desk.web.post("/hooks/email/raw", content=endless(), headers=BEARER)
    assert answer.status_code == 413
    assert await events(desk) == []


async def test_a_database_in_trouble_asks_the_provider_to_try_again(desk: Desk) -> None:
    async with desk.workshop.begin() as uow:
        await uow.session.execute(text("ALTER TABLE intake_bodies RENAME TO away"))
    answer = await desk.web.post("/hooks/email/raw", content=MAIL, headers=BEARER)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "intake_bodies" not in answer.text
    async with desk.workshop.begin() as uow:
        await uow.session.execute(text("ALTER TABLE away RENAME TO intake_bodies"))
    assert await events(desk) == []
    assert (await desk.web.post("/hooks/email/raw", content=MAIL, headers=BEARER)).json()["stored"] is True


async def test_a_database_that_is_away_asks_the_provider_to_try_again() -> None:
    nowhere = Backend("away", "postgresql+asyncpg://closeloop:secret@127.0.0.1:1/closeloop", "")
    async with make_workshop(nowhere, ManualClock()) as workshop:
        parts = WebParts(workshop, Renderer(), workshop.settings, Metrics())
        transport = httpx.ASGITransport(make_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as web:
            answer = await web.post("/hooks/email/raw", content=MAIL, headers=BEARER)
            page = await web.get("/s/" + "a" * 26)
            ready = await web.get("/readyz")
    assert (answer.status_code, "retry-after" in answer.headers, "secret" in answer.text) == (
        503,
        True,
        False,
    )
    assert (page.status_code, "<html" in page.text) == (503, True)
    assert (ready.status_code, ready.json()["checks"]["broker"]) == (503, "ok")


async def test_an_unknown_provider_hears_which_are_known(desk: Desk) -> None:
    answer = await desk.web.post("/hooks/sms/carrier-pigeon", content=b"{}", headers=BEARER)
    assert answer.status_code == 404
    assert "/hooks/sms/twilio" in answer.json()["hint"]


async def twilio_post(
    desk: Desk, path: str, params: list[tuple[str, str]], *, signed_path: str = "", token: str = TWILIO_TOKEN
) -> int:
    signature = twilio.sign(f"{PUBLIC}{signed_path or path}", params, token)
    headers = {**FORM, "X-Twilio-Signature": signature}
    return (await desk.web.post(path, content=urlencode(params), headers=headers)).status_code


async def test_an_sms_signed_over_the_public_url_is_stored_once_with_its_blanks(desk: Desk) -> None:
    for _ in range(3):
        assert await twilio_post(desk, "/hooks/sms/twilio?team=a%20b", SMS) == 204
    (row,) = await events(desk)
    assert (row.source, row.external_id, row.kind) == ("twilio", "SM1", "sms")
    async with desk.workshop.read() as uow:
        event = await load(uow, row)
    fields = dict(SMS)
    assert event.envelope["text"] == fields["Body"], "nothing is trimmed"
    assert (event.envelope["sender"], event.envelope["external_id"]) == (fields["From"], "SM1")
    assert event.raw == urlencode(SMS).encode()


async def test_a_receipt_is_stored_once_per_message_and_state(desk: Desk) -> None:
    for state in ("sent", "delivered", "delivered"):
        params = [("MessageSid", "SM9"), ("MessageStatus", state)]
        assert await twilio_post(desk, "/hooks/receipts/twilio", params) == 204
    assert sorted((row.kind, row.external_id) for row in await events(desk)) == [
        ("receipt", "SM9:delivered"),
        ("receipt", "SM9:sent"),
    ]


async def test_a_call_that_twilio_did_not_sign_is_turned_away(desk: Desk) -> None:
    path = "/hooks/sms/twilio"
    assert await twilio_post(desk, path, SMS, token="somebody else's") == 401
    assert await twilio_post(desk, path, SMS, signed_path="/hooks/receipts/twilio") == 401
    assert await twilio_post(desk, f"{path}?to=elsewhere", SMS, signed_path=path) == 401
    signature = {"X-Twilio-Signature": twilio.sign(f"{PUBLIC}{path}", SMS, TWILIO_TOKEN)}
    changed = urlencode([*SMS[1:], ("Body", "pay me")])
    assert (await desk.web.post(path, content=changed, headers={**FORM, **signature})).status_code == 401
    assert (await desk.web.post(path, content=urlencode(SMS), headers=FORM)).status_code == 401
    assert await events(desk) == []


async def test_json_where_a_form_is_expected_and_bytes_that_are_no_form(desk: Desk) -> None:
    path = "/hooks/sms/twilio"
    answer = await desk.web.post(path, json={"Body": "x"})
    assert (answer.status_code, "x-www-form-urlencoded" in answer.json()["detail"]) == (415, True)
    for body in (b"Body=\xd6\xd0", b"Body=%D6%D0", b"&".join(b"a=1" for _ in range(600))):
        assert (await desk.web.post(path, content=body, headers=FORM)).status_code == 400
    large = b"Body=" + b"x" * 1024 * 1024
    assert (await desk.web.post(path, content=large, headers=FORM)).status_code == 413
    assert await events(desk) == []


async def test_an_authentic_sms_without_an_id_is_kept_and_refused(desk: Desk) -> None:
    assert await twilio_post(desk, "/hooks/sms/twilio", [("Body", "who am I?")]) == 400
    (row,) = await events(desk)
    assert (row.source, row.kind) == ("twilio", "sms")
    assert len(await all_of(desk.workshop, IntakeBody)) == 1


async def test_doors_that_were_never_opened_say_how_to_open_them(backend: Backend) -> None:
    async with make_desk(backend, sms_url=(), hook_token="", api_key="") as desk:
        sms = await desk.web.post("/hooks/sms/twilio", content=urlencode(SMS), headers=FORM)
        assert (sms.status_code, "CLOSELOOP_SMS_URL" in sms.json()["hint"]) == (404, True)
        for bearer in ("Bearer ", "Bearer x", ""):
            mail = await desk.web.post("/hooks/email/raw", content=MAIL, headers={"Authorization": bearer})
            assert (mail.status_code, "CLOSELOOP_HOOK_TOKEN" in mail.json()["hint"]) == (401, True)
            api = await desk.web.get("/api/v1/tickets", headers={"Authorization": bearer})
            assert (api.status_code, "CLOSELOOP_API_KEY" in api.json()["hint"]) == (401, True)


@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)
async def test_a_provider_that_signs_nothing_proves_itself_by_the_token_and_hears_its_own_answer(
    backend: Backend,
) -> None:
    url = "aliyun://KEY:SECRET@/%E9%98%BF%E9%87%8C"
    async with make_desk(backend, sms_url=(url,)) as desk:
        reply = [
            {
                "phone_number": "13800005678",
                "content": "退款",
                "send_time": "2026-03-02 10:00:00",
                "sequence_id": 7,
            }
        ]
        path = "/hooks/sms/aliyun"
        assert (await desk.web.post(path, json=reply)).status_code == 401
        answer = await desk.web.post(f"{path}?token={desk.workshop.settings.hook_token}", json=reply)
        assert (answer.status_code, answer.json()["code"]) == (200, 0)
        (row,) = await events(desk)
        assert (row.source, row.kind) == ("aliyun", "sms")
        assert (await desk.web.post("/hooks/sms/twilio", content=b"", headers=FORM)).status_code == 404
