"""From a provider's webhook to ticket and receipt, and from its delivery event back to the promise."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from models.intake import IntakeEvent
from models.notifications import Suppression
from models.vocabulary import DeadlineState, EventState, NotificationState
from tests import mail_hooks_signed as signed
from tests.conftest import Backend
from tests.fakes_smtp import CaughtMail
from tests.house import House, open_house
from tests.mail_hooks_json import CUSTOMER, SUPPORT, Call
from tests.mail_hooks_reading import Shelf

pytestmark = pytest.mark.anyio

HOOKS = {"email_hooks": tuple(url for urls in signed.urls().values() for url in urls)}
NOBODY = "550 5.1.1 no such user here"
CONFIRMED = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={signed.TOPICS[0]}"


def shelf() -> Shelf:
    """Amazon's certificate, and its page for confirmations."""
    return Shelf(
        **{signed.CERTIFICATE_URL: signed.certificate(), f"{CONFIRMED}&Token=2336412f37": b"<Confirmed/>"}
    )


def now() -> datetime:
    """Signatures are of the machine's time, which a story does not move."""
    return datetime.now(UTC)


async def calls(house: House, call: Call) -> httpx.Response:
    """The provider calls, and everything that comes of it happens."""
    answer = await house.web.post(call.path, content=call.body, headers=dict(call.headers))
    await house.settle()
    return answer


def echo_in(mail: CaughtMail, name: str) -> str:
    """What the header of a provider carries back, as that provider hands it on."""
    value = str(mail.message[name])
    if not value.startswith("{"):
        return value
    whole = json.loads(value)
    return str(whole.get("unique_args", whole)["closeloop"])


MAILS: dict[str, Callable[[], Call]] = {
    "mailgun": lambda: signed.mailgun_mime(now()),
    "sendgrid": lambda: signed.sendgrid_raw(now()),
    "postmark": lambda: signed.postmark_mail(),
    "ses": lambda: signed.ses(now(), signed.ses_mail(dmarc="PASS")),
    "mandrill": lambda: signed.mandrill_call(signed.mandrill_mail()),
}


def _ses_bounce(mail: CaughtMail) -> Call:
    bounce = signed.ses_bounce("Permanent", "General", "5.1.1", NOBODY)
    return signed.ses(now(), signed.ses_event("Bounce", source=mail.sender, bounce=bounce), key=1, ident="b1")


_STATUS: dict[str, Any] = {"delivery-status": {"code": 550, "message": "5.1.1 no such user here"}}

BOUNCES: dict[str, Callable[[CaughtMail], Call]] = {
    "mailgun": lambda mail: signed.mailgun_event(
        now(),
        "failed",
        mail.message_id.strip("<>"),
        severity="permanent",
        **_STATUS,
    ),
    "sendgrid": lambda mail: signed.sendgrid_events(
        now(),
        {"event": "processed", "sg_event_id": "p1", "smtp-id": mail.message_id},
        {
            "event": "bounce",
            "type": "bounce",
            "sg_event_id": "b1",
            "closeloop": echo_in(mail, "X-SMTPAPI"),
            "status": "5.1.1",
            "reason": NOBODY,
        },
    ),
    "postmark": lambda mail: signed.postmark_event(
        "Bounce",
        ID=4323372036854775807,
        Type="HardBounce",
        Details=f"smtp;{NOBODY}",
        BouncedAt="2026-03-02T01:00:00Z",
        Metadata={"closeloop": echo_in(mail, "X-PM-Metadata-closeloop")},
    ),
    "ses": _ses_bounce,
    "mandrill": lambda mail: signed.mandrill_call(
        signed.mandrill_event(
            "hard_bounce",
            diag=f"smtp;{NOBODY}",
            bounce_description="bad_mailbox",
            metadata={"closeloop": echo_in(mail, "X-MC-Metadata")},
        )
    ),
}


@pytest.mark.parametrize("name", list(MAILS))
async def test_a_mail_becomes_a_ticket_and_a_bounced_answer_was_no_first_response(
    backend: Backend, name: str
) -> None:
    async with open_house(backend, settings=HOOKS, fetch=shelf()) as house:
        for _ in range(2):  # providers call twice now and then
            assert (await calls(house, MAILS[name]())).status_code == 200
        (first,) = await house.notifications("receipt")
        receipt = await house.mail_of("receipt")
        assert (receipt.recipient, first.state) == (CUSTOMER, NotificationState.SENT)
        assignment = await house.mail_of("assignment")
        await house.mail(assignment.recipient, "Your parcel is on its way.", answers=assignment)
        await house.pass_time(timedelta(minutes=2))
        answer = await house.mail_of("reply_to_customer")
        assert (await house.ticket()).first_response_at is not None

        for _ in range(2):
            assert (await calls(house, BOUNCES[name](answer))).status_code == 200
        (row,) = await house.notifications("reply_to_customer")
        assert (row.state, row.reason) == (NotificationState.BOUNCED, "unknown_recipient")
        assert (await house.ticket()).first_response_at is None
        assert (await house.deadlines())["first_response"].state is DeadlineState.RUNNING
        assert (await house.mail_of("answer_bounced")).recipient == assignment.recipient
        async with house.workshop.read() as uow:
            held = list(await uow.session.scalars(select(Suppression)))
        assert [one.reason for one in held] == ["hard_bounce"]
        assert not [one for one in await house.events() if one.state is EventState.POISON]


