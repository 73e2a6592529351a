"""From a provider's webhook to the customer's receipt and back: SparkPost, Resend, Brevo and Mailjet."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from models.intake import IntakeEvent
from models.notifications import Suppression
from models.vocabulary import EventState, NotificationState
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import House, open_house
from tests.mail_hooks_json import (
    CUSTOMER,
    SUPPORT,
    URLS,
    Call,
    brevo,
    brevo_event,
    brevo_item,
    mailjet,
    mailjet_event,
    mailjet_mail,
    resend,
    resend_event,
    resend_received,
    sparkpost,
    sparkpost_event,
    sparkpost_relay,
)
from tests.mail_hooks_reading import Shelf
from workers import promises
from workers.errors import Unavailable

pytestmark = pytest.mark.anyio

HAN = "han@163.example"
API = "https://api.resend.com/emails/receiving/56761188-7520-42d8-8898-ff6fc54ce618"
RAW = "https://inbound-cdn.resend.com/56761188/raw?Signature=abc"


def hooks(*names: str) -> dict[str, Any]:
    return {"email_hooks": tuple(URLS[name] for name in names)}


async def calls(house: House, call: Call) -> httpx.Response:
    """The provider calls, and everything that comes of it happens."""
    answer = await house.web.post(call.path, content=call.body, headers=dict(call.headers))
    await house.settle()
    return answer


def letter(
    sender: str, ident: str, text: str = "Please help.", *, answers: CaughtMail | None = None
) -> bytes:
    to = str(answers.message["Reply-To"]) if answers else SUPPORT
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: Order\r\nMessage-ID: <{ident}@mail.example>\r\n"
    if answers:
        head += f"In-Reply-To: {answers.message_id}\r\n"
    return f"{head}\r\n{text}\r\n".encode()


async def fate(house: House) -> tuple[NotificationState, str | None]:
    row = (await house.notifications("receipt"))[-1]
    return row.state, row.reason


async def held_back(house: House) -> list[str]:
    async with house.workshop.read() as uow:
        return [row.reason for row in await uow.session.scalars(select(Suppression))]


async def test_a_batch_of_sparkposts_opens_tickets_and_its_bounce_settles_the_receipt(
    backend: Backend,
) -> None:
    async with open_house(backend, settings=hooks("sparkpost")) as house:
        assert (await calls(house, sparkpost([{"msys": {}}]))).status_code == 200
        batch = sparkpost(
            [
                sparkpost_relay(letter(CUSTOMER, "q1")),
                sparkpost_relay(letter(HAN, "q2"), sender=HAN, coded=False),
            ]
        )
        for _ in range(2):
            answer = await calls(house, batch)
            assert (answer.status_code, answer.content) == (200, b"")
        assert len(await house.events()) == 2, "the same batch again changes nothing"
        (mail,) = house.mails_to(CUSTOMER)
        assert len(house.mails_to(HAN)) == 1

        echo = json.loads(str(mail.message["X-MSYS-API"]))["metadata"]
        reply = letter(CUSTOMER, "q3", "It is urgent!", answers=mail)
        await calls(house, sparkpost([sparkpost_relay(reply, to=str(mail.message["Reply-To"]))]))
        assert (await house.events())[-1].kind == "reply"

        await calls(house, sparkpost([sparkpost_event("delivery", rcpt_meta=echo)]))
        rows = {row.message_id: row.state for row in await house.notifications("receipt")}
        assert rows[mail.message_id] is NotificationState.DELIVERED
        bounce = sparkpost_event(
            "out_of_band",
            event_id="2",
            bounce_class="10",
            rcpt_meta=echo,
            raw_reason="550 5.1.1 user unknown",
        )
        await calls(house, sparkpost([bounce]))
        rows = {row.message_id: row.state for row in await house.notifications("receipt")}
        assert rows[mail.message_id] is NotificationState.BOUNCED
        assert await held_back(house) == ["hard_bounce"]


async def test_resends_mail_is_fetched_as_soon_as_it_can_be(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promises, "FIRST_PAUSE", 3600.0)  # no try comes by itself
    shelf = Shelf()
    shelf.answers[API] = Unavailable("api.resend.com answers 503")
    async with open_house(backend, settings=hooks("resend"), fetch=shelf) as house:
        for ident in ("msg_1", "msg_1", "msg_of_a_second_webhook"):
            assert (await calls(house, resend(resend_received(), ident=ident))).status_code == 200
        (event,) = await house.events()
        assert (event.state, event.reason) == (EventState.RECEIVED, "api.resend.com answers 503")
        assert event.due_at is not None
        assert house.mails_to(CUSTOMER) == []

        shelf.answers[API] = json.dumps({"raw": {"download_url": RAW}}).encode()
        shelf.answers[RAW] = letter(CUSTOMER, "q1")
        async with house.workshop.begin() as uow:
            await uow.session.execute(update(IntakeEvent).values(free_at=house.clock.machine()))
        await house.settle()
        (event,) = await house.events()
        assert event.state is EventState.DONE
        (mail,) = house.mails_to(CUSTOMER)

        await calls(house, resend(resend_event("email.delivered", mail.message_id), ident="msg_2"))
        assert (await fate(house))[0] is NotificationState.DELIVERED
        bounce = resend_event(
            "email.bounced", mail.message_id, bounce={"type": "Permanent", "subType": "NoEmail"}
        )
        for _ in range(2):
            await calls(house, resend(bounce, ident="msg_3"))
        assert await fate(house) == (NotificationState.BOUNCED, "unknown_recipient")
        assert await held_back(house) == ["hard_bounce"]


async def test_a_provider_that_renames_our_mail_is_followed(backend: Backend) -> None:
    shelf = Shelf()
    shelf.answers[API] = json.dumps({"raw": {"download_url": RAW}}).encode()
    shelf.answers[RAW] = letter(CUSTOMER, "q1")
    async with open_house(backend, settings=hooks("resend"), fetch=shelf) as house:
        await calls(house, resend(resend_received()))
        (mail,) = house.mails_to(CUSTOMER)
        headers = [{"name": "X-Closeloop", "value": str(mail.message["X-Closeloop"])}]
        theirs = "<0107018@eu-west-1.amazonses.example>"
        for ident, kind in (("m1", "email.delivered"), ("m2", "email.complained")):
            await calls(house, resend(resend_event(kind, theirs, headers=headers), ident=ident))
        assert (await fate(house))[0] is NotificationState.COMPLAINED
        assert await held_back(house) == ["complaint"]
        assert [event.state for event in await house.events() if event.kind == "receipt"] == [
            EventState.DONE
        ] * 2


async def test_brevos_mail_comes_though_its_attachment_cannot_be_had(backend: Backend) -> None:
    told = {"Name": "a.pdf", "ContentType": "application/pdf", "ContentLength": 3, "DownloadToken": "t"}
    async with open_house(backend, settings=hooks("brevo"), fetch=Shelf()) as house:
        for _ in range(2):
            item = brevo_item(Attachments=[told])
            assert (await calls(house, brevo({"items": [item]}))).status_code == 200
        (event,) = await house.events()
        assert event.state is EventState.DONE
        (mail,) = house.mails_to(CUSTOMER)
        await calls(
            house, brevo(brevo_event("soft_bounce", mail.message_id, reason="452 4.2.2 mailbox full"))
        )
        assert await fate(house) == (NotificationState.BOUNCED, "mailbox_full")
        assert await held_back(house) == [], "a full mailbox may be emptied"


async def test_mailjets_events_find_their_mail_by_what_we_wrote_into_it(backend: Backend) -> None:
    async with open_house(backend, settings=hooks("mailjet")) as house:
        await calls(house, mailjet(mailjet_mail()))
        (mail,) = house.mails_to(CUSTOMER)
        ident = str(mail.message["X-MJ-CustomID"])
        blocked = mailjet_event("blocked", ident, error_related_to="mailjet", error="preblocked")
        await calls(house, mailjet([mailjet_event("sent", "of somebody else"), blocked]))
        assert await fate(house) == (NotificationState.BOUNCED, "held_by_provider")