async def test_mailgun_tells_of_delivery_complaint_and_unsubscription(backend: Backend) -> None:
    async with open_house(backend, settings=HOOKS) as house:
        await calls(house, MAILS["mailgun"]())
        receipt = await house.mail_of("receipt")

        async def told(event: str, **more: Any) -> NotificationState:
            # By the id of our own in the provider's header: it has replaced everything else.
            own = {"closeloop": echo_in(receipt, "X-Mailgun-Variables")}
            token = f"{event}{len(more)}".ljust(50, "x")
            call = signed.mailgun_event(
                now(), event, "foreign@mailgun.example", token=token, **{"user-variables": own, **more}
            )
            assert (await calls(house, call)).status_code == 200
            return (await house.notifications("receipt"))[0].state

        assert await told("failed", severity="temporary", reason="generic") is NotificationState.SENT
        assert await told("opened") is NotificationState.SENT
        assert await told("delivered") is NotificationState.DELIVERED
        assert await told("unsubscribed") is NotificationState.DELIVERED
        assert await told("complained") is NotificationState.COMPLAINED
        async with house.workshop.read() as uow:
            held = set(await uow.session.scalars(select(Suppression.reason)))
        assert held == {"opted_out", "complaint"}


async def test_an_event_of_somebody_elses_mail_over_the_same_account_changes_nothing(
    backend: Backend,
) -> None:
    async with open_house(backend, settings=HOOKS) as house:
        await calls(house, MAILS["mailgun"]())
        call = signed.mailgun_event(now(), "failed", "newsletter@elsewhere.example", severity="permanent")
        assert (await calls(house, call)).status_code == 200
        event = (await house.events())[-1]
        assert (event.state, event.reason) == (EventState.DONE, "of_no_known_message")
        assert (await house.notifications("receipt"))[0].state is NotificationState.SENT


async def test_ses_is_confirmed_by_its_own_topics_and_keeps_the_ids_it_made(backend: Backend) -> None:
    web = shelf()
    async with open_house(backend, settings=HOOKS, fetch=web) as house:
        assert (await calls(house, signed.ses_confirmation(now()))).status_code == 200
        assert [url for url, _ in web.asked] == [signed.CERTIFICATE_URL, f"{CONFIRMED}&Token=2336412f37"]
        evil = "sns.eu-west-1.amazonaws.com.evil.example"
        elsewhere = signed.ses_confirmation(now(), host=evil, ident="other")
        assert (await calls(house, elsewhere)).status_code == 200
        assert len(web.asked) == 2, "nothing is fetched elsewhere, and the certificate is kept"
        assert (await house.events())[-1].state is EventState.POISON

        await calls(house, MAILS["ses"]())
        receipt = await house.mail_of("receipt")
        delivered = signed.ses_event("Delivery", source=receipt.sender, delivery={})
        await calls(house, signed.ses(now(), delivered, ident="d1"))
        assert (await house.notifications("receipt"))[0].state is NotificationState.DELIVERED
        name = f"<{delivered['mail']['messageId']}@eu-west-1.amazonses.com>"
        reply = (
            f"From: {CUSTOMER}\r\nTo: {SUPPORT}\r\nSubject: another\r\nMessage-ID: <r1@163.example>\r\n"
            f"In-Reply-To: {name}\r\n\r\nIt is urgent.\r\n"
        )
        await calls(
            house, signed.ses(now(), signed.ses_mail(reply.encode(), ident="reply", dmarc="PASS"), ident="r1")
        )
        assert len(await house.notifications("receipt")) == 1, "the answer found its ticket"


async def test_a_mail_that_ses_has_put_elsewhere_is_kept_with_its_reason(backend: Backend) -> None:
    async with open_house(backend, settings=HOOKS, fetch=shelf()) as house:
        message = signed.ses_mail(dmarc="PASS")
        del message["content"]
        message["receipt"]["action"] = {"type": "S3", "bucketName": "mails", "objectKey": "1"}
        assert (await calls(house, signed.ses(now(), message))).status_code == 200
        (event,) = await house.events()
        assert event.state is EventState.POISON
        assert "S3" in (event.reason or "")


async def test_a_receipt_that_is_early_waits_for_the_record_of_its_sending(backend: Backend) -> None:
    """Amazon names nothing but its own id unless it is told to include our headers."""
    async with open_house(backend, settings=HOOKS, fetch=shelf()) as house:
        event = signed.ses_event("Delivery", source="bounces@elsewhere.example", delivery={})
        answer = await house.web.post(
            "/hooks/receipts/ses",
            content=signed.ses(now(), event).body,
            headers={"content-type": "text/plain"},
        )
        assert answer.status_code == 200

        async def held() -> IntakeEvent:
            return (await house.events())[-1]

        await house.settle()
        assert (await held()).state is EventState.RECEIVED
        house.clock.advance(timedelta(hours=25))
        async with house.workshop.begin() as uow:
            row = await uow.session.get_one(IntakeEvent, (await held()).id)
            row.free_at = None
        await house.settle()
        assert ((await held()).state, (await held()).reason) == (EventState.DONE, "of_no_known_message")


async def test_a_mail_that_the_provider_says_its_domain_disowns_gets_no_automatic_answer(
    backend: Backend,
) -> None:
    async with open_house(backend, settings=HOOKS, fetch=shelf()) as house:
        await calls(house, signed.ses(now(), signed.ses_mail(dmarc="FAIL")))
        assert not house.mails_to(CUSTOMER)
        (receipt,) = await house.notifications("receipt")
        assert (receipt.state, receipt.reason) == (NotificationState.SUPPRESSED, "sender_disowned")
        assert "sender_disowned" in await house.log_kinds()
